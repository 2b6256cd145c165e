package blob

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
)

// TestSecondBatchWaitsForTheFirst stops one batch between the renaming of a blob and the sync of its directory, while
// another stores the same bytes. The second must not be told anything before the first knows, and if the first fails it
// must make the blob durable itself.
func TestSecondBatchWaitsForTheFirst(t *testing.T) {
	for _, firstFails := range []bool{false, true} {
		t.Run(fmt.Sprintf("first fails=%v", firstFails), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { secondWaits(t, firstFails) })
		})
	}
}

func secondWaits(t *testing.T, firstFails bool) {
	sim := newSim()
	d, err := openSim(sim, Options{})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("wanted by two")
	g := digestOf(data)
	reached, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	sim.hook = func(op, _ string) {
		if op == "syncDir" {
			once.Do(func() { close(reached); <-goOn })
		}
	}
	first, second := d.NewBatch(), d.NewBatch()
	finish(t, first, data)
	finish(t, second, data)
	firstDone, secondDone := make(chan error, 1), make(chan error, 1)
	go func() { firstDone <- first.Commit() }()
	<-reached
	go func() { secondDone <- second.Commit() }()
	late := d.NewBatch()
	finish(t, late, data) // at this moment the file is there
	synctest.Wait()
	select {
	case err := <-secondDone:
		t.Fatalf("the second batch was answered (%v) before the first had synced", err)
	default:
	}
	_, err = d.Stat(g)
	wantErr(t, "stat of what is renamed and not synced", err, ErrNotFound)
	_, err = d.Open(g, -1)
	wantErr(t, "open of it", err, ErrNotFound)
	if _, missing := d.Pin(g); len(missing) != 1 {
		t.Error("Pin says that it is there")
	}
	for info := range d.All() {
		t.Errorf("All shows %s", label(info.Digest))
	}

	if firstFails {
		sim.mu.Lock()
		sim.fault = fault{at: sim.ops + 1, mode: failLose}
		sim.mu.Unlock()
	}
	close(goOn)
	if err := <-firstDone; firstFails != (err != nil) {
		t.Fatalf("first: %v", err)
	}
	if err := <-secondDone; err != nil {
		t.Fatalf("second: %v", err)
	}
	late.Abort()
	if err := d.Verify(g); err != nil {
		t.Error(err)
	}
	for seed := range uint64(20) {
		after, err := openSim(sim.crash(rand.New(rand.NewPCG(seed, 0))), Options{})
		if err == nil {
			err = after.Verify(g)
		}
		if err != nil {
			t.Fatalf("after power loss, seed %d: %v", seed, err)
		}
	}
}

// TestNameThatCannotBeTakenBack fails a commit and also the removal of what it had renamed: the blob must stay hidden, and
// the next upload must store it instead of trusting the file.
func TestNameThatCannotBeTakenBack(t *testing.T) {
	sim, c := newSim(), newClock()
	d, err := openSim(sim, c.options())
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("in doubt")
	g := digestOf(data)
	sim.hook = func(op, _ string) {
		if op == "syncDir" {
			sim.mu.Lock()
			sim.fault = fault{at: sim.ops + 1, mode: failLose, lasts: true}
			sim.mu.Unlock()
			sim.hook = nil
		}
	}
	b := d.NewBatch()
	finish(t, b, data)
	wantErr(t, "commit", b.Commit(), syscall.ENOSPC)
	sim.fault = fault{}
	_, err = d.Stat(g)
	wantErr(t, "stat", err, ErrNotFound)
	wantErr(t, "verify", d.Verify(g), ErrNotFound)
	if st := d.Stats(); st.InDoubt != 1 {
		t.Errorf("stats %+v", st)
	}
	put(t, d, data)
	if st := d.Stats(); st.InDoubt != 0 || st.Stored.Blobs != 1 {
		t.Errorf("stats %+v", st)
	}
	for seed := range uint64(20) {
		after, err := openSim(sim.crash(rand.New(rand.NewPCG(seed, 0))), c.options())
		if err == nil {
			err = after.Verify(g)
		}
		if err != nil {
			t.Fatalf("after power loss, seed %d: %v", seed, err)
		}
	}
}

// TestReaderRacesRollback opens a blob between its renaming and the failure of its commit, and looks for the veil after it
// was lifted: what the reader holds is no blob.
func TestReaderRacesRollback(t *testing.T) {
	sim, data := newSim(), []byte("never committed")
	d, err := openSim(sim, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, look := range []string{"open", "stat"} {
		renamed, fail, failed := make(chan struct{}), make(chan struct{}), make(chan struct{})
		sim.hook = func(op, _ string) {
			if op == "syncDir" {
				close(renamed)
				<-fail
				sim.mu.Lock()
				sim.fault = fault{at: sim.ops + 1, mode: failBefore}
				sim.mu.Unlock()
			}
		}
		var once sync.Once
		sim.then = func(op, name string) {
			select {
			case <-renamed:
				if op == look && name == fileName(digestOf(data)) {
					once.Do(func() { close(fail); <-failed })
				}
			default:
			}
		}
		b := d.NewBatch()
		finish(t, b, data)
		go func() {
			defer close(failed)
			wantErr(t, "commit", b.Commit(), syscall.ENOSPC)
		}()
		<-renamed
		if look == "open" {
			_, err = d.Open(digestOf(data), -1)
		} else {
			_, err = d.Stat(digestOf(data))
		}
		wantErr(t, look, err, ErrNotFound)
		<-failed
	}
}

// TestOpenRacesHeal heals a damaged blob after a reader has opened its file: the reader must not take the old file for
// the healed one.
func TestOpenRacesHeal(t *testing.T) {
	sim := newSim()
	d, err := openSim(sim, Options{})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("will be well")
	g := put(t, d, data)
	if err := sim.spoil(fileName(g), []byte("is not well.")); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "verify", d.Verify(g), ErrCorrupt)
	sim.then = func(op, _ string) {
		if op == "open" {
			sim.then = nil
			put(t, d, data)
		}
	}
	if got, err := d.ReadAll(g, int64(len(data))); err == nil && !bytes.Equal(got, data) {
		t.Errorf("read %q", got)
	}
	if err := d.Verify(g); err != nil {
		t.Errorf("after the upload: %v", err)
	}
}

// TestVerifyRacesHeal heals a blob while Verify has the damaged file open: the verdict must be about what is stored now.
func TestVerifyRacesHeal(t *testing.T) {
	sim := newSim()
	d, err := openSim(sim, Options{})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("will be well")
	g := put(t, d, data)
	if err := sim.spoil(fileName(g), data[:3]); err != nil {
		t.Fatal(err)
	}
	sim.hook = func(op, _ string) {
		if op == "read" {
			sim.hook = nil
			put(t, d, data)
		}
	}
	if err := d.Verify(g); err != nil {
		t.Errorf("verify: %v", err)
	}
	if _, err := d.ReadAll(g, int64(len(data))); err != nil {
		t.Error(err)
	}
}

// TestConcurrentIdenticalUploads sends the same bytes from many clients at once. All succeed, and one file is stored.
func TestConcurrentIdenticalUploads(t *testing.T) {
	for name, open := range beds(t) {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			data := strings.Repeat("the same for all ", maxBuffer/4)
			var clients sync.WaitGroup
			for range 16 {
				clients.Go(func() {
					if _, _, err := s.Put(strings.NewReader(data)); err != nil {
						t.Error(err)
					}
				})
			}
			clients.Wait()
			st := s.Stats()
			if st.Stored.Blobs != 1 || st.Deduplicated.Blobs != 15 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

// TestOpenFilesAreBounded stores many small blobs and counts the files that are open at a time.
func TestOpenFilesAreBounded(t *testing.T) {
	sim, opts := newSim(), newClock().options()
	opts.SyncWorkers = 3
	d, err := openSim(sim, opts)
	if err != nil {
		t.Fatal(err)
	}
	b := d.NewBatch()
	for i := range 200 {
		finish(t, b, fmt.Appendf(nil, "blob %d", i))
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if want := opts.SyncWorkers + 2; sim.peak > want { // and a parcel, and the file of the blob that goes into it
		t.Errorf("%d files were open at a time, want at most %d", sim.peak, want)
	}
}

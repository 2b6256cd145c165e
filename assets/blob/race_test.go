package blob

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"berth/assets/manifest"
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
	first, second := d.NewBatch(), d.NewBatch()
	finish(t, first, data)
	finish(t, second, data)

	reached, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	sim.hook = func(op, _ string) {
		if op == "syncDir" {
			once.Do(func() { close(reached); <-goOn })
		}
	}
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
	b := d.NewBatch()
	finish(t, b, data)
	sim.hook = func(op, _ string) {
		if op == "syncDir" {
			sim.mu.Lock()
			sim.fault = fault{at: sim.ops + 1, mode: failLose, lasts: true}
			sim.mu.Unlock()
			sim.hook = nil
		}
	}
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

// TestSweepRacesDeploys lets a sweep remove all that no record names while clients deploy the same few blobs again and
// again. A client that has committed its record must find its blobs until it deletes the record.
func TestSweepRacesDeploys(t *testing.T) {
	for name, open := range beds(t) {
		t.Run(name, func(t *testing.T) { sweepRace(t, open(t).store) })
	}
}

// records is what deployments refer to, as the real store would keep it.
type records struct {
	mu   sync.Mutex
	refs map[manifest.Digest]int
}

func (r *records) add(by int, gs []manifest.Digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range gs {
		r.refs[g] += by
	}
}

func (r *records) has(g manifest.Digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refs[g] > 0
}

func sweepRace(t *testing.T, s store) {
	recs := &records{refs: map[manifest.Digest]int{}}
	stop := make(chan struct{})
	var sweeper, clients sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				sweepOnce(t, s, recs)
			}
		}
	})
	for c := range 4 {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 7))
			for range 60 {
				deployAndDelete(t, s, recs, rng)
			}
		})
	}
	clients.Wait()
	close(stop)
	sweeper.Wait()
}

// sweepOnce has no grace at all: only pins protect.
func sweepOnce(t *testing.T, s store, recs *records) {
	for info, err := range s.All() {
		if err != nil {
			t.Error(err)
			return
		}
		if recs.has(info.Digest) {
			continue
		}
		err = s.Remove(info.Digest, time.Now().Add(1000*time.Hour))
		if err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
}

// deployAndDelete is a client: it asks what is missing, sends that, commits its record, and later deletes it. The sweep
// reads records before it removes, so a record is committed while the blobs are pinned.
func deployAndDelete(t *testing.T, s store, recs *records, rng *rand.Rand) {
	var want []manifest.Digest
	content := map[manifest.Digest][]byte{}
	for range 3 {
		data := fmt.Appendf(nil, "file %d", rng.IntN(6))
		want = append(want, digestOf(data))
		content[digestOf(data)] = data
	}
	unpin, missing := s.Pin(want...)
	b := s.NewBatch()
	for _, g := range missing {
		w, err := b.Create()
		if err == nil {
			_, err = w.Write(content[g])
		}
		if err == nil {
			_, _, err = w.Finish()
		}
		if err != nil {
			t.Error(err)
		}
	}
	if err := b.Commit(); err != nil {
		t.Error(err)
	}
	recs.add(1, want)
	unpin()
	for _, g := range want {
		if got, err := s.ReadAll(g, -1); err != nil || !bytes.Equal(got, content[g]) {
			t.Errorf("deployed, and: %q, %v", got, err)
		}
	}
	recs.add(-1, want)
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
	if sim.peak > opts.SyncWorkers {
		t.Errorf("%d files were open at a time, want at most %d", sim.peak, opts.SyncWorkers)
	}
}

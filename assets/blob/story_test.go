package blob

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"berth/assets/manifest"
)

// ledger is what a client has been promised.
type ledger struct {
	mu    sync.Mutex
	acked map[manifest.Digest]int64
	// loose may or may not be there: a removal was tried, or somebody spoilt the file.
	loose map[manifest.Digest]bool
	errs  []error
}

func newLedger() *ledger {
	return &ledger{acked: map[manifest.Digest]int64{}, loose: map[manifest.Digest]bool{}}
}

// ack takes down the outcome of a commit.
func (l *ledger) ack(err error, gs map[manifest.Digest]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.errs = append(l.errs, err)
		return
	}
	for g, n := range gs {
		l.acked[g] = n
		delete(l.loose, g)
	}
}

func (l *ledger) loosen(g manifest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loose[g] = true
	delete(l.acked, g)
}

func (l *ledger) note(err error) {
	if err != nil {
		l.ack(err, nil)
	}
}

func blobOf(name string, n int) []byte {
	return bytes.Repeat([]byte(name+"."), n/(len(name)+1)+1)[:n]
}

// deploy stores blobs in one batch, going on after errors as a careless client would.
func deploy(d *Dir, l *ledger, datas ...[]byte) {
	b := d.NewBatch()
	finished := map[manifest.Digest]int64{}
	for _, data := range datas {
		w, err := b.Create()
		if err == nil {
			_, err = w.Write(data)
		}
		if err == nil {
			var g manifest.Digest
			if g, _, err = w.Finish(); err == nil {
				finished[g] = int64(len(data))
			}
		}
		l.note(err)
	}
	l.ack(b.Commit(), finished)
}

// story is what happens to a directory in the sweeps: every kind of operation, some of them on the same blobs.
func story(d *Dir, sim *simFS, c *clock, l *ledger) {
	small, large := blobOf("small", 100), blobOf("large", maxBuffer+9)
	cut, doomed := blobOf("cut", 300), blobOf("doomed", 50)
	deploy(d, l, small, large, cut, doomed, nil)
	deploy(d, l, small, blobOf("new", 77))
	l.note(d.settle())

	if sim.spoil(fileName(digestOf(cut)), cut[:30]) == nil {
		l.loosen(digestOf(cut))
	}
	deploy(d, l, cut, large)
	deploy(d, l, blobOf("unsettled", 200), blobOf("large, unsettled", maxBuffer+2), blobOf("new", 77))

	aborted := d.NewBatch()
	if w, err := aborted.Create(); err == nil {
		_, err = w.Write(blobOf("aborted", maxBuffer+1))
		l.note(err)
		_, _, err = w.Finish()
		l.note(err)
	}
	aborted.Abort()

	c.advance(time.Hour)
	for _, data := range [][]byte{small, doomed} {
		if err := d.Touch(digestOf(data)); !errors.Is(err, ErrNotFound) {
			l.note(err)
		}
	}
	l.loosen(digestOf(doomed))
	if err := d.Remove(digestOf(doomed), c.t.Add(1)); !errors.Is(err, ErrNotFound) {
		l.note(err)
	}
	deploy(d, l, doomed, blobOf("last", 10))
	l.note(d.settle())
	deploy(d, l, blobOf("very last", maxBuffer))
}

// check holds a directory against what was promised.
func (l *ledger) check(t *testing.T, when string, d *Dir) {
	t.Helper()
	for g, n := range l.acked {
		f, err := d.Open(g, n)
		if err != nil {
			t.Fatalf("%s: acknowledged, but: %v", when, err)
		}
		f.Close()
		if err := d.Verify(g); err != nil {
			t.Fatalf("%s: acknowledged, but: %v", when, err)
		}
	}
	for info, err := range d.All() {
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if err := d.Verify(info.Digest); err != nil && !l.loose[info.Digest] {
			t.Fatalf("%s: visible and wrong: %v", when, err)
		}
	}
}

// hidden checks that in the running process nothing is visible that was not acknowledged.
func (l *ledger) hidden(t *testing.T, when string, d *Dir) {
	t.Helper()
	for info, err := range d.All() {
		if _, ok := l.acked[info.Digest]; err != nil || !ok && !l.loose[info.Digest] {
			t.Fatalf("%s: %s is visible, though no commit vouches for it (%v)", when, label(info.Digest), err)
		}
	}
}

func (l *ledger) explained(t *testing.T, when string) {
	t.Helper()
	for _, err := range l.errs {
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, errPower) {
			t.Fatalf("%s: the cause is lost: %v", when, err)
		}
	}
}

// bothWays runs a test on a fresh directory's file system, with and without parcels.
func bothWays(t *testing.T, f func(t *testing.T, base *simFS)) {
	for _, parcels := range []bool{false, true} {
		t.Run(fmt.Sprintf("parcels=%v", parcels), func(t *testing.T) {
			base := opened(t)
			base.parcels = parcels
			f(t, base)
		})
	}
}

// opened is a fresh directory's file system; making one is most of the work of a sweep.
func opened(t *testing.T) *simFS {
	t.Helper()
	sim := newSim()
	if _, err := openSim(sim, newClock().options()); err != nil {
		t.Fatal(err)
	}
	return sim.crash(rand.New(rand.NewPCG(1, 1)))
}

// reopen opens what a crash leaves and checks it, every third time also after all has been stored once more.
func reopen(t *testing.T, k int, when string, sim *simFS, c *clock, l *ledger) {
	t.Helper()
	d, err := openSim(sim, c.options())
	if err != nil {
		t.Fatalf("%s: reopen: %v", when, err)
	}
	if left := sim.temps(); len(left) > 0 {
		t.Fatalf("%s: temporaries left after open: %v", when, left)
	}
	l.check(t, when, d)
	if k%3 != 0 {
		return
	}
	again := newLedger()
	again.loose = maps.Clone(l.loose)
	story(d, sim, c, again)
	if len(again.errs) > 0 {
		t.Fatalf("%s: once more: %v", when, again.errs)
	}
	again.check(t, when+", once more", d)
}

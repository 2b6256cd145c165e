package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"berth/router/hostkey"
)

func TestKeyFilter(t *testing.T) {
	const n = 50_000
	f := newKeyFilter(n, 1<<30)
	for i := range n {
		k := testKey(i)
		f.add(tableRoute, &k)
	}
	claimed, wild := 0, 0
	for i := range n {
		k, other := testKey(i), testKey(n+i)
		if !f.has(tableRoute, &k) {
			t.Fatalf("key %d is missing", i)
		}
		if f.has(tableRoute, &other) {
			claimed++
		}
		if f.has(tableWildcard, &k) {
			wild++
		}
	}
	// What was measured for the promise on filterBitsPerKey is 0.4 %.
	if claimed > n/100 || wild > n/100 {
		t.Errorf("of %d keys that it has not it claims %d, and of wildcards %d", n, claimed, wild)
	}
	if got := f.n.Load(); got < n-n/100 || got > n || f.capped || f.room < n {
		t.Errorf("%d keys, capped %v, room %d", got, f.capped, f.room)
	}
	k := testKey(3)
	f.add(tableRoute, &k)
	before := f.n.Load()
	if f.add(tableRoute, &k); f.n.Load() != before {
		t.Error("a key is counted twice")
	}
}

func TestKeyFilterIsBounded(t *testing.T) {
	f := newKeyFilter(1_000_000, 64<<10)
	if f.bytes() != 64<<10 || !f.capped || f.room != 64<<10*8/filterBitsPerKey {
		t.Errorf("%d bytes, capped %v, room %d", f.bytes(), f.capped, f.room)
	}
}

func TestKeyFilterIsCrowded(t *testing.T) {
	const n = 50_000
	f := newKeyFilter(n, 1<<30)
	for i := range 2 * n {
		k := testKey(i)
		f.add(tableRoute, &k)
	}
	if !f.full() || f.crowded() {
		t.Errorf("%d keys of %d: full %v, crowded %v", f.n.Load(), f.room, f.full(), f.crowded())
	}
	claimed := 0
	for i := range n {
		if k := testKey(2*n + i); f.has(tableRoute, &k) {
			claimed++
		}
	}
	// What was measured for the promise on filterCrowded is 8 %.
	if claimed > n/10 {
		t.Errorf("of %d keys that it has not it claims %d", n, claimed)
	}
	for i := range n {
		k := testKey(3*n + i)
		f.add(tableRoute, &k)
	}
	if !f.crowded() {
		t.Errorf("%d keys of %d, and not crowded", f.n.Load(), f.room)
	}
}

// TestTableFiltersOfCrowded: those of the last level's tables are large, and are left alone until the one in memory is of little use.
func TestTableFiltersOfCrowded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMem(t, vfs.NewMem(), Options{KeyFilterBytes: 64 << 10})
		const room = 64 << 10 * 8 / filterBitsPerKey
		tablesAsked := func() int64 {
			t.Helper()
			m, err := s.Metrics()
			if err != nil {
				t.Fatal(err)
			}
			return m.TableFilterHits + m.TableFilterMisses
		}
		const known = 1000
		askedFor := func() int64 {
			t.Helper()
			if err := s.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			update(t, s, setRoute(1)) // iterators from before know tables that were compacted
			synctest.Wait()
			before := tablesAsked()
			for i := range known {
				if _, err := s.LookupRoute(testKey(i)); err != nil {
					t.Fatal(err)
				}
			}
			return tablesAsked() - before
		}
		fill(t, s, room*3/2)
		waitFor(t, func() bool { f := s.filters.live.Load(); return f != nil && f.capped && f.full() })
		if n := askedFor(); n != 0 {
			t.Errorf("beside a full filter those of tables are asked %d times for %d hosts", n, known)
		}
		fill(t, s, room*5/2)
		if n := askedFor(); n != known {
			t.Errorf("beside a crowded filter those of tables are asked %d times for %d hosts", n, known)
		}
	})
}

// TestFilterFollowsCommits: what is set is found at once and what is deleted is not, whatever the filter does; unknown hosts are
// settled by it.
func TestFilterFollowsCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMem(t, vfs.NewMem(), Options{})
		update(t, s, setRoute(1))
		synctest.Wait()
		if !s.MayHaveRoute(testKey(1)) || s.MayHaveRoute(testKey(2)) || s.MayHaveWildcard(testKey(1)) {
			t.Error("the filter of a new store is not in use")
		}
		update(t, s, setRoute(2))
		if _, err := s.LookupRoute(testKey(2)); err != nil {
			t.Error(err)
		}
		update(t, s, func(tx *Tx) error { return tx.SetWildcard(testKey(3), testRoute(3)) })
		if _, err := s.LookupWildcard(testKey(3)); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.LookupRoute(testKey(9)); !errors.Is(err, ErrClosed) {
			t.Errorf("unknown host after Close: %v", err)
		}
	})
}

func TestFilterIsFilledFromTheRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		const n = 9_000 // more than one step
		s := openMem(t, fs, Options{})
		fill(t, s, n)
		update(t, s, func(tx *Tx) error { return tx.SetWildcard(testKey(n), testRoute(1)) })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openMem(t, fs, Options{})
		waitFor(t, func() bool { return s.filters.live.Load() != nil })
		unknown := 0
		for i := range n {
			if !s.MayHaveRoute(testKey(i)) {
				t.Fatalf("key %d is missing", i)
			}
			if s.MayHaveRoute(testKey(i + 2*n)) {
				unknown++
			}
		}
		if !s.MayHaveWildcard(testKey(n)) || unknown > n/100 {
			t.Errorf("%d unknown hosts are claimed", unknown)
		}
		// It grows with the store.
		room := s.filters.live.Load().room
		fill(t, s, 4*n)
		waitFor(t, func() bool { return s.filters.live.Load().room >= 4*n })
		if got := s.filters.live.Load(); got.room < 4*n || got.full() {
			t.Errorf("room for %d keys, before for %d, of %d", got.room, room, got.n.Load())
		}
		// And forgets in time.
		for at := 0; at < 4*n; at += 9000 {
			update(t, s, func(tx *Tx) error {
				for i := at; i < at+9000; i++ {
					if err := tx.DeleteRoute(testKey(i)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		waitFor(t, func() bool { return s.filters.live.Load().n.Load() < 2*n })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A filter that was made for what is expected is never filled anew before that has come, and one of a start that came first is.
func TestFilterForWhatIsExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 40_000
		s := openMem(t, vfs.NewMem(), Options{})
		fill(t, s, n/4)
		s.ExpectRoutes(n)
		waitFor(t, func() bool { f := s.filters.live.Load(); return f != nil && f.room >= n })
		made := s.filters.live.Load()
		fill(t, s, n)
		synctest.Wait()
		if s.filters.live.Load() != made || made.full() {
			t.Errorf("%d keys, room for %d, the same filter: %v", made.n.Load(), made.room, s.filters.live.Load() == made)
		}
		for i := range n {
			if !s.MayHaveRoute(testKey(i)) {
				t.Fatalf("key %d is missing", i)
			}
		}
		// Nobody expects anything any more, and it grows as before.
		s.ExpectRoutes(0)
		if synctest.Wait(); s.filters.live.Load() != made {
			t.Error("it is filled anew for nothing")
		}
		fill(t, s, 2*n)
		waitFor(t, func() bool { return s.filters.live.Load().room >= 2*n })
		if got := s.filters.live.Load().room; got > 3*n {
			t.Errorf("room for %d of %d keys", got, 2*n)
		}
	})
}

func TestExpectationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMem(t, vfs.NewMem(), Options{KeyFilterBytes: 64 << 10})
		for _, n := range []int64{1 << 62, math.MaxInt64} {
			s.ExpectRoutes(n)
			waitFor(t, func() bool { f := s.filters.live.Load(); return f != nil && f.capped })
			if f := s.filters.live.Load(); f.bytes() != 64<<10 {
				t.Errorf("expected %d: %d bytes", n, f.bytes())
			}
		}
	})
}

// waitFor lets the bubble's time pass.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 1000 {
		synctest.Wait()
		if ok() {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatal("it does not come")
}

// TestFilterNeverMisses: writers who have committed find their key while filters are filled and taken into use all the time.
func TestFilterNeverMisses(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{MemTableBytes: 64 << 10})
	var over atomic.Bool
	var wg, filling sync.WaitGroup
	filling.Go(func() {
		for !over.Load() {
			if err := s.fillFilter(); err != nil {
				t.Errorf("fill: %v", err)
			}
		}
	})
	for w := range 4 {
		wg.Go(func() {
			for i := range 150 {
				n := w*1000 + i
				update(t, s, func(tx *Tx) error {
					return errors.Join(tx.SetRoute(testKey(n), testRoute(n)), tx.SetWildcard(testKey(n), testRoute(n)))
				})
				at := w*1000 + rand.IntN(i+1)
				if !s.MayHaveRoute(testKey(at)) || !s.MayHaveWildcard(testKey(at)) {
					t.Errorf("key %d is missing", at)
				}
				if _, err := s.LookupRoute(testKey(n)); err != nil {
					t.Errorf("key %d: %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	over.Store(true)
	filling.Wait()
}

// TestFilterOfABadDisk: records that cannot be read cost the filter and nothing else.
func TestFilterOfABadDisk(t *testing.T) {
	disk := vfs.NewMem()
	s := openMem(t, disk, Options{})
	fill(t, s, 9_000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var bad atomic.Bool
	broken := errors.New("cannot be read")
	s = openMem(t, errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt && bad.Load() {
			return broken
		}
		return nil
	})), Options{CacheBytes: 1 << 20})
	for s.filters.live.Load() == nil {
		runtime.Gosched() // the one that is filled after a start, which is not to come between
	}
	bad.Store(true)
	s.filters.pause()
	s.filters.mu.Lock()
	s.filters.paused--
	s.filters.mu.Unlock()
	if err := s.fillFilter(); !errors.Is(err, broken) {
		t.Fatalf("fill from a bad disk: %v", err)
	}
	bad.Store(false)
	if s.filters.live.Load() != nil || s.filters.next != nil {
		t.Error("an incomplete filter is in use")
	}
	if _, err := s.LookupRoute(testKey(7)); err != nil {
		t.Error(err)
	}
}

func BenchmarkKeyFilter(b *testing.B) {
	const n = 14_000_000
	f := newKeyFilter(n, 1<<30)
	keys := make([]hostkey.Key, 1<<16)
	for i := range keys {
		keys[i] = testKey(i)
	}
	b.Run("op=has", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			f.has(tableRoute, &keys[i&(1<<16-1)])
		}
	})
	b.Run("op=add", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			f.add(tableRoute, &keys[i&(1<<16-1)])
		}
	})
}

// The memory of a large filter is given back when nobody has the filter any more, and not before.
func TestKeyFilterMemory(t *testing.T) {
	f := newKeyFilter(10_000_000, 1<<30)
	at := uint64(uintptr(unsafe.Pointer(&f.blocks[0])))
	k := testKey(1)
	f.add(tableRoute, &k)
	for range 3 {
		runtime.GC()
	}
	if !isMapped(t, at) || !f.has(tableRoute, &k) {
		t.Error("a filter that is in use is gone")
	}
	f = nil
	for range 1000 { // cleanups are done in the background
		runtime.GC()
		if !isMapped(t, at) {
			return
		}
	}
	t.Error("the memory of a filter is never given back")
}

// isMapped says whether the process has memory of its own there.
func isMapped(t *testing.T, at uint64) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("only Linux says what is mapped")
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var from, to uint64
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if from <= at && at < to {
			return true
		}
	}
	return false
}

package cache

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEviction(t *testing.T) {
	t.Run("oldest first", func(t *testing.T) {
		c := mustNew(t, Options[int, int]{Capacity: 3})
		for k := range 5 {
			put(t, c, k, k)
		}
		if diff := cmp.Diff([]int{2, 3, 4}, has(c, 0, 1, 2, 3, 4)); diff != "" {
			t.Error(diff)
		}
		if s := c.Stats(); s.Evicted != 2 || s.Entries != 3 {
			t.Errorf("stats %+v", s)
		}
	})
	t.Run("a hit saves", func(t *testing.T) {
		c := mustNew(t, Options[int, int]{Capacity: 3})
		for k := range 3 {
			put(t, c, k, k)
		}
		has(c, 0)
		put(t, c, 3, 3)
		if diff := cmp.Diff([]int{0, 2, 3}, has(c, 0, 1, 2, 3)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a hit saves once", func(t *testing.T) {
		c := mustNew(t, Options[int, int]{Capacity: 3})
		for k := range 3 {
			put(t, c, k, k)
		}
		has(c, 0)
		for k := 3; k < 7; k++ {
			put(t, c, k, k)
		}
		if diff := cmp.Diff([]int{4, 5, 6}, has(c, 0, 3, 4, 5, 6)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a newcomer stays though all others were hit", func(t *testing.T) {
		for _, capacity := range []int{1, 2, 3, secondChances, secondChances + 5} {
			c := mustNew(t, Options[int, int]{Capacity: int64(capacity)})
			for k := range capacity {
				put(t, c, k, k)
				has(c, k)
			}
			put(t, c, capacity, 0)
			if len(has(c, capacity)) != 1 || c.Stats().Evicted != 1 {
				t.Errorf("capacity %d: stats %+v", capacity, c.Stats())
			}
		}
	})
	t.Run("weights", func(t *testing.T) {
		c := mustNew(t, Options[int, int]{Capacity: 10, Weight: func(_, v int) int64 { return int64(v) }})
		put(t, c, 1, 4)
		put(t, c, 2, 4)
		put(t, c, 3, 11) // returned, not kept, and nothing made room for it
		if diff := cmp.Diff([]int{1, 2}, has(c, 1, 2, 3)); diff != "" {
			t.Error(diff)
		}
		put(t, c, 4, 10)
		put(t, c, 5, -3)
		if diff := cmp.Diff([]int{5}, has(c, 1, 2, 3, 4, 5)); diff != "" {
			t.Error(diff)
		}
		if s := c.Stats(); s.Weight != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestAsideDoesNotPushOut(t *testing.T) {
	c := mustNew(t, Options[int, int]{Capacity: 100, Aside: func(v int) bool { return v < 0 }, AsideCapacity: 50})
	for k := range 100 {
		put(t, c, k, 1)
	}
	for k := 1000; k < 11000; k++ {
		put(t, c, k, -1)
	}
	for k := range 100 {
		if _, ok := c.Get(k); !ok {
			t.Fatalf("%d was pushed out", k)
		}
	}
	want := Stats{Hits: 100, Misses: 10100, Fills: 10100, Evicted: 9950, Entries: 150, Weight: 150, AsideEntries: 50, AsideWeight: 50}
	if diff := cmp.Diff(want, c.Stats()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.DropAside()
	if s := c.Stats(); s.Entries != 100 || s.AsideEntries != 0 {
		t.Errorf("after DropAside: %+v", s)
	}
	checkBounds(t, c)
}

// Keys that all hash alike are slow and nothing else.
func TestCrowdedChain(t *testing.T) {
	c, err := New(Options[int, int]{Hash: func(int) uint64 { return 1 }, Capacity: 100})
	if err != nil {
		t.Fatal(err)
	}
	for k := range 100 {
		put(t, c, k, k)
	}
	for k := range 100 {
		if v, ok := c.Get(k); !ok || v != k {
			t.Fatalf("Get(%d) = %d, %v", k, v, ok)
		}
	}
	checkBounds(t, c)
	for _, k := range []int{99, 0, 50} { // the first, the last and the middle of the chain
		c.Drop(k)
		checkBounds(t, c)
	}
	if got := has(c, 0, 1, 49, 50, 51, 98, 99); len(got) != 4 {
		t.Errorf("after drops of 0, 50 and 99 there are %v", got)
	}
	c.DropAll()
	if len(has(c, 1, 49, 98)) != 0 {
		t.Error("dropped entries are still answered")
	}
	checkBounds(t, c)
}

// A table that begins small grows under readers. Whoever goes on to Load finds what is there, and no second fill is made.
func TestReadersOfAGrowingTable(t *testing.T) {
	const keys = 20_000
	c := mustNew(t, Options[int, int]{Capacity: 1 << 30, Weight: func(int, int) int64 { return 1 }})
	var written atomic.Int64
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for i := 1; ; i++ {
				n := int(written.Load())
				if n == keys {
					return
				}
				if n == 0 {
					runtime.Gosched()
					continue
				}
				k := i * 7919 % n
				if v, ok := c.Get(k); ok && v != k {
					t.Errorf("Get(%d) = %d", k, v)
				}
				if v, err := c.Load(context.Background(), k, func(context.Context) (int, error) { return 0, errFill }); v != k || err != nil {
					t.Errorf("Load(%d) = %d, %v", k, v, err)
					return
				}
			}
		})
	}
	for k := range keys {
		put(t, c, k, k)
		written.Store(int64(k + 1))
	}
	readers.Wait()
	if s := c.Stats(); s.Fills != keys || s.Entries != keys {
		t.Errorf("stats %+v", s)
	}
	checkBounds(t, c)
}

func TestTooHeavyToKeep(t *testing.T) {
	var released []int
	c := mustNew(t, Options[int, int]{Capacity: 1 << 40, Weight: func(_, v int) int64 { return int64(v) }, Released: func(v int) { released = append(released, v) }})
	put(t, c, 1, maxWeight)
	put(t, c, 2, maxWeight+1)
	if diff := cmp.Diff([]int{1}, has(c, 1, 2)); diff != "" || c.Stats().Weight != maxWeight {
		t.Errorf("%v\n%s", c.Stats(), diff)
	}
	if diff := cmp.Diff([]int{maxWeight + 1}, released); diff != "" {
		t.Errorf("released:\n%s", diff)
	}
}

// What an entry costs beside its key and value is what EntryCost says.
func TestEntryCost(t *testing.T) {
	const entries = 100_000
	c := mustNew(t, Options[int, int]{Capacity: entries * 2, Weight: func(int, int) int64 { return 1 }})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for k := range entries {
		put(t, c, k, k)
	}
	each := float64(heap()-before)/entries - 16
	runtime.KeepAlive(c)
	if each < EntryCost*0.7 || each > EntryCost*1.2 {
		t.Errorf("an entry costs %.0f bytes, EntryCost is %d", each, EntryCost)
	}
}

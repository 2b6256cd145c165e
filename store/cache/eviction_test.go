package cache

import (
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

// A set of the read tier that is too small only costs the lock.
func TestCrowdedSet(t *testing.T) {
	c, err := New(Options[int, int]{Hash: func(int) uint64 { return 1 }, Capacity: 100})
	if err != nil {
		t.Fatal(err)
	}
	for k := range 100 {
		put(t, c, k, k)
	}
	for range 3 {
		for k := range 100 {
			if v, ok := c.Get(k); !ok || v != k {
				t.Fatalf("Get(%d) = %d, %v", k, v, ok)
			}
		}
		checkBounds(t, c)
	}
	for k := range 100 {
		c.Drop(k)
	}
	if len(has(c, 1, 50, 99)) != 0 {
		t.Error("dropped entries are still answered")
	}
	checkBounds(t, c)
}

package cache

import (
	"sync/atomic"
	"unsafe"
)

// Stats counts since New, except for what is kept now.
type Stats struct {
	Hits      uint64 // answered from the cache
	Misses    uint64 // Loads that needed a fill, their own or one under way
	Fills     uint64 // fills started
	Discarded uint64 // fills that a Drop overtook
	Evicted   uint64 // entries that made room for others
	Entries   int
	Weight    int64

	// Of Entries and Weight, what is kept aside.
	AsideEntries int
	AsideWeight  int64
}

// counts are those that happen under Cache.mu anyway.
type counts struct{ misses, fills, discarded, evicted uint64 }

// Stats returns a consistent set of counters; only Hits may run ahead of the rest.
func (c *Cache[K, V]) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{
		Hits: c.hits.sum(), Misses: c.counts.misses, Fills: c.counts.fills,
		Discarded: c.counts.discarded, Evicted: c.counts.evicted,
	}
	for i, seg := range c.segs {
		s.Entries += seg.lru.Len()
		s.Weight += seg.weight
		if i > 0 {
			s.AsideEntries += seg.lru.Len()
			s.AsideWeight += seg.weight
		}
	}
	return s
}

// striped counts hits. One shared counter would be the most contended word of the server; these are each on a line of
// its own, and goroutines that run at the same time mostly use different ones.
type striped struct {
	stripes [64]struct {
		n atomic.Uint64
		_ [120]byte // two lines: processors fetch them in pairs
	}
}

// add takes the stripe from the address of the goroutine's stack. Go offers no number of the processor or goroutine; the
// address is as good a guess and costs nothing. A stack that moves only changes the stripe.
func (s *striped) add() {
	var here byte
	at := mix(uint64(uintptr(unsafe.Pointer(&here)) >> 12))
	s.stripes[at%uint64(len(s.stripes))].n.Add(1)
}

func (s *striped) sum() (n uint64) {
	for i := range s.stripes {
		n += s.stripes[i].n.Load()
	}
	return n
}

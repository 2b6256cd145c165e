// Package cache is a bounded cache for the request path: golang-lru decides what stays, a table that is read without a lock
// answers hits, and a fill that raced an invalidation is thrown away.
//
// The promise to a writer: once the write can be read and Drop has returned, no Get or Load that begins afterwards
// returns what was there before.
package cache

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Options configures a Cache.
type Options[K comparable, V any] struct {
	Hash     func(K) uint64   // required; it is mixed again, so a dense number may be its own hash
	Weight   func(K, V) int64 // nil: every entry weighs 1. Less than 1 counts as 1, or entries could be without bound; of 4 GiB or more is not kept
	Capacity int64            // bound on the sum of weights, > 0

	// Aside picks the values that must not push out the others, such as answers that a stranger can make up questions
	// for. They have a bound and an order of eviction of their own. nil: there are none.
	Aside         func(V) bool
	AsideCapacity int64 // bound on the sum of their weights, > 0 if Aside is set

	// Released is told once of each value that a fill made, when the cache does not hold it or holds it no more: for values that
	// something must be done about, such as open files. Whoever was given the value may still have it. It runs on the
	// goroutine that brought it about, without the cache's lock. nil: nobody is told.
	Released func(V)

	// Inline says that fills are short and cannot be interrupted: the caller who starts one runs it on its own goroutine, and
	// stays until it returns. Otherwise that happens only if that caller's ctx can never be done.
	Inline bool
}

// Cache maps keys to values. It is safe for concurrent use. Values are shared: nobody may change one.
type Cache[K comparable, V any] struct {
	o    Options[K, V]
	hits striped
	seen atomic.Pointer[seen] // for Worth, from when something had to leave for the first time

	// mu guards all below: what stays, what is being filled, and every change of the tables. It is never held
	// while a fill, Weight or Aside runs.
	mu      sync.Mutex
	segs    []*segment[K, V] // the ordinary one and, with Options.Aside, the one aside
	flights map[K]*flight[V] // fills that a new caller may join: neither doomed nor abandoned
	counts  counts
	left    []V // values that left, for Options.Released
}

// New returns an empty cache.
func New[K comparable, V any](o Options[K, V]) (*Cache[K, V], error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &Cache[K, V]{o: o, flights: make(map[K]*flight[V])}
	capacities := []int64{o.Capacity}
	if o.Aside != nil {
		capacities = append(capacities, o.AsideCapacity)
	}
	for i, capacity := range capacities {
		entries := capacity
		if o.Weight != nil || i > 0 {
			entries = 0 // nobody knows
		}
		s, err := newSegment[K, V](o.Hash, capacity, entries)
		if err != nil {
			return nil, err
		}
		if o.Released != nil {
			s.left = func(e *entry[K, V]) { c.left = append(c.left, e.value) }
		}
		c.segs = append(c.segs, s)
	}
	return c, nil
}

func (o *Options[K, V]) validate() error {
	var faults []error
	fault := func(bad bool, text string) {
		if bad {
			faults = append(faults, errors.New("cache: "+text))
		}
	}
	fault(o.Hash == nil, "Hash is required")
	fault(o.Capacity <= 0, "Capacity must be more than 0")
	fault(o.Aside != nil && o.AsideCapacity <= 0, "AsideCapacity must be more than 0")
	fault(o.Aside == nil && o.AsideCapacity != 0, "AsideCapacity means nothing without Aside")
	return errors.Join(faults...)
}

// Get answers from the cache only, without a lock, and allocates nothing. It may miss what is there while the cache grows.
func (c *Cache[K, V]) Get(k K) (V, bool) {
	if e := c.fast(mix(c.o.Hash(k)), k); e != nil {
		return e.value, true
	}
	var zero V
	return zero, false
}

// Drop removes k, and dooms a fill of k under way.
func (c *Cache[K, V]) Drop(k K) {
	h := mix(c.o.Hash(k))
	c.mu.Lock()
	defer c.unlock()
	for _, s := range c.segs {
		s.drop(h, k)
	}
	if f := c.flights[k]; f != nil {
		c.doom(k, f)
	}
}

// DropAll does it for every key.
func (c *Cache[K, V]) DropAll() {
	c.mu.Lock()
	defer c.unlock()
	c.doomAll()
	for _, s := range c.segs {
		s.clear()
	}
}

// DropAside removes every value that is kept aside, and dooms all fills: which of them would have been aside is not known yet.
func (c *Cache[K, V]) DropAside() {
	c.mu.Lock()
	defer c.unlock()
	c.doomAll()
	for _, s := range c.segs[1:] {
		s.clear()
	}
}

// unlock gives up mu and tells of the values that left under it.
func (c *Cache[K, V]) unlock() {
	left := c.left
	c.left = nil
	c.mu.Unlock()
	for _, v := range left {
		c.o.Released(v)
	}
}

// fast is find with what a hit leaves behind.
func (c *Cache[K, V]) fast(h uint64, k K) *entry[K, V] {
	e := c.find(h, k)
	if e == nil {
		return nil
	}
	// Written only when it changes: a store on every hit would pass the line from core to core.
	if !e.touched.Load() {
		e.touched.Store(true)
	}
	c.hits.add()
	return e
}

func (c *Cache[K, V]) find(h uint64, k K) *entry[K, V] {
	for _, s := range c.segs {
		if e := s.table.get(h, k); e != nil {
			return e
		}
	}
	return nil
}

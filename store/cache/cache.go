// Package cache is a bounded cache for the request path: golang-lru decides what stays, a lock-free read tier before it
// answers hits, and a fill that raced an invalidation is thrown away.
package cache

import "context"

// CONTRACT: replaced by the implementation.

type Options[K comparable, V any] struct {
	Hash     func(K) uint64   // required
	Weight   func(K, V) int64 // nil: every entry weighs 1
	Capacity int64            // bound on the sum of weights, > 0
	Slots    int              // entries the read tier can answer; 0: from Capacity if Weight is nil, else 8192
}

type Cache[K comparable, V any] struct{}

func New[K comparable, V any](o Options[K, V]) (*Cache[K, V], error) { panic("todo") }

// Get answers from the cache only. A hit in the read tier takes no lock and allocates nothing.
func (c *Cache[K, V]) Get(k K) (V, bool) { panic("todo") }

// Load answers from the cache or from fill, which runs once per key however many wait. A fill that an invalidation
// overtook is returned to nobody who asked after it, and not kept. An error is not cached. ctx bounds the waiting of this caller only.
func (c *Cache[K, V]) Load(ctx context.Context, k K, fill func(context.Context) (V, error)) (V, error) {
	panic("todo")
}

// Drop removes k from both tiers, and dooms a fill of k under way.
func (c *Cache[K, V]) Drop(k K) { panic("todo") }

// DropAll does it for every key.
func (c *Cache[K, V]) DropAll() { panic("todo") }

type Stats struct {
	Hits, Misses, Fills, Discarded, Evicted uint64
	Entries                                 int
	Weight                                  int64
}

func (c *Cache[K, V]) Stats() Stats { panic("todo") }

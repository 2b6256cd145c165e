package cache

import (
	"math/bits"
	"sync/atomic"
)

// table finds every kept entry, and is read without a lock: an array of chains, about as long as there are entries.
//
// While it grows, a reader may be led into another chain and find nothing. So finding nothing means something only to
// who holds Cache.mu; others go on to take it.
type table[K comparable, V any] struct {
	hash    func(K) uint64
	buckets atomic.Pointer[[]bucket[K, V]] // a power of two
	n       int                            // entries; guarded by Cache.mu, as all changes are
}

type bucket[K comparable, V any] struct {
	first atomic.Pointer[entry[K, V]]
}

const (
	// A table begins with room for the entries that will come, if that is known, up to so many.
	maxFirstBuckets = 1 << 20
	minBuckets      = 64
	// It grows when so many tenths of it are entries: an entry has 0.4 others before it in its chain at most, on average.
	maxTenths = 8
)

func newTable[K comparable, V any](hash func(K) uint64, entries int64) *table[K, V] {
	t := &table[K, V]{hash: hash}
	n := max(min(entries, maxFirstBuckets)*10/maxTenths, minBuckets)
	b := make([]bucket[K, V], 1<<bits.Len64(uint64(n-1)))
	t.buckets.Store(&b)
	return t
}

// mix spreads a hash over all its bits (the finaliser of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func in[K comparable, V any](buckets []bucket[K, V], h uint64) *bucket[K, V] {
	return &buckets[h&uint64(len(buckets)-1)]
}

func (t *table[K, V]) get(h uint64, k K) *entry[K, V] {
	for e := in(*t.buckets.Load(), h).first.Load(); e != nil; e = e.next.Load() {
		if e.key == k {
			return e
		}
	}
	return nil
}

// add takes an entry whose key is not there.
func (t *table[K, V]) add(h uint64, e *entry[K, V]) {
	buckets := *t.buckets.Load()
	if t.n >= len(buckets)/10*maxTenths {
		buckets = t.grow(buckets)
	}
	t.n++
	b := in(buckets, h)
	e.next.Store(b.first.Load())
	b.first.Store(e)
}

// remove takes e out. A reader who stands on it still gets on.
func (t *table[K, V]) remove(e *entry[K, V]) {
	t.n--
	at := &in(*t.buckets.Load(), mix(t.hash(e.key))).first
	for held := at.Load(); held != e; held = at.Load() {
		at = &held.next
	}
	at.Store(e.next.Load())
}

// grow moves all entries into twice as many chains. Each is linked anew once, so a reader among them comes to an end.
func (t *table[K, V]) grow(old []bucket[K, V]) []bucket[K, V] {
	larger := make([]bucket[K, V], 2*len(old))
	for i := range old {
		for e := old[i].first.Load(); e != nil; {
			next, b := e.next.Load(), in(larger, mix(t.hash(e.key)))
			e.next.Store(b.first.Load())
			b.first.Store(e)
			e = next
		}
	}
	t.buckets.Store(&larger)
	return larger
}

func (t *table[K, V]) clear() {
	buckets := *t.buckets.Load()
	for i := range buckets {
		if buckets[i].first.Load() != nil {
			buckets[i].first.Store(nil)
		}
	}
	t.n = 0
}

package cache

import (
	"math"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// entry is a kept value. Readers without the lock see all of it but weight; only touched and next ever change.
type entry[K comparable, V any] struct {
	key     K
	value   V
	next    atomic.Pointer[entry[K, V]] // in its chain of the table
	touched atomic.Bool                 // hit since the LRU last looked
	weight  uint32                      // guarded by Cache.mu
}

// EntryCost is about what an entry costs in bytes beside what its key and value take: itself, its place in the order of use, and its share
// of the tables. Who bounds a cache by bytes adds it to each weight.
const EntryCost = 128

// maxWeight is that of the heaviest entry that is kept.
const maxWeight = math.MaxUint32

// secondChances bounds how many touched entries one eviction may pass over, and with it the time the lock is held. A cache of
// which more than that many oldest entries were all just hit is too small for its work, and any choice is as good.
const secondChances = 64

// segment is the table of what is kept, and one LRU over it, bounded by weight. All but table.get needs Cache.mu.
//
// The LRU has the entries themselves for keys and no values: they are found through the table alone, which takes
// half of the memory that a second index of their keys would.
type segment[K comparable, V any] struct {
	lru      *simplelru.LRU[*entry[K, V], struct{}]
	table    *table[K, V]
	weight   int64
	capacity int64
	left     func(*entry[K, V]) // is told of what leaves; nil: nobody wants to know
}

func newSegment[K comparable, V any](hash func(K) uint64, capacity, entries int64) (*segment[K, V], error) {
	// The bound is on weights, so the LRU's own bound on entries must never strike.
	lru, err := simplelru.NewLRU[*entry[K, V], struct{}](math.MaxInt, nil)
	if err != nil {
		return nil, err
	}
	return &segment[K, V]{lru: lru, table: newTable[K, V](hash, entries), capacity: capacity}, nil
}

// add keeps e, whose key is in no segment, and returns how many entries made room for it. One that could not fit
// into an empty segment is not kept: it would push out everything and then itself.
func (s *segment[K, V]) add(h uint64, e *entry[K, V]) (evicted uint64, kept bool) {
	if int64(e.weight) > s.capacity {
		return 0, false
	}
	s.lru.Add(e, struct{}{})
	s.weight += int64(e.weight)
	for chances := secondChances; s.weight > s.capacity; {
		oldest, _, _ := s.lru.GetOldest()
		switch {
		case oldest == e:
			// All others had their chance. Evicting the newcomer would keep it out for ever.
			s.lru.Get(e)
			chances = 0
		case chances > 0 && oldest.touched.Load():
			oldest.touched.Store(false)
			s.lru.Get(oldest)
			chances--
		default:
			s.remove(oldest)
			evicted++
		}
	}
	s.table.add(h, e)
	return evicted, true
}

func (s *segment[K, V]) drop(h uint64, k K) {
	if e := s.table.get(h, k); e != nil {
		s.remove(e)
	}
}

func (s *segment[K, V]) remove(e *entry[K, V]) {
	s.lru.Remove(e)
	s.weight -= int64(e.weight)
	s.table.remove(e)
	if s.left != nil {
		s.left(e)
	}
}

func (s *segment[K, V]) clear() {
	if s.left != nil {
		for _, e := range s.lru.Keys() {
			s.left(e)
		}
	}
	s.lru.Purge()
	s.weight = 0
	s.table.clear()
}

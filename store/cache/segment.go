package cache

import (
	"math"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// entry is a kept value. Readers without the lock see key, value and touched; only touched ever changes for them.
type entry[K comparable, V any] struct {
	key     K
	value   V
	hash    uint64
	weight  int64
	touched atomic.Bool // hit in the read tier since the LRU last looked
	aside   bool
	way     int8 // where in its set of the read tier it is, or noWay; guarded by Cache.mu
}

// secondChances bounds how many touched entries one eviction may pass over, and with it the time the lock is held. A cache of
// which more than that many oldest entries were all just hit is too small for its work, and any choice is as good.
const secondChances = 64

// segment is one LRU bounded by weight, and the read tier that answers for it. All but tier.get needs Cache.mu.
type segment[K comparable, V any] struct {
	lru      *simplelru.LRU[K, *entry[K, V]]
	tier     tier[K, V]
	weight   int64
	capacity int64
	left     func(*entry[K, V]) // is told of what leaves; nil: nobody wants to know
}

func newSegment[K comparable, V any](capacity int64, slots int) (*segment[K, V], error) {
	// The bound is on weights, so the LRU's own bound on entries must never strike.
	lru, err := simplelru.NewLRU[K, *entry[K, V]](math.MaxInt, nil)
	if err != nil {
		return nil, err
	}
	return &segment[K, V]{lru: lru, tier: newTier[K, V](slots), capacity: capacity}, nil
}

// get is a hit that the read tier missed: the entry was displaced from its set, and goes back.
func (s *segment[K, V]) get(h uint64, k K) *entry[K, V] {
	e, ok := s.lru.Get(k)
	if !ok {
		return nil
	}
	if e.way == noWay {
		s.tier.put(h, e)
	}
	return e
}

// add keeps e, whose key is in no segment, and returns how many entries made room for it. One that could not fit
// into an empty segment is not kept: it would push out everything and then itself.
func (s *segment[K, V]) add(e *entry[K, V]) (evicted uint64, kept bool) {
	if e.weight > s.capacity {
		return 0, false
	}
	s.lru.Add(e.key, e)
	s.weight += e.weight
	for chances := secondChances; s.weight > s.capacity; {
		_, oldest, _ := s.lru.GetOldest()
		switch {
		case oldest == e:
			// All others had their chance. Evicting the newcomer would keep it out for ever.
			s.lru.Get(e.key)
			chances = 0
		case chances > 0 && oldest.touched.Load():
			oldest.touched.Store(false)
			s.lru.Get(oldest.key)
			chances--
		default:
			s.drop(oldest.key)
			evicted++
		}
	}
	s.tier.put(e.hash, e)
	return evicted, true
}

func (s *segment[K, V]) drop(k K) {
	e, ok := s.lru.Peek(k)
	if !ok {
		return
	}
	s.lru.Remove(k)
	s.weight -= e.weight
	s.tier.remove(e)
	if s.left != nil {
		s.left(e)
	}
}

func (s *segment[K, V]) clear() {
	if s.left != nil {
		for _, e := range s.lru.Values() {
			s.left(e)
		}
	}
	s.lru.Purge()
	s.weight = 0
	s.tier.clear()
}

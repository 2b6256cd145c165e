package cache

import (
	"math/bits"
	"sync/atomic"
)

const (
	ways  = 7
	noWay = -1

	// perSet is how many entries a set holds on average when the tier is full: at 4 of 7, one in fifty finds its set taken.
	perSet = 4

	lowBits  = 0x0001010101010101 // of each way's tag
	highBits = 0x0080808080808080
)

// tier is a set-associative table that is read without a lock. It may forget an entry that the LRU keeps (a reader then takes
// the lock and finds it), never the other way round: what leaves the LRU leaves the tier within the same critical section.
type tier[K comparable, V any] struct {
	sets []set[K, V] // a power of two
	hand int         // rotates through the ways to choose a victim
}

// set is one cache line. Byte w of tags is the tag of way w, 0 if it is empty, so that a lookup
// follows no pointer but, most likely, the right one. Tags are a hint: a reader compares the key.
type set[K comparable, V any] struct {
	tags atomic.Uint64
	ways [ways]atomic.Pointer[entry[K, V]]
}

func newTier[K comparable, V any](slots int) tier[K, V] {
	n := max(1, (slots+perSet-1)/perSet)
	return tier[K, V]{sets: make([]set[K, V], 1<<bits.Len(uint(n-1)))}
}

// mix spreads a hash over all its bits (the finaliser of MurmurHash3): the low ones choose the set, the high ones are the tag.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func (t *tier[K, V]) set(h uint64) *set[K, V] { return &t.sets[h&uint64(len(t.sets)-1)] }

// tag is never 0.
func tag(h uint64) uint64 { return h>>57 | 0x80 }

func (t *tier[K, V]) get(h uint64, k K) *entry[K, V] {
	s := t.set(h)
	// Zero bytes of diff are the ways whose tag is equal. The subtraction may borrow past one and mark the byte above it too:
	// the key settles that.
	diff := s.tags.Load() ^ tag(h)*lowBits
	for m := (diff - lowBits) & ^diff & highBits; m != 0; m &= m - 1 {
		if e := s.ways[bits.TrailingZeros64(m)/8].Load(); e != nil && e.key == k {
			return e
		}
	}
	return nil
}

// put gives e a way of its set: a free one, else that of an entry without a hit since the LRU looked, else the next in turn.
func (t *tier[K, V]) put(h uint64, e *entry[K, V]) {
	s := t.set(h)
	t.hand = (t.hand + 1) % ways
	chosen := t.hand
	for i := range ways {
		w := (t.hand + i) % ways
		held := s.ways[w].Load()
		if held == nil {
			chosen = w
			break
		}
		if !held.touched.Load() && s.ways[chosen].Load().touched.Load() {
			chosen = w
		}
	}
	if held := s.ways[chosen].Load(); held != nil {
		held.way = noWay
	}
	e.way = int8(chosen)
	s.ways[chosen].Store(e)
	s.setTag(chosen, tag(h))
}

func (t *tier[K, V]) remove(e *entry[K, V]) {
	if e.way == noWay {
		return
	}
	s := t.set(e.hash)
	s.ways[e.way].Store(nil)
	s.setTag(int(e.way), 0)
	e.way = noWay
}

// clear is for when every entry leaves the LRU too: it does not tell them.
func (t *tier[K, V]) clear() {
	for i := range t.sets {
		s := &t.sets[i]
		if s.tags.Load() == 0 {
			continue
		}
		for w := range s.ways {
			s.ways[w].Store(nil)
		}
		s.tags.Store(0)
	}
}

func (s *set[K, V]) setTag(way int, tag uint64) {
	shift := 8 * way
	s.tags.Store(s.tags.Load()&^(0xff<<shift) | tag<<shift)
}

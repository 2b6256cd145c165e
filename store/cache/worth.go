package cache

import (
	"math/bits"
	"sync/atomic"
)

// seen remembers keys that were asked about and are not kept. It forgets by itself: a key's place is taken by whoever comes to it next.
type seen []atomic.Uint32

// minSeen is how many places there are at least.
const minSeen = 64

func newSeen(entries int) *seen {
	s := make(seen, max(minSeen, 1<<bits.Len(uint(entries))))
	return &s
}

// again reports whether h was here before, and remembers it.
func (s seen) again(h uint64) bool {
	at, mark := &s[h%uint64(len(s))], uint32(h>>32)|1
	if at.Load() == mark {
		return true
	}
	at.Store(mark)
	return false
}

// Worth reports whether a value of k, which is missing, should be kept: while there is room, and afterwards if k was asked about before, not
// long ago by the number of other keys. It is for callers who have a way to do without: what is asked for once neither pushes out what is asked for often,
// nor costs them the making of it. It takes no lock, and the first call of a second k with the same place forgets the first.
func (c *Cache[K, V]) Worth(k K) bool {
	s := c.seen.Load()
	return s == nil || s.again(mix(c.o.Hash(k)))
}

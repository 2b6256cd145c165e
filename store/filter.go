package store

import (
	"encoding/binary"
	"math/bits"
	"runtime"
	"sync/atomic"

	"berth/router/hostkey"
)

// keyFilter is a set of the keys of route and wildcard records, in memory, that may claim to have what it has not and never the
// reverse. A host that nobody has costs one cache line then, and no look into the database.
//
// It is a blocked Bloom filter: a key sets one bit in each of the eight words of one block. Host keys come from a keyed hash, so they
// are their own hashes, and strangers cannot aim at a block.
//
// Any number of goroutines may add and ask. Who has seen add return finds the key.
type keyFilter struct {
	blocks []filterBlock
	room   int64 // keys that it is good for
	capped bool  // it would have been larger, were there no bound
	n      atomic.Int64
}

type filterBlock [8]uint64 // one cache line

const (
	filterBitsPerKey = 12 // when it is full: then 4 in 1,000 unknown keys are claimed, and 1 when it is four fifths full
	filterCrowded    = 2  // times the keys that it is good for: then 80 in 1,000 are
	filterMinKeys    = 1024
	filterMapped     = 1 << 20 // bytes from which on a filter has memory of its own, beside the heap
)

// newKeyFilter makes an empty one for so many keys, or for as many as most bytes are good for.
func newKeyFilter(keys, most int64) *keyFilter {
	const block = int64(len(filterBlock{}) * 8)
	keys = min(keys, most) // which is more than so many bytes are good for
	want := (max(keys, filterMinKeys)*filterBitsPerKey + 8*block - 1) / (8 * block)
	n := min(want, max(most/block, 1))
	f := &keyFilter{room: n * block * 8 / filterBitsPerKey, capped: n < want}
	if n*block >= filterMapped {
		f.blocks = mapped(n, f)
	}
	if f.blocks == nil {
		f.blocks = make([]filterBlock, n)
	}
	return f
}

// place says which block a key belongs to, and which bits it sets there: six of the number for each word. Blocks are in the order of
// route keys, so that a filter is filled front to back. Wildcards have the halves of their keys changed over: they are other keys.
func (f *keyFilter) place(table byte, k *hostkey.Key) (*filterBlock, uint64) {
	at, which := binary.BigEndian.Uint64(k[:8]), binary.BigEndian.Uint64(k[8:])
	if table == tableWildcard {
		at, which = which, at
	}
	i, _ := bits.Mul64(at, uint64(len(f.blocks)))
	return &f.blocks[i], which
}

func (f *keyFilter) add(table byte, k *hostkey.Key) {
	b, which := f.place(table, k)
	fresh := false
	for i := range b {
		bit := uint64(1) << (which & 63)
		which >>= 6
		if atomic.LoadUint64(&b[i])&bit == 0 {
			atomic.OrUint64(&b[i], bit)
			fresh = true
		}
	}
	if fresh {
		f.n.Add(1)
	}
	runtime.KeepAlive(f) // or its memory may be gone while a bit is set in it
}

func (f *keyFilter) has(table byte, k *hostkey.Key) bool {
	b, which := f.place(table, k)
	var missing uint64
	for i := range b {
		missing |= ^atomic.LoadUint64(&b[i]) >> (which & 63)
		which >>= 6
	}
	runtime.KeepAlive(f)
	return missing&1 == 0
}

// full reports whether it has more keys than it is good for, and claims more than it should.
func (f *keyFilter) full() bool { return f.n.Load() > f.room }

// crowded reports whether it claims so much that the filters of the last level's tables are worth being asked, too. Beside one that is merely full they are
// not: each is a block of a megabyte, which is read for hosts that there are as well, and all of them would have most of the database's cache.
func (f *keyFilter) crowded() bool { return f.n.Load() > filterCrowded*f.room }

func (f *keyFilter) bytes() int64 { return int64(len(f.blocks)) * 64 }

package control

import (
	"hash/maphash"
	"math/bits"

	"berth/assets/manifest"
)

const (
	bloomBitsPerItem = 12 // with 8 probes about 0.3 % of garbage is kept by chance
	bloomProbes      = 8
	bloomMinBits     = 1 << 16
	bloomMaxBits     = 1 << 31 // 256 MiB: beyond 180 million blobs a sweep keeps more garbage, and stays correct
)

// bloom is a set of digests in bounded memory that may claim to have what it has not, never the reverse. Each has its own
// seed, so garbage that one sweep keeps by chance goes in the next. It is not safe for concurrent use.
type bloom struct {
	seed  maphash.Seed
	words []uint64
	mask  uint64
}

func newBloom(items int) *bloom {
	n := uint64(bloomMinBits)
	if want := uint64(max(items, 0)) * bloomBitsPerItem; want > n {
		n = min(1<<bits.Len64(want-1), uint64(bloomMaxBits))
	}
	return &bloom{seed: maphash.MakeSeed(), words: make([]uint64, n/64), mask: n - 1}
}

// probe is the two hashes of double hashing; the second is odd, so that its multiples visit different bits.
func (b *bloom) probe(d manifest.Digest) (h, step uint64) {
	h = maphash.Bytes(b.seed, d[:])
	return h, bits.RotateLeft64(h, 32)*0x9e3779b97f4a7c15 | 1
}

func (b *bloom) add(d manifest.Digest) {
	h, step := b.probe(d)
	for range bloomProbes {
		i := h & b.mask
		b.words[i/64] |= 1 << (i % 64)
		h += step
	}
}

func (b *bloom) has(d manifest.Digest) bool {
	h, step := b.probe(d)
	for range bloomProbes {
		i := h & b.mask
		if b.words[i/64]&(1<<(i%64)) == 0 {
			return false
		}
		h += step
	}
	return true
}

const seenSlots = 1 << 16

// seenSet remembers some of the digests it was given: has is never wrong when it says yes. A newcomer takes the slot of
// whoever was there, so memory is fixed, and work is at worst repeated.
type seenSet struct{ slots []manifest.Digest }

func newSeenSet() *seenSet { return &seenSet{slots: make([]manifest.Digest, seenSlots)} }

// index needs no hashing: digests are hashes already.
func (s *seenSet) index(d manifest.Digest) int {
	return (int(d[0]) | int(d[1])<<8 | int(d[2])<<16) % len(s.slots)
}

func (s *seenSet) has(d manifest.Digest) bool { return s.slots[s.index(d)] == d }

// add reports whether d was there already.
func (s *seenSet) add(d manifest.Digest) (seen bool) {
	slot := &s.slots[s.index(d)]
	if *slot == d {
		return true
	}
	*slot = d
	return false
}

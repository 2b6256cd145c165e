package blob

import (
	"sync"

	"github.com/zeebo/blake3"
)

// Buffers come in three sizes, so that a small file takes a small one. A blob that fits the largest is not written
// before its digest is known, and not at all if it is stored already.
const (
	minBuffer   = 4 << 10
	bufferRatio = 4
	maxBuffer   = 64 << 10
)

type buffers struct{ small, middle, large sync.Pool }

func (b *buffers) pool(size int) *sync.Pool {
	switch size {
	case minBuffer:
		return &b.small
	case minBuffer * bufferRatio:
		return &b.middle
	default:
		return &b.large
	}
}

// get returns a full-length buffer of one of the three sizes.
func (b *buffers) get(size int) []byte {
	if p, ok := b.pool(size).Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, size)
}

func (b *buffers) put(buf []byte) {
	buf = buf[:cap(buf)]
	b.pool(len(buf)).Put(&buf)
}

// hashers are worth keeping: one is 10 KiB.
type hashers struct{ pool sync.Pool }

func (h *hashers) get() *blake3.Hasher {
	if x, ok := h.pool.Get().(*blake3.Hasher); ok {
		return x
	}
	return blake3.New()
}

func (h *hashers) put(x *blake3.Hasher) {
	x.Reset()
	h.pool.Put(x)
}

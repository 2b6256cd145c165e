package manifest

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"

	"berth/assets/sparse"
)

// OpenPart is Open for bytes that are read as they are wanted. It looks at the header alone, and each look-up at what it needs and no more:
// what cannot be read, or is out of place, is not found, and Err says so from then on. It has no Bytes, and so no Digest and no Verify. Such a view is for
// the first requests of a large site, while the whole is read and checked.
func OpenPart(b *sparse.Bytes) (*Manifest, error) {
	if b.Len() < headerLen {
		return nil, fmt.Errorf("%w: no header", ErrCorrupt)
	}
	m, err := open(b.At(0, headerLen), b.Len())
	if err == nil {
		err = b.Err()
	}
	if err != nil {
		return nil, err
	}
	m.part = b
	return m, nil
}

// Err is why a view of a part is not to be believed: something that was looked for could not be read. nil of all others.
func (m *Manifest) Err() error {
	if m.part == nil {
		return nil
	}
	if err := m.part.Err(); err != nil {
		return err
	}
	if m.torn.Load() {
		return fmt.Errorf("%w: an entry is out of place", ErrCorrupt)
	}
	return nil
}

// The offsets of what follows the header.
func (m *Manifest) poolAt() int  { return headerLen + m.n*entryLen }
func (m *Manifest) slotsAt() int { return m.poolAt() + m.poolLen }

func (m *Manifest) partEntry(i int) []byte { return m.part.At(headerLen+i*entryLen, entryLen) }

// partPath is empty, and the view broken, if the entry does not lie in the pool.
func (m *Manifest) partPath(e []byte) []byte {
	off, n := int(binary.LittleEndian.Uint32(e[offPath:])), int(binary.LittleEndian.Uint16(e[offLen:]))
	if n == 0 || n > MaxPath || off > m.poolLen-n || binary.LittleEndian.Uint64(e[offSize:]) > math.MaxInt64 {
		m.torn.Store(true)
		return nil
	}
	return m.part.At(m.poolAt()+off, n)
}

func (m *Manifest) partAt(i int) Entry {
	e := m.partEntry(i)
	return Entry{
		Path:   view(m.partPath(e)),
		Digest: Digest(e[:offKey]),
		Key:    AssetKey(e[offKey:offSize]),
		Size:   int64(binary.LittleEndian.Uint64(e[offSize:]) & math.MaxInt64),
	}
}

func (m *Manifest) partLookup(path string) (int, bool) {
	h := xxhash.Sum64String(path)
	tag := uint32(h >> 32)
	for at := uint32(h); at != uint32(h)+maxProbe; at++ {
		s := m.part.At(m.slotsAt()+int(at&m.mask)*slotLen, slotLen)
		id := binary.LittleEndian.Uint32(s[4:])
		if id == 0 {
			return 0, false
		}
		if binary.LittleEndian.Uint32(s) == tag && int(id) <= m.n && string(m.partPath(m.partEntry(int(id)-1))) == path {
			return int(id) - 1, true
		}
	}
	lo, hi := 0, m.n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if string(m.partPath(m.partEntry(mid))) < path {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < m.n && string(m.partPath(m.partEntry(lo))) == path
}

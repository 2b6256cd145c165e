package hints

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"unsafe"
)

// The encoding, version 1. Integers are little-endian.
//
//	header   24 bytes    "berthhl", version byte, u32 entries of the manifest, u32 hints, u32 values, u32 pool bytes
//	blocks   ⌈n/64⌉ × 12 for 64 entries each: u64 with a bit for each entry that has a hint, u32 hints before the block's
//	hints    m × 4       u32 number of the value, by entry; values are numbered as they are first used
//	values   v × 4       u32 end in the pool, shifted left by one; the low bit says that the value is relative to a base
//	pool                 the values, nothing between them
//
// Most pages of a site announce the same files, so that a value is kept once.
const (
	magic     = "berthhl"
	version   = 1
	headerLen = 24

	blockLen     = 12
	blockEntries = 64
	offRank      = 8

	// MaxEntries is the most entries of a manifest.
	MaxEntries = 1 << 20
	// MaxPool bounds the values of one listing together; it is kept in memory for as long as its site is.
	MaxPool = 16 << 20
)

var (
	// ErrCorrupt says that bytes are not a listing, not a canonical one, or one of another manifest.
	ErrCorrupt = errors.New("hints: corrupt encoding")
	// ErrNewerFormat says that the bytes were written by a newer berth.
	ErrNewerFormat = errors.New("hints: written by a newer format version")
	// ErrTooLarge says that the values do not fit into a listing; see Fit.
	ErrTooLarge = errors.New("hints: too many different links")
)

// Hint is what Parse found in the document that is an entry of a manifest.
type Hint struct {
	Entry int    // index in the manifest
	Link  string // not empty
	Based bool
}

// Listing is an opened encoding: a view of its bytes. It is immutable and safe for concurrent use. A nil Listing is one of
// a manifest without hints.
type Listing struct {
	raw     []byte
	blocks  []byte
	numbers []byte
	values  []byte
	pool    []byte
	entries int
}

// Open checks the encoding of a listing for a manifest of so many entries, all of it, and returns a view of raw, which
// must not change afterwards.
func Open(raw []byte, entries int) (*Listing, error) {
	if len(raw) < headerLen || string(raw[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: no header", ErrCorrupt)
	}
	if v := raw[len(magic)]; v != version {
		if v > version {
			return nil, fmt.Errorf("%w: version %d, this berth reads up to %d", ErrNewerFormat, v, version)
		}
		return nil, fmt.Errorf("%w: version %d", ErrCorrupt, v)
	}
	var head [4]int64 // entries, hints, values, pool
	for i := range head {
		head[i] = int64(binary.LittleEndian.Uint32(raw[8+4*i:]))
	}
	if head[0] != int64(entries) || entries > MaxEntries {
		return nil, fmt.Errorf("%w: it is for a manifest of %d entries, not of %d", ErrCorrupt, head[0], entries)
	}
	blocks := (head[0] + blockEntries - 1) / blockEntries * blockLen
	if want := headerLen + blocks + 4*head[1] + 4*head[2] + head[3]; int64(len(raw)) != want || head[3] > MaxPool {
		return nil, fmt.Errorf("%w: %d bytes, header promises %d", ErrCorrupt, len(raw), want)
	}
	l := &Listing{raw: raw, entries: entries}
	rest := raw[headerLen:]
	l.blocks, rest = rest[:blocks], rest[blocks:]
	l.numbers, rest = rest[:4*head[1]], rest[4*head[1]:]
	l.values, l.pool = rest[:4*head[2]], rest[4*head[2]:]
	return l, errors.Join(l.checkBlocks(), l.checkNumbers(), l.checkValues())
}

// checkBlocks makes sure that every set bit is an entry of the manifest and has a number.
func (l *Listing) checkBlocks() error {
	rank := 0
	for i := 0; i < len(l.blocks); i += blockLen {
		set := binary.LittleEndian.Uint64(l.blocks[i:])
		if got := binary.LittleEndian.Uint32(l.blocks[i+offRank:]); int(got) != rank {
			return fmt.Errorf("%w: %d hints before a block that has %d before it", ErrCorrupt, got, rank)
		}
		if beyond := (i/blockLen+1)*blockEntries - l.entries; beyond > 0 && set>>(blockEntries-beyond) != 0 {
			return fmt.Errorf("%w: hints of entries that the manifest does not have", ErrCorrupt)
		}
		rank += bits.OnesCount64(set)
	}
	if rank != len(l.numbers)/4 {
		return fmt.Errorf("%w: %d hints are listed, %d entries have one", ErrCorrupt, len(l.numbers)/4, rank)
	}
	return nil
}

func (l *Listing) checkNumbers() error {
	used := 0
	for i := 0; i < len(l.numbers); i += 4 {
		n := int(binary.LittleEndian.Uint32(l.numbers[i:]))
		if n > used || n >= len(l.values)/4 {
			return fmt.Errorf("%w: hint %d has value %d out of turn", ErrCorrupt, i/4, n)
		}
		used = max(used, n+1)
	}
	if used != len(l.values)/4 {
		return fmt.Errorf("%w: %d values are nobody's", ErrCorrupt, len(l.values)/4-used)
	}
	return nil
}

// checkValues makes sure that the values tile the pool, and that none could end a field.
func (l *Listing) checkValues() error {
	start := 0
	for i := range len(l.values) / 4 {
		end := int(binary.LittleEndian.Uint32(l.values[4*i:]) >> 1)
		if end <= start || end > len(l.pool) || !isValue(string(l.pool[start:end])) {
			return fmt.Errorf("%w: value %d is none", ErrCorrupt, i)
		}
		start = end
	}
	if start != len(l.pool) {
		return fmt.Errorf("%w: %d bytes belong to no value", ErrCorrupt, len(l.pool)-start)
	}
	return nil
}

// At is the Link field of an entry, nil if it has none. It is a view, found without allocation in constant time.
func (l *Listing) At(entry int) []byte {
	value, _ := l.lookup(entry)
	return value
}

// Based says that Append would say the same as At at greater length.
func (l *Listing) Based(entry int) bool {
	_, based := l.lookup(entry)
	return based
}

func (l *Listing) lookup(entry int) (value []byte, based bool) {
	if l == nil || entry < 0 || entry >= l.entries {
		return nil, false
	}
	block := l.blocks[entry/blockEntries*blockLen:]
	set, bit := binary.LittleEndian.Uint64(block), uint64(1)<<(entry%blockEntries)
	if set&bit == 0 {
		return nil, false
	}
	rank := int(binary.LittleEndian.Uint32(block[offRank:])) + bits.OnesCount64(set&(bit-1))
	n := binary.LittleEndian.Uint32(l.numbers[4*rank:])
	start, end := uint32(0), binary.LittleEndian.Uint32(l.values[4*n:])
	if n > 0 {
		start = binary.LittleEndian.Uint32(l.values[4*(n-1):]) >> 1
	}
	return l.pool[start : end>>1 : end>>1], end&1 != 0
}

// All yields every hint, by entry.
func (l *Listing) All() iter.Seq[Hint] {
	return func(yield func(Hint) bool) {
		if l == nil {
			return
		}
		for i := range l.entries {
			if value, based := l.lookup(i); value != nil && !yield(Hint{Entry: i, Link: string(value), Based: based}) {
				return
			}
		}
	}
}

// Weight is the memory that the Listing holds, in bytes.
func (l *Listing) Weight() int64 {
	if l == nil {
		return 0
	}
	return int64(unsafe.Sizeof(*l)) + int64(len(l.raw))
}

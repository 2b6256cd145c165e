// Package variants holds which files of a manifest are stored in which content codings, in a canonical form that is
// looked up where it lies.
package variants

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"unsafe"

	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/sparse"
)

// The encoding, version 1. Integers are little-endian.
//
//	header   16 bytes    "berthvr", version byte, u32 entries of the manifest, u32 records
//	blocks   ⌈n/64⌉ × 28 for 64 entries each: u64 with a bit for each entry that has a gzip record, the same of zstd, the
//	                     same of br, u32 records before those of the block
//	records  m × 38      digest of the coded bytes 32, u48 their number; by entry, of one entry gzip, zstd, br
//
// So a record is found by counting bits, and nothing is kept beside the encoding: 100,000 entries with all three
// take 10.9 MiB. A table of digests alone would take 9.2.
const (
	magic     = "berthvr"
	version   = 1
	headerLen = 16

	blockLen     = 28
	blockEntries = 64
	offRank      = 24

	recordLen = 38
	offSize   = 32
	sizeBits  = 48
)

// codings are those that a file can be stored in beside identity, in the order of records.
var codings = [...]httpsem.Encoding{httpsem.Gzip, httpsem.Zstd, httpsem.Brotli}

var (
	// ErrCorrupt says that bytes are not a listing, not a canonical one, or one of another manifest.
	ErrCorrupt = errors.New("variants: corrupt encoding")
	// ErrNewerFormat says that the bytes were written by a newer berth.
	ErrNewerFormat = errors.New("variants: written by a newer format version")
)

// Variant is one entry of a manifest in one content coding.
type Variant struct {
	Entry    int              // index in the manifest
	Encoding httpsem.Encoding // never Identity
	Blob     manifest.Digest  // of the coded bytes
	Size     int64            // of the coded bytes: at least 1, below 2^48
}

// Listing is an opened encoding: a view of its bytes. It is immutable and safe for concurrent use. A nil Listing is one
// of a manifest without variants.
type Listing struct {
	raw     []byte
	blocks  []byte
	records []byte
	entries int

	part *sparse.Bytes // instead of the bytes above; see OpenPart. nil: they are all there
}

// Open checks the encoding of a listing for a manifest of so many entries, all of it, and returns a view of raw, which
// must not change afterwards.
func Open(raw []byte, entries int) (*Listing, error) {
	blocks, err := checkHeader(raw[:min(len(raw), headerLen)], len(raw), entries)
	if err != nil {
		return nil, err
	}
	rest := raw[headerLen:]
	l := &Listing{raw: raw, entries: entries, blocks: rest[:blocks], records: rest[blocks:]}
	if err := l.check(); err != nil {
		return nil, err
	}
	return l, nil
}

// checkHeader checks a header against the length of the whole.
func checkHeader(header []byte, length, entries int) (blocks int, err error) {
	if len(header) < headerLen || string(header[:len(magic)]) != magic {
		return 0, fmt.Errorf("%w: no header", ErrCorrupt)
	}
	if v := header[len(magic)]; v != version {
		if v > version {
			return 0, fmt.Errorf("%w: version %d, this berth reads up to %d", ErrNewerFormat, v, version)
		}
		return 0, fmt.Errorf("%w: version %d", ErrCorrupt, v)
	}
	n, m := int64(binary.LittleEndian.Uint32(header[8:])), int64(binary.LittleEndian.Uint32(header[12:]))
	if n != int64(entries) || n > manifest.MaxEntries {
		return 0, fmt.Errorf("%w: of a manifest of %d entries, not of %d", ErrCorrupt, n, entries)
	}
	blocks = blockCount(entries) * blockLen
	if want := int64(headerLen+blocks) + m*recordLen; int64(length) != want {
		return 0, fmt.Errorf("%w: %d bytes, header promises %d", ErrCorrupt, length, want)
	}
	return blocks, nil
}

// check makes sure that the blocks count the records, so that every later slice of them is in bounds, and that there is
// no other encoding of the same listing.
func (l *Listing) check() error {
	count := 0
	for i := range blockCount(l.entries) {
		b := l.block(i)
		if got := int(b.rank()); got != count {
			return fmt.Errorf("%w: block %d begins at record %d, not at %d", ErrCorrupt, i, got, count)
		}
		if used := l.entries - i*blockEntries; used < blockEntries && b.any()>>used != 0 {
			return fmt.Errorf("%w: a record of an entry behind the last, %d", ErrCorrupt, l.entries-1)
		}
		count += b.count(^uint64(0))
	}
	if records := len(l.records) / recordLen; count != records {
		return fmt.Errorf("%w: %d records, the blocks count %d", ErrCorrupt, records, count)
	}
	for i := range count {
		if l.record(i).size() == 0 {
			return fmt.Errorf("%w: record %d: no coding of anything is empty", ErrCorrupt, i)
		}
	}
	return nil
}

// Set holds the codings that an entry is stored in, never Identity. It allocates nothing.
func (l *Listing) Set(entry int) (s httpsem.EncodingSet) {
	if l == nil || uint(entry) >= uint(l.entries) {
		return 0
	}
	b, bit := l.blockOf(entry)
	for i, e := range codings {
		if b.bits(i)&bit != 0 {
			s = s.With(e)
		}
	}
	return s
}

// At finds an entry in one content coding: the digest of the coded bytes and their number. It allocates nothing and its
// cost does not depend on what the listing holds.
func (l *Listing) At(entry int, e httpsem.Encoding) (manifest.Digest, int64, bool) {
	coding := int(e) - int(codings[0])
	if l == nil || uint(entry) >= uint(l.entries) || uint(coding) >= uint(len(codings)) {
		return manifest.Digest{}, 0, false
	}
	b, bit := l.blockOf(entry)
	if b.bits(coding)&bit == 0 {
		return manifest.Digest{}, 0, false
	}
	at := int(b.rank()) + b.count(bit-1)
	for i := range coding {
		at += bits.OnesCount64(b.bits(i) & bit)
	}
	r := l.record(at)
	return manifest.Digest(r[:offSize]), r.size(), true
}

// All lists the variants by entry, of one entry gzip, zstd, br.
func (l *Listing) All() iter.Seq[Variant] {
	return func(yield func(Variant) bool) {
		if l == nil {
			return
		}
		for entry := range l.entries {
			for _, e := range codings {
				blob, size, ok := l.At(entry, e)
				if ok && !yield(Variant{Entry: entry, Encoding: e, Blob: blob, Size: size}) {
					return
				}
			}
		}
	}
}

// Len is the number of variants.
func (l *Listing) Len() int {
	if l == nil {
		return 0
	}
	if l.part != nil {
		return (l.part.Len() - headerLen - blockCount(l.entries)*blockLen) / recordLen
	}
	return len(l.records) / recordLen
}

// Weight is the memory that the listing holds, in bytes.
func (l *Listing) Weight() int64 {
	if l == nil {
		return 0
	}
	if l.part != nil {
		return int64(unsafe.Sizeof(*l)) + int64(l.part.Len())
	}
	return int64(unsafe.Sizeof(*l)) + int64(cap(l.raw))
}

func (l *Listing) block(i int) block { return block(l.blocks[i*blockLen:][:blockLen]) }

// blockOf finds an entry's block and its bit there.
func (l *Listing) blockOf(entry int) (block, uint64) {
	bit := uint64(1) << (entry % blockEntries)
	if l.part != nil {
		return l.part.At(headerLen+entry/blockEntries*blockLen, blockLen), bit
	}
	return l.block(entry / blockEntries), bit
}

func (l *Listing) record(i int) record {
	if l.part != nil {
		return l.part.At(headerLen+blockCount(l.entries)*blockLen+i*recordLen, recordLen)
	}
	return l.records[i*recordLen:][:recordLen]
}

// record is a view of one record.
type record []byte

func (r record) size() int64 {
	b := r[offSize:][:sizeBits/8]
	return int64(binary.LittleEndian.Uint32(b)) | int64(binary.LittleEndian.Uint16(b[4:]))<<32
}

// block is a view of one block.
type block []byte

// bits are of the entries with a record in the i-th of codings.
func (b block) bits(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }

func (b block) any() uint64 { return b.bits(0) | b.bits(1) | b.bits(2) }

// rank is the number of records before those of the block.
func (b block) rank() uint32 { return binary.LittleEndian.Uint32(b[offRank:]) }

// count is the number of records of the entries in mask.
func (b block) count(mask uint64) int {
	return bits.OnesCount64(b.bits(0)&mask) + bits.OnesCount64(b.bits(1)&mask) + bits.OnesCount64(b.bits(2)&mask)
}

func blockCount(entries int) int { return (entries + blockEntries - 1) / blockEntries }

// Package manifest holds the listing of one deployment: path to blob, in a canonical form whose digest is stable and
// whose look-up parses nothing.
package manifest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"berth/assets/sparse"
)

// The encoding, version 1. Integers are little-endian.
//
//	header   16 bytes   "berthmf", version byte, u32 entries, u32 pool bytes
//	entries  n × 64     in ascending byte order of path:
//	                    digest 32, key 16, u64 size, u32 path offset in the pool, u16 path length, u16 zero
//	pool                the paths in the same order, nothing between them
//	slots    2^k × 8    hash index: u32 high half of XXH64(path), u32 entry number + 1 (0: free)
//
// 2^k is the smallest power of two that is at least 2n (no slots at all if n is 0). Entries are put into the slots in
// order, at the low bits of their hash, then at the next free slot; an entry that finds maxProbe taken slots is left
// out, and a look-up that meets maxProbe taken slots searches the entries by bisection instead. So a site whose paths
// were made to collide costs its visitors a logarithm and not a scan.
const (
	magic     = "berthmf"
	version   = 1
	headerLen = 16
	entryLen  = 64
	slotLen   = 8
	maxProbe  = 32

	offKey  = 32
	offSize = 48
	offPath = 56
	offLen  = 60
	offZero = 62
)

// Bounds of the format. A server's own limits are lower and are checked before a manifest is made.
const (
	MaxEntries = 1 << 20
	maxPool    = math.MaxUint32 / 2
)

var (
	// ErrCorrupt says that bytes are not a manifest, or not a canonical one.
	ErrCorrupt = errors.New("manifest: corrupt encoding")
	// ErrNewerFormat says that the bytes were written by a newer berth.
	ErrNewerFormat = errors.New("manifest: written by a newer format version")
)

// Entry is one file of a deployment.
type Entry struct {
	Path   string // "/" and the file's path, raw UTF-8
	Digest Digest
	Key    AssetKey
	Size   int64
}

// Manifest is an opened listing: a view of its encoded bytes. It is immutable and safe for concurrent use.
type Manifest struct {
	raw     []byte
	entries []byte
	pool    []byte
	slots   []byte
	mask    uint32 // slots - 1
	n       int
	poolLen int

	part *sparse.Bytes // instead of the bytes above; see OpenPart. nil: they are all there
	torn atomic.Bool   // of a part: an entry that was looked at is impossible
}

// Open checks the encoding (its structure, not the order of its paths nor its index: Verify does that) and returns a
// view of b, which must not change afterwards. Whatever b holds, the methods of the view neither panic nor loop.
func Open(b []byte) (*Manifest, error) {
	if len(b) < headerLen {
		return nil, fmt.Errorf("%w: no header", ErrCorrupt)
	}
	m, err := open(b[:headerLen], len(b))
	if err != nil {
		return nil, err
	}
	m.raw = b
	rest := b[headerLen:]
	m.entries, rest = rest[:m.n*entryLen], rest[m.n*entryLen:]
	m.pool, m.slots = rest[:m.poolLen], rest[m.poolLen:]
	return m, m.checkEntries()
}

// open checks a header against the length of the whole.
func open(header []byte, length int) (*Manifest, error) {
	if string(header[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: no header", ErrCorrupt)
	}
	if v := header[len(magic)]; v != version {
		if v > version {
			return nil, fmt.Errorf("%w: version %d, this berth reads up to %d", ErrNewerFormat, v, version)
		}
		return nil, fmt.Errorf("%w: version %d", ErrCorrupt, v)
	}
	n := int(binary.LittleEndian.Uint32(header[8:]))
	pool := int(binary.LittleEndian.Uint32(header[12:]))
	if n > MaxEntries {
		return nil, fmt.Errorf("%w: %d entries", ErrCorrupt, n)
	}
	slots := slotCount(n)
	if want := headerLen + n*entryLen + pool + slots*slotLen; length != want {
		return nil, fmt.Errorf("%w: %d bytes, header promises %d", ErrCorrupt, length, want)
	}
	return &Manifest{n: n, poolLen: pool, mask: uint32(slots - 1)}, nil
}

// checkEntries makes sure that the paths tile the pool, so that every later slice of it is in bounds.
func (m *Manifest) checkEntries() error {
	next := 0
	for i := range m.n {
		e := m.entry(i)
		off, n := int(binary.LittleEndian.Uint32(e[offPath:])), int(binary.LittleEndian.Uint16(e[offLen:]))
		if off != next || n == 0 || n > MaxPath || n > len(m.pool)-off {
			return fmt.Errorf("%w: entry %d: path out of place", ErrCorrupt, i)
		}
		if binary.LittleEndian.Uint64(e[offSize:]) > math.MaxInt64 || binary.LittleEndian.Uint16(e[offZero:]) != 0 {
			return fmt.Errorf("%w: entry %d: impossible field", ErrCorrupt, i)
		}
		next += n
	}
	if next != len(m.pool) {
		return fmt.Errorf("%w: %d bytes of paths are nobody's", ErrCorrupt, len(m.pool)-next)
	}
	return nil
}

// Verify checks all that Open leaves out: that the encoding is the one Encode makes of its entries.
func (m *Manifest) Verify() error {
	entries := make([]Entry, m.n)
	for i := range entries {
		entries[i] = m.At(i)
	}
	again, err := Encode(entries)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if !bytes.Equal(again, m.raw) {
		return fmt.Errorf("%w: not the canonical encoding of its entries", ErrCorrupt)
	}
	return nil
}

// Len is the number of entries.
func (m *Manifest) Len() int { return m.n }

// Bytes is the encoding; nil of a part.
func (m *Manifest) Bytes() []byte { return m.raw }

// Size is the length of the encoding.
func (m *Manifest) Size() int { return headerLen + m.n*entryLen + m.poolLen + slotCount(m.n)*slotLen }

// Digest is the BLAKE3 of Bytes, computed at each call.
func (m *Manifest) Digest() Digest { return DigestOf(m.raw) }

// At returns the i-th entry in path order; Path is a view of the encoding.
func (m *Manifest) At(i int) Entry {
	if m.part != nil {
		return m.partAt(i)
	}
	e := m.entry(i)
	return Entry{
		Path:   view(m.path(i)),
		Digest: Digest(e[:offKey]),
		Key:    AssetKey(e[offKey:offSize]),
		Size:   int64(binary.LittleEndian.Uint64(e[offSize:])),
	}
}

// PathAt is At(i).Path without the rest.
func (m *Manifest) PathAt(i int) string {
	if m.part != nil {
		return m.partAt(i).Path
	}
	return view(m.path(i))
}

// All lists the entries in path order.
func (m *Manifest) All() iter.Seq2[int, Entry] {
	return func(yield func(int, Entry) bool) {
		for i := range m.n {
			if !yield(i, m.At(i)) {
				return
			}
		}
	}
}

// Lookup finds a path, exactly. It allocates nothing and parses nothing.
func (m *Manifest) Lookup(path string) (i int, ok bool) {
	if m.n == 0 || len(path) == 0 || len(path) > MaxPath {
		return 0, false
	}
	if m.part != nil {
		return m.partLookup(path)
	}
	h := xxhash.Sum64String(path)
	tag := uint32(h >> 32)
	for at := uint32(h); at != uint32(h)+maxProbe; at++ {
		s := m.slots[int(at&m.mask)*slotLen:][:slotLen]
		id := binary.LittleEndian.Uint32(s[4:])
		if id == 0 {
			return 0, false
		}
		if binary.LittleEndian.Uint32(s) == tag && int(id) <= m.n && string(m.path(int(id)-1)) == path {
			return int(id) - 1, true
		}
	}
	return m.bisect(path)
}

// LookupBytes is Lookup for a path that is being built in a buffer.
func (m *Manifest) LookupBytes(path []byte) (i int, ok bool) { return m.Lookup(view(path)) }

func (m *Manifest) bisect(path string) (int, bool) {
	lo, hi := 0, m.n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if view(m.path(mid)) < path {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < m.n && string(m.path(lo)) == path
}

func (m *Manifest) entry(i int) []byte { return m.entries[i*entryLen:][:entryLen] }

func (m *Manifest) path(i int) []byte {
	e := m.entry(i)
	off := int(binary.LittleEndian.Uint32(e[offPath:]))
	return m.pool[off:][:binary.LittleEndian.Uint16(e[offLen:])]
}

// view is b as a string without a copy: b must not change while the string is in use. The encoded bytes never change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

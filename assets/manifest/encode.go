package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

var (
	// ErrDuplicate says that two entries have the same path.
	ErrDuplicate = errors.New("manifest: duplicate path")
	// ErrTooLarge says that a listing does not fit the format.
	ErrTooLarge = errors.New("manifest: too large")
)

// Encode makes the canonical encoding of entries (in any order). Two equal sets give equal bytes. It refuses duplicate
// paths and paths that CheckPath refuses.
func Encode(entries []Entry) ([]byte, error) {
	if len(entries) > MaxEntries {
		return nil, fmt.Errorf("%w: %d files, the format holds %d", ErrTooLarge, len(entries), MaxEntries)
	}
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	pool, err := check(sorted)
	if err != nil {
		return nil, err
	}
	n := len(sorted)
	b := make([]byte, 0, headerLen+n*entryLen+pool+slotCount(n)*slotLen)
	b = append(append(b, magic...), version)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = binary.LittleEndian.AppendUint32(b, uint32(pool))
	off := 0
	for _, e := range sorted {
		b = append(append(b, e.Digest[:]...), e.Key[:]...)
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Size))
		b = binary.LittleEndian.AppendUint32(b, uint32(off))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(e.Path)))
		b = binary.LittleEndian.AppendUint16(b, 0)
		off += len(e.Path)
	}
	for _, e := range sorted {
		b = append(b, e.Path...)
	}
	return appendSlots(b, sorted), nil
}

// check refuses what cannot stand in a manifest and sums the lengths of the paths.
func check(sorted []Entry) (pool int, err error) {
	for i, e := range sorted {
		if err := CheckPath(e.Path); err != nil {
			return 0, err
		}
		if e.Size < 0 {
			return 0, fmt.Errorf("manifest: size %d of %.200q is negative", e.Size, e.Path)
		}
		if i > 0 && sorted[i-1].Path == e.Path {
			return 0, fmt.Errorf("%w: %.200q", ErrDuplicate, e.Path)
		}
		if pool += len(e.Path); pool > maxPool {
			return 0, fmt.Errorf("%w: more than %d bytes of paths", ErrTooLarge, maxPool)
		}
	}
	return pool, nil
}

func appendSlots(b []byte, sorted []Entry) []byte {
	start, slots := len(b), slotCount(len(sorted))
	b = b[:start+slots*slotLen] // capacity was made for it, zeroed
	for i, e := range sorted {
		h := xxhash.Sum64String(e.Path)
		for at := uint32(h); at != uint32(h)+maxProbe; at++ {
			s := b[start+int(at&uint32(slots-1))*slotLen:][:slotLen]
			if binary.LittleEndian.Uint32(s[4:]) != 0 {
				continue
			}
			binary.LittleEndian.PutUint32(s, uint32(h>>32))
			binary.LittleEndian.PutUint32(s[4:], uint32(i)+1)
			break
		}
	}
	return b
}

// slotCount keeps at least half of the index free, which keeps probes short and makes a miss end soon.
func slotCount(n int) int {
	if n == 0 {
		return 0
	}
	return 1 << bits.Len(uint(2*n-1))
}

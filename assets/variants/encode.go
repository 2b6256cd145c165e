package variants

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"berth/assets/httpsem"
	"berth/assets/manifest"
)

// Encode makes the canonical encoding of the variants (in any order) of a manifest of so many entries. Two equal sets
// give equal bytes. It refuses what cannot stand in a listing: entries that there are not, identity, two variants of
// one entry in one coding, sizes out of range.
func Encode(entries int, vs []Variant) ([]byte, error) {
	if entries < 0 || entries > manifest.MaxEntries {
		return nil, fmt.Errorf("variants: %d entries, a manifest holds up to %d", entries, manifest.MaxEntries)
	}
	sorted := slices.Clone(vs)
	slices.SortFunc(sorted, compare)
	for i, v := range sorted {
		if err := check(v, entries); err != nil {
			return nil, err
		}
		if i > 0 && compare(sorted[i-1], v) == 0 {
			return nil, fmt.Errorf("variants: entry %d has two variants in %v", v.Entry, v.Encoding)
		}
	}
	blocks := blockCount(entries) * blockLen
	b := make([]byte, 0, headerLen+blocks+len(sorted)*recordLen)
	b = append(append(b, magic...), version)
	b = binary.LittleEndian.AppendUint32(b, uint32(entries))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(sorted)))
	b = b[:headerLen+blocks] // capacity was made for it, zeroed
	fill(b[headerLen:], sorted)
	for _, v := range sorted {
		b = append(b, v.Blob[:]...)
		b = binary.LittleEndian.AppendUint32(b, uint32(v.Size))
		b = binary.LittleEndian.AppendUint16(b, uint16(v.Size>>32))
	}
	return b, nil
}

func check(v Variant, entries int) error {
	switch {
	case v.Entry < 0 || v.Entry >= entries:
		return fmt.Errorf("variants: entry %d of a manifest of %d", v.Entry, entries)
	case !slices.Contains(codings[:], v.Encoding):
		return fmt.Errorf("variants: entry %d: %v (%d) is not a coding to store a file in", v.Entry, v.Encoding, v.Encoding)
	case v.Size < 1 || v.Size >= 1<<sizeBits:
		return fmt.Errorf("variants: entry %d in %v has %d bytes; 1 to 2^%d - 1 can be listed", v.Entry, v.Encoding, v.Size, sizeBits)
	}
	return nil
}

// fill sets the bits of the records, then their sums.
func fill(blocks []byte, sorted []Variant) {
	for _, v := range sorted {
		word := blocks[v.Entry/blockEntries*blockLen+8*int(v.Encoding-httpsem.Gzip):]
		binary.LittleEndian.PutUint64(word, binary.LittleEndian.Uint64(word)|1<<(v.Entry%blockEntries))
	}
	count := 0
	for at := 0; at < len(blocks); at += blockLen {
		b := block(blocks[at:][:blockLen])
		binary.LittleEndian.PutUint32(b[offRank:], uint32(count))
		count += b.count(^uint64(0))
	}
}

func compare(a, b Variant) int {
	return cmp.Or(cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Encoding, b.Encoding))
}

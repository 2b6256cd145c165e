package kept

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"berth/assets/manifest"
)

// encode makes the canonical encoding of files, which it sorts; nil for none. Two equal sets give equal bytes.
func encode(files []File) ([]byte, error) {
	if len(files) == 0 {
		return nil, nil
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	entries := make([]manifest.Entry, len(files))
	for i, f := range files {
		if f.Source == 0 || f.Until < 0 {
			return nil, fmt.Errorf("kept: %.200q of deployment %d until %d cannot be kept", f.Path, f.Source, f.Until)
		}
		entries[i] = f.Entry
	}
	listing, err := manifest.Encode(entries)
	if err != nil {
		return nil, fmt.Errorf("kept: %w", err)
	}
	generations, number := generationsOf(files)
	b := make([]byte, 0, headerLen+len(generations)*generationLen+len(files)*ofLen+len(listing))
	b = append(append(b, magic...), version)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(listing)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(generations)))
	for _, g := range generations {
		b = binary.LittleEndian.AppendUint64(b, g.source)
		b = binary.LittleEndian.AppendUint64(b, uint64(g.until))
	}
	for _, f := range files {
		b = binary.LittleEndian.AppendUint32(b, number[generation{source: f.Source, until: f.Until}])
	}
	return append(b, listing...), nil
}

// generationsOf lists the generations of files in their order, and the number of each.
func generationsOf(files []File) ([]generation, map[generation]uint32) {
	number := make(map[generation]uint32)
	var all []generation
	for _, f := range files {
		g := generation{source: f.Source, until: f.Until}
		if _, ok := number[g]; !ok {
			number[g] = 0
			all = append(all, g)
		}
	}
	slices.SortFunc(all, func(a, b generation) int {
		return cmp.Or(cmp.Compare(b.until, a.until), cmp.Compare(b.source, a.source))
	})
	for i, g := range all {
		number[g] = uint32(i)
	}
	return all, number
}

// Verify checks all that Open leaves out: that the encoding is the one that its files give. It is for an Index whose
// sources are all alive.
func (x *Index) Verify() error {
	if x == nil {
		return nil
	}
	again, err := encode(slices.Collect(x.All()))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if !bytes.Equal(again, x.raw) {
		return fmt.Errorf("%w: not the canonical encoding of its files", ErrCorrupt)
	}
	return nil
}

// Filter is an index with only those files that stay says yes to; nil if that is none.
func (x *Index) Filter(stay func(File) bool) (raw []byte, files int, err error) {
	var left []File
	for f := range x.All() {
		if stay(f) {
			left = append(left, f)
		}
	}
	raw, err = encode(left)
	return raw, len(left), err
}

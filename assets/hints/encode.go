package hints

import (
	"encoding/binary"
	"fmt"
)

// text is what makes a value another one.
type text struct {
	link  string
	based bool
}

// Fit is how many of the hints, from the first on, go into one listing.
func Fit(hs []Hint) int {
	seen := make(map[text]struct{})
	size := 0
	for i, h := range hs {
		t := text{h.Link, h.Based}
		if _, ok := seen[t]; ok {
			continue
		}
		seen[t] = struct{}{}
		if size += len(h.Link); size > MaxPool {
			return i
		}
	}
	return len(hs)
}

// Encode makes the encoding of the hints for a manifest of so many entries. They must come by entry, one for each, and
// equal hints give equal bytes.
func Encode(entries int, hs []Hint) ([]byte, error) {
	if entries < 0 || entries > MaxEntries {
		return nil, fmt.Errorf("encode hints: a manifest of %d entries", entries)
	}
	if Fit(hs) < len(hs) {
		return nil, fmt.Errorf("encode hints: %w: more than %d bytes", ErrTooLarge, MaxPool)
	}
	blocks := make([]byte, (entries+blockEntries-1)/blockEntries*blockLen)
	var numbers, values, pool []byte
	number := make(map[text]uint32)
	for i, h := range hs {
		if h.Entry < 0 || h.Entry >= entries || i > 0 && hs[i-1].Entry >= h.Entry || !isValue(h.Link) {
			return nil, fmt.Errorf("encode hints: number %d, %.100q of entry %d, cannot stand there", i, h.Link, h.Entry)
		}
		at := h.Entry / blockEntries * blockLen
		set := binary.LittleEndian.Uint64(blocks[at:])
		binary.LittleEndian.PutUint64(blocks[at:], set|1<<(h.Entry%blockEntries))
		t := text{h.Link, h.Based}
		n, ok := number[t]
		if !ok {
			n = uint32(len(number))
			number[t] = n
			pool = append(pool, h.Link...)
			values = binary.LittleEndian.AppendUint32(values, uint32(len(pool))<<1|bit(h.Based))
		}
		numbers = binary.LittleEndian.AppendUint32(numbers, n)
	}
	rank(blocks, hs)
	b := append([]byte(magic), version)
	for _, n := range []int{entries, len(hs), len(number), len(pool)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	for _, part := range [][]byte{blocks, numbers, values, pool} {
		b = append(b, part...)
	}
	return b, nil
}

// rank writes how many hints are before each block.
func rank(blocks []byte, hs []Hint) {
	n := 0
	for at := 0; at < len(blocks); at += blockLen {
		for n < len(hs) && hs[n].Entry < at/blockLen*blockEntries {
			n++
		}
		binary.LittleEndian.PutUint32(blocks[at+offRank:], uint32(n))
	}
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
)

// bulkSort sorts records of up to 255 bytes of key and of value in memory. The collector has nothing to follow in it.
type bulkSort struct {
	blocks [][]byte
	at     []bulkRecord
}

// bulkRecord is where a record is, and of its key what settles nearly every comparison.
type bulkRecord struct {
	first uint64 // bytes 1 to 8 of the key: the first one is the table's
	block uint32
	start uint32
}

const bulkBlock = 16 << 20

// add copies the record.
func (s *bulkSort) add(key, value []byte) {
	n := len(s.blocks) - 1
	if n < 0 || len(s.blocks[n])+2+len(key)+len(value) > bulkBlock {
		s.blocks = append(s.blocks, make([]byte, 0, bulkBlock))
		n++
	}
	b := s.blocks[n]
	s.at = append(s.at, bulkRecord{binary.BigEndian.Uint64(key[1:9]), uint32(n), uint32(len(b))})
	b = append(b, byte(len(key)), byte(len(value)))
	s.blocks[n] = append(append(b, key...), value...)
}

func (s *bulkSort) record(r bulkRecord) (key, value []byte) {
	b := s.blocks[r.block][r.start:]
	k, v := int(b[0]), int(b[1])
	return b[2 : 2+k], b[2+k : 2+k+v]
}

// all yields the records by key.
func (s *bulkSort) all() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		slices.SortFunc(s.at, func(x, y bulkRecord) int {
			if x.first != y.first {
				return cmp.Compare(x.first, y.first)
			}
			kx, _ := s.record(x)
			ky, _ := s.record(y)
			return bytes.Compare(kx, ky)
		})
		for _, r := range s.at {
			if !yield(s.record(r)) {
				return
			}
		}
	}
}

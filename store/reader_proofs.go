package store

import (
	"bytes"
	"encoding/binary"

	"berth/assets/manifest"
)

// ProofsOf calls found for every proof that an account has of one of the keys, with the key's index, in the order of the
// keys, which must be sorted without duplicates. One iterator serves them all: a deployment asks for tens of thousands,
// and to open one for each cost more than all the rest of publishing.
func (r *Reader) ProofsOf(a AccountNo, keys []manifest.AssetKey, found func(i int, p Proof)) error {
	if len(keys) == 0 {
		return nil
	}
	lo := key32(tableProof, a)
	it, done, err := r.src.iter(lo, prefixEnd(lo))
	if err != nil {
		return readError(lo, err)
	}
	defer done()
	defer it.Close()
	seek := make([]byte, 0, len(lo)+len(manifest.AssetKey{}))
	for i, k := range keys {
		seek = binary.BigEndian.AppendUint32(append(seek[:0], tableProof), uint32(a))
		seek = append(seek, k[:]...)
		// A key before the iterator's position has no proof: the last step stopped behind it.
		if i > 0 && it.Valid() && bytes.Compare(it.Key(), seek) > 0 && !bytes.HasPrefix(it.Key(), seek) {
			continue
		}
		if i > 0 && !it.Valid() {
			break // the table's end: no later key can be there
		}
		for ok := it.SeekGE(seek); ok && bytes.HasPrefix(it.Key(), seek); ok = it.Next() {
			v, err := it.ValueAndErr()
			if err != nil {
				return readError(it.Key(), err)
			}
			p, err := decodeProofRecord(it.Key(), v)
			if err != nil {
				r.src.noteCorrupt()
				return corrupt(it.Key(), err)
			}
			found(i, p)
		}
	}
	if err := it.Error(); err != nil {
		return readError(lo, err)
	}
	return nil
}

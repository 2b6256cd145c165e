package store

import (
	"bytes"

	"berth/assets/manifest"
)

// A deployment asks for tens of thousands of asset keys at once. These reads take many keys, sorted and without
// duplicates, and answer them all through one iterator: to open one for each key cost more than all the rest of publishing.

// ProofsOf calls found, with the key's index, for every proof that an account has of one of the keys.
func (r *Reader) ProofsOf(a AccountNo, keys []manifest.AssetKey, found func(i int, p Proof)) error {
	return seekEach(r, key32(tableProof, a), keys, decodeProofRecord, found)
}

// ClaimsOf calls found, with the key's index, for every claim that a project has of one of the keys.
func (r *Reader) ClaimsOf(p ProjectNo, keys []manifest.AssetKey, found func(i int, c Claim)) error {
	return seekEach(r, key32(tableClaim, p), keys, decodeClaimRecord, found)
}

// WantedOf calls found with the index of every key that Wanted says yes to.
func (r *Reader) WantedOf(p ProjectNo, keys []manifest.AssetKey, found func(i int)) error {
	nothing := func(_, _ []byte) (struct{}, error) { return struct{}{}, nil }
	return seekEach(r, key32(tableWanted, p), keys, nothing, func(i int, _ struct{}) { found(i) })
}

// seekEach visits the records below prefix whose key goes on with one of the asset keys.
func seekEach[T any](r *Reader, prefix []byte, keys []manifest.AssetKey, dec func(k, v []byte) (T, error), visit func(int, T)) error {
	if len(keys) == 0 {
		return nil
	}
	it, done, err := r.src.iter(prefix, prefixEnd(prefix))
	if err != nil {
		return readError(prefix, err)
	}
	defer done()
	defer it.Close()
	it.First()
	seek := make([]byte, 0, len(prefix)+len(manifest.AssetKey{}))
	for i := range keys {
		seek = append(append(seek[:0], prefix...), keys[i][:]...)
		if !it.Valid() {
			break // the end of the range, or a failure: no later key will be there
		}
		// Where the last key left the iterator may be behind this one already.
		for ok := bytes.Compare(it.Key(), seek) >= 0 || it.SeekGE(seek); ok && bytes.HasPrefix(it.Key(), seek); ok = it.Next() {
			v, err := it.ValueAndErr()
			if err != nil {
				return readError(it.Key(), err)
			}
			t, err := dec(it.Key(), v)
			if err != nil {
				r.src.noteCorrupt()
				return corrupt(it.Key(), err)
			}
			visit(i, t)
		}
	}
	if err := it.Error(); err != nil {
		return readError(prefix, err)
	}
	return nil
}

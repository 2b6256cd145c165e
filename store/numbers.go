package store

import "errors"

// numbers returns the value of each of n keys of a table whose values are numbers, 0 for one that is absent: many reads at the price of one
// iterator. key appends the i-th key without the table's letter; sorted keys are found faster, for neighbours share blocks.
//
// Two iterators at once are no faster: every block that they load goes through the cache, whose locks they then wait for.
func (r *Reader) numbers(table byte, n int, key func(i int, to []byte) []byte) (out []uint64, err error) {
	if n == 0 {
		return nil, nil
	}
	it, done, err := r.src.iter([]byte{table}, []byte{table + 1})
	if err != nil {
		return nil, readError([]byte{table}, err)
	}
	defer done()
	defer func() {
		if cerr := it.Close(); cerr != nil {
			err = errors.Join(err, readError([]byte{table}, cerr))
		}
	}()
	out = make([]uint64, n)
	var k []byte
	for i := range out {
		k = key(i, append(k[:0], table))
		b, err := valueAt(it, k)
		if err != nil {
			return nil, err
		}
		if b == nil {
			continue
		}
		if out[i], err = decodeNumber(b); err != nil {
			r.src.noteCorrupt()
			return nil, corrupt(k, err)
		}
	}
	return out, nil
}

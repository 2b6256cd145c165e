package load

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"berth/migrate/convert"
)

// read reads a whole table and names it by its entries, however they are set in JSON. What is wrong with it is fault; err is the machine's.
func (l *loader) read(t Table) (filters []convert.Filter, digest string, fault, err error) {
	if t.Fault != nil {
		return nil, "", t.Fault, nil
	}
	f, err := t.Open()
	if err != nil {
		return nil, "", nil, fmt.Errorf("open table: %w", err)
	}
	defer f.Close() // read only: nothing to lose
	sum := sha256.New()
	r, err := convert.NewReader(f, l.opts.Convert)
	if err != nil {
		return nil, "", nil, err
	}
	for {
		filter, err := r.Next()
		if err == io.EOF {
			return filters, hex.EncodeToString(sum.Sum(nil)), nil, nil
		}
		if bad := (*convert.TableError)(nil); errors.As(err, &bad) {
			bad.Offset += t.Base
			return nil, "", bad, nil
		}
		if err != nil {
			return nil, "", nil, err
		}
		for _, text := range []string{filter.Pattern, filter.ScriptHash} {
			_ = binary.Write(sum, binary.BigEndian, uint64(len(text))) // a hash does not fail
			_, _ = io.WriteString(sum, text)
		}
		filter.Offset += t.Base
		filters = append(filters, filter)
	}
}

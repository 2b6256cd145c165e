package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"berth/store"
)

// Entry is a line of the migration's log: what an operator, or the guard, changed.
type Entry struct {
	Revision store.Revision `json:"revision"`
	Time     time.Time      `json:"time"`
	Who      string         `json:"who"`
	What     string         `json:"what"`
	Why      string         `json:"why"`
}

const logPrefix = "log/"

// AppendLog writes a line in the Update whose change it tells of. An Update may have several, which keep their order.
func AppendLog(tx *store.Tx, now time.Time, who, what, why string) error {
	e := Entry{Revision: tx.Revision(), Time: now.UTC(), Who: who, What: what, Why: why}
	name := fmt.Sprintf("%s%016x", logPrefix, uint64(e.Revision))
	for n, at := 1, name; ; n++ {
		_, err := tx.Document(at)
		if errors.Is(err, store.ErrNotFound) {
			return put(tx, at, e)
		}
		if err != nil {
			return fmt.Errorf("append to the migration's log: %w", err)
		}
		at = fmt.Sprintf("%s.%02x", name, n)
	}
}

// Log yields the lines, oldest first.
func Log(r *store.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for d, err := range r.Documents(logPrefix, "") {
			var e Entry
			if err == nil {
				if err = json.Unmarshal(d.Value, &e); err != nil {
					err = fmt.Errorf("read line %s of the migration's log: %w", d.Name, err)
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

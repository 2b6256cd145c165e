package load

import (
	"encoding/json"
	"errors"
	"fmt"

	"berth/store"
)

// The documents of an import.
const (
	stateDocument  = "import"
	projectsPrefix = "import/"
)

// importState says whether every host that Berth served when the migration began has an entry.
type importState struct {
	Complete bool `json:"complete"`
}

func putState(tx *store.Tx, s importState) error { return putDocument(tx, stateDocument, s) }

// Complete reports whether the tables have an entry for every host that Berth serves. While it is false, whoever finds no entry
// must ask the route records: they are from before the migration began, and hosts that have changed since do have entries.
func Complete(r *store.Reader) (bool, error) {
	var s importState
	found, err := getDocument(r, stateDocument, &s)
	return s.Complete || !found, err
}

// progress is how far a project is.
type progress struct {
	Digest string `json:"digest"` // of the table
	Next   int    `json:"next"`   // entry
	Piece  uint32 `json:"piece"`  // the next one's number
	Done   bool   `json:"done"`
}

func progressName(p store.ProjectNo) string { return fmt.Sprintf("%s%08x", projectsPrefix, uint32(p)) }

func getDocument(r *store.Reader, name string, into any) (found bool, err error) {
	raw, err := r.Document(name)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("read document %s: %w", name, err)
	}
	return true, nil
}

func putDocument(tx *store.Tx, name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode document %s: %w", name, err)
	}
	return tx.PutDocument(name, raw)
}

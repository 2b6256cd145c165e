package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"berth/store"
)

// The documents of an import.
const (
	stateDocument  = "import"
	projectsPrefix = "import/"
)

// importState says whether every host that Berth served when the migration began has an entry.
type importState struct {
	Complete bool    `json:"complete"`
	Outcome  Outcome `json:"outcome,omitzero"`
	Meaning  Meaning `json:"meaning,omitzero"`
}

// Outcome is what an import did to hosts that were served before it, and what it could not do.
type Outcome struct {
	Replaced  int    `json:"replaced,omitempty"`   // hosts that serve what their table says, and something else than before
	Stays     int    `json:"stays,omitempty"`      // hosts that Berth goes on serving, because their entries answer nobody
	Part      int    `json:"part,omitempty"`       // hosts that an entry answers for some paths, and Berth for the others
	Unowned   int    `json:"unowned,omitempty"`    // custom hosts that answer 404, because no project has them
	UnownedBy string `json:"unowned_by,omitempty"` // the first of those, with spaces between them
	Opaque    int    `json:"opaque,omitempty"`     // entries of which it is not known which hosts they answer
}

const maxUnowned = 20

func (o *Outcome) add(p Outcome) {
	o.Replaced, o.Stays, o.Part, o.Unowned, o.Opaque = o.Replaced+p.Replaced, o.Stays+p.Stays, o.Part+p.Part, o.Unowned+p.Unowned, o.Opaque+p.Opaque
	hosts := strings.Fields(o.UnownedBy + " " + p.UnownedBy)
	o.UnownedBy = strings.Join(hosts[:min(len(hosts), maxUnowned)], " ")
}

// LoadOutcome sums up the tables that were loaded, once Complete is true.
func LoadOutcome(r *store.Reader) (Outcome, error) {
	var s importState
	_, err := getDocument(r, stateDocument, &s)
	return s.Outcome, err
}

// sumProjects is what a complete import came to.
func sumProjects(r *store.Reader) (sum importState, err error) {
	for d, err := range r.Documents(projectsPrefix, "") {
		var p progress
		if err == nil {
			err = json.Unmarshal(d.Value, &p)
		}
		if err != nil {
			return sum, fmt.Errorf("read document %s: %w", d.Name, err)
		}
		sum.Outcome.add(p.Outcome)
		sum.Meaning.Add(p.Meaning)
	}
	return sum, nil
}

func putState(tx *store.Tx, s importState) error { return putDocument(tx, stateDocument, s) }

// Complete reports whether the tables have an entry for every host that Berth serves. While it is false, whoever finds no entry
// must ask the route records: they are from before the migration began; hosts that have moved since do have entries, and those that were deleted have no record.
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

	// What came of the entries so far.
	Outcome Outcome `json:"outcome,omitzero"`
	Meaning Meaning `json:"meaning,omitzero"`
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

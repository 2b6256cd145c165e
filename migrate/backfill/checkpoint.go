package backfill

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"berth/migrate"
	"berth/migrate/tables"
	"berth/store"
)

const (
	checkpointDocument = "backfill"
	controlDocument    = "backfill/control"
	documentVersion    = 1
)

// Conflict is a failure that only writing shows: the host has a record of this epoch, and it says something else.
const Conflict tables.Class = "conflict"

// position is a piece: the next one to be done.
type position struct {
	Project store.ProjectNo `json:"project"`
	Piece   uint32          `json:"piece"`
}

// checkpoint is how far the job is. It is written in the batch of the records that it counts.
type checkpoint struct {
	Version  int         `json:"v"`
	Epoch    store.Epoch `json:"epoch"`
	Next     position    `json:"next"`
	Started  time.Time   `json:"started"`
	Finished time.Time   `json:"finished,omitzero"`

	Total   int64 `json:"total"`   // entries when it began
	Done    int64 `json:"done"`    // entries that were looked at
	Written int64 `json:"written"` // records
	Present int64 `json:"present"` // hosts that had a record already

	Queued   int                  `json:"queued"`   // documents of failures
	Failures map[tables.Class]int `json:"failures"` // those, and the ones for which there was no room
	Overflow int                  `json:"overflow"` // the latter
}

// control is what operators say.
type control struct {
	Version int       `json:"v"`
	Paused  bool      `json:"paused"`
	Rate    *float64  `json:"rate,omitempty"` // nil: the server's option holds
	Who     string    `json:"who"`
	Why     string    `json:"why"`
	Since   time.Time `json:"since"`
}

func read[T any](r *store.Reader, name string, version func(*T) int) (v T, there bool, err error) {
	raw, err := r.Document(name)
	if errors.Is(err, store.ErrNotFound) {
		return v, false, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err == nil && version(&v) != documentVersion {
		err = fmt.Errorf("version %d; this berth reads %d", version(&v), documentVersion)
	}
	if err != nil {
		return v, false, fmt.Errorf("read document %s: %w", name, err)
	}
	return v, true, nil
}

func write(tx *store.Tx, name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode document %s: %w", name, err)
	}
	return tx.PutDocument(name, raw)
}

func readCheckpoint(r *store.Reader) (checkpoint, bool, error) {
	return read(r, checkpointDocument, func(c *checkpoint) int { return c.Version })
}

func readControl(r *store.Reader) (control, error) {
	c, _, err := read(r, controlDocument, func(c *control) int { return c.Version })
	return c, err
}

// works says in which phases the job may write: both sides are written, and going on is harmless.
func works(p migrate.Phase) bool {
	return !p.Before(migrate.Backfill) && p.WritesTables() && p.WritesRecords()
}

// situation is all that decides whether the job may go on, read from one state.
type situation struct {
	state   migrate.State
	control control
	point   checkpoint // of this epoch; zero if it has none
}

func readSituation(r *store.Reader) (s situation, err error) {
	if s.state, err = migrate.Load(r); err != nil {
		return s, err
	}
	if s.control, err = readControl(r); err != nil {
		return s, err
	}
	point, there, err := readCheckpoint(r)
	if there && point.Epoch == s.state.Epoch {
		s.point = point
	}
	return s, err
}

func (s *situation) begun() bool { return s.point.Version != 0 }

// Finished says whether the job has been through all tables in the present epoch, and how many entries have no record.
func Finished(r *store.Reader) (finished bool, failures int, err error) {
	s, err := readSituation(r)
	for _, n := range s.point.Failures {
		failures += n
	}
	return s.begun() && !s.point.Finished.IsZero(), failures, err
}

package backfill

import (
	"time"

	"berth/migrate"
	"berth/migrate/tables"
	"berth/store"
)

const (
	checkpointDocument = "backfill"
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
	Version  int            `json:"v"`
	Epoch    store.Epoch    `json:"epoch"`
	Next     position       `json:"next"`
	Started  time.Time      `json:"started"`
	Finished time.Time      `json:"finished,omitzero"`
	Last     store.Revision `json:"last,omitempty"` // of the batch that finished it

	Total   int64 `json:"total"`   // entries when it began
	Done    int64 `json:"done"`    // entries that were looked at
	Written int64 `json:"written"` // records
	Present int64 `json:"present"` // hosts that had a record already

	Queued   int                  `json:"queued"`   // documents of failures
	Failures map[tables.Class]int `json:"failures"` // those, and the ones for which there was no room
	Overflow int                  `json:"overflow"` // the latter
}

// FormVersion is the version of its form.
func (c checkpoint) FormVersion() int { return c.Version }

func readCheckpoint(r *store.Reader) (checkpoint, bool, error) {
	return migrate.Get[checkpoint](r, checkpointDocument)
}

// works says in which phases the job may write: both sides are written, and going on is harmless.
func works(p migrate.Phase) bool {
	return !p.Before(migrate.Backfill) && p.WritesTables() && p.WritesRecords()
}

// situation is all that decides whether the job may go on, read from one state.
type situation struct {
	state   migrate.State
	control migrate.Control
	point   checkpoint // of this epoch; zero if it has none
}

func readSituation(r *store.Reader) (s situation, err error) {
	if s.state, err = migrate.Load(r); err != nil {
		return s, err
	}
	if s.control, err = migrate.LoadControl(r, checkpointDocument); err != nil {
		return s, err
	}
	point, there, err := readCheckpoint(r)
	if there && point.Epoch == s.state.Epoch {
		s.point = point
	}
	return s, err
}

func (s *situation) begun() bool { return s.point.Version != 0 }

// FinishedAt is the revision at which the job had been through all tables in the present epoch; 0: it has not.
func FinishedAt(r *store.Reader) (store.Revision, error) {
	s, err := readSituation(r)
	if s.point.Finished.IsZero() {
		return 0, err
	}
	return max(s.point.Last, 1), err // a checkpoint may be older than Last
}

// Anew makes the job go through all tables again, in the Update that brings entries which it may have passed.
func Anew(tx *store.Tx) error { return tx.DeleteDocument(checkpointDocument) }

// Overflow is how many failures of the present epoch found no room in the queue.
func Overflow(r *store.Reader) (int, error) {
	s, err := readSituation(r)
	return s.point.Overflow, err
}

// Finished says whether the job has been through all tables in the present epoch, and how many entries have no record.
func Finished(r *store.Reader) (finished bool, failures int, err error) {
	s, err := readSituation(r)
	for _, n := range s.point.Failures {
		failures += n
	}
	return s.begun() && !s.point.Finished.IsZero(), failures, err
}

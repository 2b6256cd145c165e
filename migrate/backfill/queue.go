package backfill

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"berth/migrate"
	"berth/migrate/tables"
	"berth/store"
)

const queuePrefix = "retry/"

// Failure is an entry, or one of its hosts, that has no record because of what is said.
type Failure struct {
	ID string `json:"-"` // what Retry and Skip take
	tables.Fault
	Epoch    store.Epoch `json:"epoch"`
	Attempts int         `json:"attempts"`
	First    time.Time   `json:"first"`
	Last     time.Time   `json:"last"`
	Next     time.Time   `json:"next,omitzero"` // zero: not again by itself
	Skipped  bool        `json:"skipped,omitempty"`
}

// failureID is the same for the same entry whichever line it has come to stand on.
func failureID(f tables.Fault) string {
	h := sha256.New()
	part := func(s string) {
		_ = binary.Write(h, binary.BigEndian, uint32(len(s))) // a hash does not fail
		h.Write([]byte(s))
	}
	part(f.Pattern)
	part(f.ScriptHash)
	part(f.Host)
	if f.Pattern == "" {
		part(fmt.Sprint(f.Piece))
	}
	return fmt.Sprintf("%08x/%s", uint32(f.Project), hex.EncodeToString(h.Sum(nil)[:8]))
}

// Failures yields the queue, by project.
func Failures(r *store.Reader) iter.Seq2[Failure, error] { return failures(r, queuePrefix) }

func failuresOf(r *store.Reader, p store.ProjectNo) iter.Seq2[Failure, error] {
	return failures(r, fmt.Sprintf("%s%08x/", queuePrefix, uint32(p)))
}

func failures(r *store.Reader, prefix string) iter.Seq2[Failure, error] {
	return func(yield func(Failure, error) bool) {
		for d, err := range r.Documents(prefix, "") {
			var f Failure
			if err == nil {
				f, err = decodeFailure(strings.TrimPrefix(d.Name, queuePrefix), d.Value)
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

func decodeFailure(id string, raw []byte) (f Failure, err error) {
	if err = json.Unmarshal(raw, &f); err != nil {
		return f, fmt.Errorf("read failure %s: %w", id, err)
	}
	f.ID = id
	return f, nil
}

// queue changes the failures inside an Update, and counts them in the checkpoint.
type queue struct {
	tx    *store.Tx
	point *checkpoint
	o     *Options
	now   time.Time
	retry bool // of entries that were all counted before
}

func (q *queue) get(id string) (f Failure, there bool, err error) {
	raw, err := q.tx.Document(queuePrefix + id)
	if errors.Is(err, store.ErrNotFound) {
		return f, false, nil
	}
	if err != nil {
		return f, false, err
	}
	f, err = decodeFailure(id, raw)
	return f, err == nil, err
}

// add notes that an entry failed, again or for the first time.
func (q *queue) add(fault tables.Fault) (id string, err error) {
	id = failureID(fault)
	f, there, err := q.get(id)
	if err != nil {
		return id, err
	}
	if !there && q.retry && q.point.Queued >= q.o.MaxFailures {
		return id, nil // the pass counted it, or the one that was begun meanwhile will
	}
	if !there {
		counted := q.retry && q.point.Overflow > 0 // when there was no room for it
		if !counted {
			q.count(fault.Class, 1)
			q.point.Overflow++
		}
		if q.point.Queued >= q.o.MaxFailures {
			return id, nil
		}
		q.point.Overflow--
		q.point.Queued++
		f = Failure{First: q.now, Epoch: q.point.Epoch}
	} else {
		q.count(f.Class, -1)
		q.count(fault.Class, 1)
	}
	f.Fault, f.Last, f.Attempts = fault, q.now, f.Attempts+1
	f.Next = time.Time{}
	if !f.Skipped {
		f.Next = q.now.Add(q.o.backoff(f.Attempts))
	}
	return id, migrate.Put(q.tx, queuePrefix+id, f)
}

func (o *Options) backoff(attempts int) time.Duration {
	d := o.FirstRetry
	for range attempts - 1 {
		if d *= 2; d >= o.MaxRetry {
			return o.MaxRetry
		}
	}
	return d
}

// remove forgets one that failed no more.
func (q *queue) remove(f Failure) error {
	q.count(f.Class, -1)
	q.point.Queued--
	return q.tx.DeleteDocument(queuePrefix + f.ID)
}

func (q *queue) count(c tables.Class, by int) {
	if q.point.Failures == nil {
		q.point.Failures = map[tables.Class]int{}
	}
	if q.point.Failures[c] += by; q.point.Failures[c] <= 0 {
		delete(q.point.Failures, c)
	}
}

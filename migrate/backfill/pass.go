package backfill

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"berth/migrate"
	"berth/store"
)

// begin counts the entries and writes the first checkpoint of an epoch.
func (j *Job) begin(ctx context.Context, epoch store.Epoch) error {
	j.setState(Counting, "")
	total, err := j.count(ctx)
	if err != nil {
		return err
	}
	_, err = j.deps.Store.Update(ctx, func(tx *store.Tx) error {
		s, err := readSituation(&tx.Reader)
		if err != nil {
			return err
		}
		if err := s.goesOn(epoch); err != nil {
			return err
		}
		return restart(tx, epoch, total, j.deps.Clock.Now())
	})
	return err
}

func restart(tx *store.Tx, epoch store.Epoch, total int64, now time.Time) error {
	if err := tx.DeleteDocuments(queuePrefix); err != nil {
		return err
	}
	return migrate.Put(tx, checkpointDocument, checkpoint{Version: documentVersion, Epoch: epoch, Next: start(1), Started: now.UTC(), Total: total})
}

// count counts entries without reading them: in JSON a key cannot stand in a string with its quotes bare.
func (j *Job) count(ctx context.Context) (total int64, err error) {
	for c, err := range j.deps.Store.AllTableChunks(0, 0) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0, err
		}
		total += int64(bytes.Count(c.JSON, []byte(`"pattern"`)))
	}
	return total, nil
}

// prepared is a chunk, or why there is none.
type prepared struct {
	chunk *chunk
	err   error
}

// ahead is how many chunks are prepared while one is written: this, and one more that is being prepared.
const ahead = 2

// pass copies from the checkpoint on to the end. One goroutine reads and understands the tables, this one writes.
func (j *Job) pass(ctx context.Context, s situation) error {
	w := &walker{job: j, epoch: s.state.Epoch, at: s.point.Next}
	if j.changed >= patience {
		_, err := j.insist(ctx, w, settle{})
		return err
	}
	// Few lines are more than one host or none: about so many records there will be, those of earlier epochs under the same hosts.
	j.deps.Store.ExpectRoutes(s.point.Total)
	defer j.deps.Store.ExpectRoutes(0)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	chunks := make(chan prepared, ahead)
	wg.Go(func() {
		defer close(chunks)
		j.prepare(ctx, w, j.lines(), chunks)
	})
	for p := range chunks {
		if p.err != nil {
			return p.err
		}
		if err := j.copy(ctx, p.chunk, settle{}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (j *Job) prepare(ctx context.Context, w *walker, lines int, to chan<- prepared) {
	for {
		c, err := w.next(lines)
		select {
		case to <- prepared{c, err}:
		case <-ctx.Done():
			return
		}
		if err != nil || c.last {
			return
		}
		lines = j.limiter.Slice(j.opts.ChunkEntries)
	}
}

// patience is how many times in a row a chunk may have changed before it is prepared within its Update, where nothing can change:
// others wait for that as long as it takes to read the whole table before it.
const patience = 8

// lines is the size of the next chunk: the smaller, the more often it has changed while it was prepared.
func (j *Job) lines() int { return max(1, j.limiter.Slice(j.opts.ChunkEntries)>>j.changed) }

// settle is what an Update does beside writing a chunk, of a retry.
type settle struct {
	retry bool
	seen  map[string]bool // failures that were found again, of the project that is retried
}

// copy writes one chunk, when it is time.
func (j *Job) copy(ctx context.Context, c *chunk, s settle) error {
	return j.commit(ctx, c.epoch, func(tx *store.Tx) (*chunk, checkpoint, error) {
		point, err := j.update(tx, c, s)
		return c, point, err
	})
}

// insist prepares and writes one piece in one Update.
func (j *Job) insist(ctx context.Context, w *walker, s settle) (c *chunk, err error) {
	err = j.commit(ctx, w.epoch, func(tx *store.Tx) (*chunk, checkpoint, error) {
		if c, err = w.from(&tx.Reader, 1); err != nil {
			return nil, checkpoint{}, err
		}
		point, err := j.update(tx, c, s)
		return c, point, err
	})
	return c, err
}

func (j *Job) commit(ctx context.Context, epoch store.Epoch, fn func(*store.Tx) (*chunk, checkpoint, error)) error {
	if err := j.hold(ctx, epoch); err != nil {
		return err
	}
	begun := j.deps.Clock.Now()
	var c *chunk
	var point checkpoint
	_, err := j.deps.Store.Update(ctx, func(tx *store.Tx) (err error) {
		c, point, err = fn(tx)
		return err
	})
	if errors.Is(err, errChanged) {
		j.changed++
	}
	if err != nil {
		return err
	}
	j.changed = 0
	now := j.deps.Clock.Now()
	j.commits.Add(now.Sub(begun))
	j.limiter.Spend(c.lines)
	j.progress(now, c.lines)
	if !point.Finished.IsZero() && c.last {
		j.deps.Log.Info("the tables are copied", "entries", point.Done, "written", point.Written, "failures", point.Failures)
	}
	return nil
}

// update is all that one Update does: the records, the failures and the checkpoint.
func (j *Job) update(tx *store.Tx, c *chunk, st settle) (checkpoint, error) {
	s, err := readSituation(&tx.Reader)
	if err != nil {
		return checkpoint{}, err
	}
	if err := s.goesOn(c.epoch); err != nil {
		return checkpoint{}, err
	}
	if !s.begun() || !st.retry && s.point.Next != c.from { // somebody began anew
		return checkpoint{}, errMoved
	}
	o, err := c.write(tx)
	if err != nil {
		return checkpoint{}, err
	}
	now := j.deps.Clock.Now().UTC()
	q := queue{tx: tx, point: &s.point, o: &j.opts, now: now, retry: st.retry}
	for _, f := range c.faults {
		id, err := q.add(f)
		if err != nil {
			return checkpoint{}, err
		}
		if st.seen != nil {
			st.seen[id] = true
		}
	}
	s.point.Written += int64(o.written)
	s.point.Present += int64(o.present)
	if !st.retry {
		s.point.Done += int64(c.lines)
		s.point.Next = c.next
		if c.last {
			s.point.Finished, s.point.Last = now, tx.Revision()
		}
	}
	return s.point, migrate.Put(tx, checkpointDocument, s.point)
}

// hold waits until the next chunk may be written: for the rate, and for a server that is busy.
func (j *Job) hold(ctx context.Context, epoch store.Epoch) error {
	var until time.Time
	if pause := j.yielder.Next(); pause > 0 {
		until = j.deps.Clock.Now().Add(pause)
	}
	for {
		s, err := j.situation()
		if err != nil {
			return err
		}
		if err := s.goesOn(epoch); err != nil {
			return err
		}
		wait := j.limiter.Wait()
		if j.yielder.Why() == "" { // an operator has set other bounds meanwhile
			until = time.Time{}
		}
		state, why := Copying, ""
		if left := until.Sub(j.deps.Clock.Now()); !until.IsZero() && left > wait {
			wait, state, why = left, Yielding, j.yielder.Why()
		}
		j.setState(state, why)
		if wait <= 0 {
			return nil
		}
		if err := j.sleep(ctx, wait, true); err != nil {
			return errors.Join(errMoved, err)
		}
	}
}

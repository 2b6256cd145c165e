package backfill

import (
	"context"
	"errors"
	"slices"
	"time"

	"berth/migrate"
	"berth/store"
)

// retryDue reads the tables of those projects again that have failures whose time has come, and says when the next one's does.
func (j *Job) retryDue(ctx context.Context, s situation) (time.Duration, error) {
	due, next, err := j.due(s.state.Epoch)
	if err != nil {
		return 0, err
	}
	if len(due) == 0 {
		j.setState(Done, "")
		if next.IsZero() {
			return idle, nil
		}
		return max(next.Sub(j.deps.Clock.Now()), time.Millisecond), nil
	}
	for _, p := range due {
		if err := j.retry(ctx, p, s.state.Epoch); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// due returns the projects to be retried now, and when there is something to retry next.
func (j *Job) due(epoch store.Epoch) (due []store.ProjectNo, next time.Time, err error) {
	now := j.deps.Clock.Now()
	for f, err := range Failures(&j.deps.Store.Reader) {
		switch {
		case err != nil:
			return nil, next, err
		case f.Skipped || f.Next.IsZero() || f.Epoch != epoch:
		case !f.Next.After(now) || f.Next.Sub(now) > j.opts.MaxRetry: // that far ahead only a clock that was wrong can have put it
			due = append(due, f.Project) // they come by project
		case next.IsZero() || f.Next.Before(next):
			next = f.Next
		}
	}
	return slices.Compact(due), next, nil
}

// retry goes through the whole table of a project: what an entry means depends on those before it. Whatever has a record keeps
// it, so only what failed, or came to be, is written.
func (j *Job) retry(ctx context.Context, p store.ProjectNo, epoch store.Epoch) error {
	w := &walker{job: j, epoch: epoch, at: start(p), until: p + 1}
	seen := map[string]bool{}
	for last := false; !last; {
		c, err := j.again(ctx, w, settle{retry: true, seen: seen})
		if errors.Is(err, errChanged) {
			w.at, w.table = c.from, nil
			continue
		}
		if err != nil {
			return err
		}
		last = c.last
	}
	_, err := j.deps.Store.Update(ctx, func(tx *store.Tx) error { return j.forget(tx, p, epoch, seen) })
	return err
}

// again copies the next chunk of a retry, which it returns also if that has changed meanwhile.
func (j *Job) again(ctx context.Context, w *walker, s settle) (*chunk, error) {
	if j.changed >= patience {
		return j.insist(ctx, w, s)
	}
	c, err := w.next(j.lines())
	if err != nil {
		return nil, err
	}
	return c, j.copy(ctx, c, s)
}

// forget removes the failures of a project that were not found again.
func (j *Job) forget(tx *store.Tx, p store.ProjectNo, epoch store.Epoch, seen map[string]bool) error {
	s, err := readSituation(&tx.Reader)
	if err != nil {
		return err
	}
	if err := s.goesOn(epoch); err != nil {
		return err
	}
	q := queue{tx: tx, point: &s.point, o: &j.opts, now: j.deps.Clock.Now().UTC()}
	var gone []Failure
	for f, err := range failuresOf(&tx.Reader, p) {
		if err != nil {
			return err
		}
		if !seen[f.ID] {
			gone = append(gone, f)
		}
	}
	for _, f := range gone {
		if err := q.remove(f); err != nil {
			return err
		}
	}
	return migrate.Put(tx, checkpointDocument, s.point)
}

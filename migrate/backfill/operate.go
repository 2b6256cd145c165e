package backfill

import (
	"context"
	"errors"
	"fmt"
	"math"

	"berth/migrate"
	"berth/store"
)

// ErrNoFailure says that the queue has no failure of that ID.
var ErrNoFailure = errors.New("backfill: no such failure")

// Pause stops the job after the chunk that is being written, also across restarts.
func (j *Job) Pause(ctx context.Context, who, why string) error {
	return j.control(ctx, who, "backfill paused", why, func(c *migrate.Control) { c.Paused = true })
}

// Resume undoes Pause.
func (j *Job) Resume(ctx context.Context, who, why string) error {
	return j.control(ctx, who, "backfill resumed", why, func(c *migrate.Control) { c.Paused = false })
}

// SetRate changes the rate, entries a second; 0 is no limit. It holds at once, and across restarts.
func (j *Job) SetRate(ctx context.Context, rate float64, who, why string) error {
	if rate < 0 || math.IsNaN(rate) || math.IsInf(rate, 0) {
		return fmt.Errorf("backfill: rate %v: want entries a second, or 0 for no limit", rate)
	}
	return j.control(ctx, who, fmt.Sprintf("backfill rate %v", rate), why, func(c *migrate.Control) { c.Rate = &rate })
}

func (j *Job) control(ctx context.Context, who, what, why string, change func(*migrate.Control)) error {
	return j.change(ctx, who, what, why, func(tx *store.Tx) error {
		return migrate.SetControl(tx, checkpointDocument, j.deps.Clock.Now(), who, why, change)
	})
}

// change is an Update with its line of the log. It may use the disk's reserve: pausing must be possible when the disk is full.
func (j *Job) change(ctx context.Context, who, what, why string, fn func(*store.Tx) error) error {
	_, err := j.deps.Store.UpdateFreeing(ctx, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return migrate.AppendLog(tx, j.deps.Clock.Now(), who, what, why)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	j.nudge()
	return nil
}

// Restart makes the job go through all tables again in the same epoch. What has a record keeps it.
func (j *Job) Restart(ctx context.Context, who, why string) error {
	total, err := j.count(ctx)
	if err != nil {
		return fmt.Errorf("backfill: %w", err)
	}
	return j.change(ctx, who, "backfill from the beginning", why, func(tx *store.Tx) error {
		return restart(tx, tx.Epoch(), total, j.deps.Clock.Now())
	})
}

// Retry makes failures due now, those with the IDs given, or all that are not skipped. It returns how many.
func (j *Job) Retry(ctx context.Context, who, why string, ids ...string) (n int, err error) {
	return j.each(ctx, who, "retry of failures", why, ids, func(f *Failure) {
		f.Skipped, f.Next = false, j.deps.Clock.Now().UTC()
	})
}

// Skip makes failures wait for ever, those with the IDs given, or all. They stay in the queue, and their sites with their
// tables.
func (j *Job) Skip(ctx context.Context, who, why string, ids ...string) (n int, err error) {
	return j.each(ctx, who, "failures skipped", why, ids, func(f *Failure) { f.Skipped = true })
}

func (j *Job) each(ctx context.Context, who, what, why string, ids []string, change func(*Failure)) (n int, err error) {
	err = j.change(ctx, who, what, why, func(tx *store.Tx) error {
		chosen, err := choose(tx, ids)
		if err != nil {
			return err
		}
		for _, f := range chosen {
			if f.Skipped && len(ids) == 0 {
				continue
			}
			change(&f)
			n++
			if err := migrate.Put(tx, queuePrefix+f.ID, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func choose(tx *store.Tx, ids []string) (chosen []Failure, err error) {
	if len(ids) == 0 {
		for f, err := range Failures(&tx.Reader) {
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, f)
		}
		return chosen, nil
	}
	q := queue{tx: tx}
	for _, id := range ids {
		f, there, err := q.get(id)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, fmt.Errorf("%w: %q; list them to see which there are", ErrNoFailure, id)
		}
		chosen = append(chosen, f)
	}
	return chosen, nil
}

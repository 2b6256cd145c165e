package backfill

import (
	"context"
	"errors"
	"fmt"

	"berth/migrate"
	"berth/store"
)

// ErrNoFailure says that the queue has no failure of that ID.
var ErrNoFailure = errors.New("backfill: no such failure")

// Restart makes the job go through all tables again in the same epoch. What has a record keeps it.
func (j *Job) Restart(ctx context.Context, who, why string) error {
	total, err := j.count(ctx)
	if err != nil {
		return fmt.Errorf("backfill: %w", err)
	}
	return j.Change(ctx, who, "backfill from the beginning", why, func(tx *store.Tx) error {
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
	err = j.Change(ctx, who, what, why, func(tx *store.Tx) error {
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

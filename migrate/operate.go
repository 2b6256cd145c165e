package migrate

import (
	"context"
	"fmt"
	"time"

	"berth/store"
)

// Operator is the side of a job that operators speak to; jobs embed one. What is said holds at once, and across restarts, and
// each time the log says who said it and why.
type Operator struct {
	store   *store.Store
	now     func() time.Time
	job     string // what its documents are called
	spoken  string // what the log calls it
	changed func()
}

// NewOperator makes the operator's side of the job with documents of that name; changed wakes the job.
func NewOperator(s *store.Store, now func() time.Time, job, spoken string, changed func()) Operator {
	return Operator{store: s, now: now, job: job, spoken: spoken, changed: changed}
}

// Pause stops the job after what is being written, until Resume.
func (o *Operator) Pause(ctx context.Context, who, why string) error {
	return o.control(ctx, who, o.spoken+" paused", why, func(c *Control) { c.Paused = true })
}

// Resume undoes Pause.
func (o *Operator) Resume(ctx context.Context, who, why string) error {
	return o.control(ctx, who, o.spoken+" resumed", why, func(c *Control) { c.Paused = false })
}

func (o *Operator) control(ctx context.Context, who, what, why string, change func(*Control)) error {
	return o.Change(ctx, who, what, why, func(tx *store.Tx) error {
		return SetControl(tx, o.job, o.now(), who, why, change)
	})
}

// Change is an Update with its line of the log. It may use the disk's reserve: pausing must be possible when the disk is full.
func (o *Operator) Change(ctx context.Context, who, what, why string, fn func(*store.Tx) error) error {
	_, err := o.store.UpdateFreeing(ctx, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return AppendLog(tx, o.now(), who, what, why)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	o.changed()
	return nil
}

package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"berth/store"
)

// Tuning is how much a job may burden the server. A field that is nil stays as it is.
type Tuning struct {
	Rate        *float64       // entries a second, up to MaxRate; 0: no limit
	YieldCommit *time.Duration // the job gives way when a commit of the store takes longer, up to MaxYield; 0: never
	YieldP99    *time.Duration // or when the edge's p99 is above it; likewise
}

// Bounds of a Tuning.
const (
	MaxRate  = 1e9
	MaxYield = time.Hour
)

// IsZero says whether nothing is to change.
func (t Tuning) IsZero() bool { return t == Tuning{} }

// Check reports every fault. Nothing of a Tuning with one is taken.
func (t Tuning) Check() error {
	var faults []error
	if t.Rate != nil && !(*t.Rate >= 0 && *t.Rate <= MaxRate) { // NaN is neither
		faults = append(faults, fmt.Errorf("rate %v: want entries a second up to %v, or 0 for no limit", *t.Rate, MaxRate))
	}
	for _, y := range []struct {
		name string
		d    *time.Duration
	}{{"yield-commit", t.YieldCommit}, {"yield-p99", t.YieldP99}} {
		if y.d != nil && (*y.d < 0 || *y.d > MaxYield) {
			faults = append(faults, fmt.Errorf("%s %v: want a time such as 250ms, up to %v, or 0 for never", y.name, *y.d, MaxYield))
		}
	}
	return errors.Join(faults...)
}

// String says it for the log.
func (t Tuning) String() string {
	var parts []string
	if t.Rate != nil {
		parts = append(parts, fmt.Sprintf("rate %v", *t.Rate))
	}
	if t.YieldCommit != nil {
		parts = append(parts, "gives way to commits "+above(*t.YieldCommit))
	}
	if t.YieldP99 != nil {
		parts = append(parts, "gives way to the edge's p99 "+above(*t.YieldP99))
	}
	return strings.Join(parts, ", ")
}

func above(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return fmt.Sprintf("above %v", d)
}

func (t Tuning) apply(c *Control) {
	c.Rate = cmp.Or(t.Rate, c.Rate)
	c.YieldCommit, c.YieldP99 = cmp.Or(t.YieldCommit, c.YieldCommit), cmp.Or(t.YieldP99, c.YieldP99)
}

// Tune changes how much the job may burden the server, from now on.
func (o *Operator) Tune(ctx context.Context, t Tuning, who, why string) error {
	if err := t.Check(); err != nil {
		return fmt.Errorf("%s: %w", o.spoken, err)
	}
	return o.control(ctx, who, o.spoken+" "+t.String(), why, t.apply)
}

// TuneIn is Tune inside an Update that does something else, too.
func (o *Operator) TuneIn(tx *store.Tx, t Tuning, who, why string) error {
	if err := t.Check(); err != nil {
		return fmt.Errorf("%s: %w", o.spoken, err)
	}
	if err := SetControl(tx, o.job, o.now(), who, why, t.apply); err != nil {
		return err
	}
	return AppendLog(tx, o.now(), who, o.spoken+" "+t.String(), why)
}

// SetRate changes the rate alone.
func (o *Operator) SetRate(ctx context.Context, rate float64, who, why string) error {
	return o.Tune(ctx, Tuning{Rate: &rate}, who, why)
}

// boundOr is a bound that an operator may have set, or the one that the job was started with.
func boundOr(said *time.Duration, started time.Duration) time.Duration {
	if said != nil {
		return *said
	}
	return max(0, started)
}

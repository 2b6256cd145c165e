package ramp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"berth/migrate"
	"berth/router/rollout"
)

// Deps are what a Guard works on.
type Deps struct {
	Keep   Keeper
	Health func() Health
	// Picked counts the sites that are on hashed; nil: not known, so that answers of hashed are always waited for.
	Picked func() (int, error)
	Now    func() time.Time // dates records; nil: time.Now
	Every  time.Duration    // how often it looks; default 1 s
	Log    *slog.Logger     // nil: none
}

// Guard raises the percentage by a Plan and takes it back by itself. It is safe for concurrent use.
type Guard struct {
	deps     Deps
	wake     chan struct{}
	progress atomic.Pointer[Progress]
}

// Progress is how a guarded ramp stands, with what the state document does not have.
type Progress struct {
	State
	Held    time.Duration // the step, so far
	Waiting string        // for what the step is held beyond its time; "" for nothing
	Window  Figures       // of the step so far
	Fault   string        // why the guard cannot act now; "" if it can
}

// guardian is who the guard is in the log.
const guardian = "guard"

// NewGuard returns a Guard. It does nothing until Run.
func NewGuard(deps Deps) (*Guard, error) {
	if deps.Keep == nil || deps.Health == nil || deps.Every < 0 {
		return nil, errors.New("ramp: a guard needs a keeper and health, and looks at intervals that are not negative")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	deps.Every = cmp.Or(deps.Every, time.Second)
	g := &Guard{deps: deps, wake: make(chan struct{}, 1)}
	g.progress.Store(&Progress{})
	return g, nil
}

// Progress is how it stood at the last look.
func (g *Guard) Progress() Progress { return *g.progress.Load() }

// Start begins a guarded ramp, which Run goes on with, and sets its first percentage.
func (g *Guard) Start(ctx context.Context, plan Plan, who, why string) (State, error) {
	if err := plan.prepare(); err != nil {
		return State{}, err
	}
	at, err := g.deps.Keep.Load()
	if err != nil {
		return State{}, err
	}
	switch {
	case at.Phase != migrate.Ramp:
		return State{}, fmt.Errorf("%w: a guarded ramp runs in phase %s; this is %s", migrate.ErrPhase, migrate.Ramp, at.Phase)
	case at.State.Status == Running:
		return State{}, fmt.Errorf("ramp: one runs already, at %s: %s started it at %s (%s); stop it first",
			rollout.FormatPercent(at.State.Percent), at.State.Who, at.State.Started.Format(time.RFC3339), at.State.Why)
	case at.Default == rollout.Hashed:
		return State{}, errors.New("ramp: the default is hashed, so that the percentage decides nothing; set it to legacy first")
	}
	step, good, err := plan.first(at.Percent)
	if err != nil {
		return State{}, err
	}
	now := g.deps.Now().UTC()
	to := State{
		Status: Running, Plan: plan, Step: step, Percent: plan.Steps[step], Good: good, Started: now, Since: now, Who: who, Why: why,
	}
	after, err := g.deps.Keep.Save(ctx, Move{
		From: at, To: to, SetPercent: true, Who: who, What: "guarded ramp begins, " + stepName(to), Why: why, Sampling: plan.Sampling,
	})
	if err != nil {
		return State{}, fmt.Errorf("start the ramp: %w", err)
	}
	g.poke()
	return after.State, nil
}

// Stop ends a guarded ramp where it is: the percentage stays. When it returns, the guard changes nothing any more.
func (g *Guard) Stop(ctx context.Context, who, why string) (State, error) {
	for {
		at, err := g.deps.Keep.Load()
		if err != nil {
			return State{}, err
		}
		if at.State.Status != Running {
			return at.State, errors.New("ramp: none runs")
		}
		after, err := g.deps.Keep.Save(ctx, ending(at, Stopped, g.deps.Now(), who, "stopped by "+who, why))
		if err == nil {
			g.poke()
			return after.State, nil
		}
		if !errors.Is(err, ErrChanged) { // else the guard moved on just now; it is stopped at where it got to
			return State{}, fmt.Errorf("stop the ramp: %w", err)
		}
	}
}

func (g *Guard) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func stepName(s State) string {
	return fmt.Sprintf("step %d of %d (%s)", s.Step+1, len(s.Plan.Steps), rollout.FormatPercent(s.Plan.Steps[s.Step]))
}

// ending is a move that leaves the percentage as it is.
func ending(at Standing, status Status, now time.Time, who, reason, why string) Move {
	to := at.State
	to.Status, to.Reason, to.Since = status, reason, now.UTC()
	return Move{From: at, To: to, Who: who, What: "guarded ramp " + string(status) + " at " + stepName(at.State) + ": " + reason, Why: why}
}

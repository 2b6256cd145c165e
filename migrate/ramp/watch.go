package ramp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"berth/migrate"
	"berth/router/rollout"
	"berth/store"
)

// window is what a step is judged by: what happened since it began, here.
type window struct {
	of     store.Revision // of the state that began it
	began  time.Time      // with a monotonic reading
	base   Health
	served bool // some site is on hashed
}

// Run goes on with the guarded ramp that the state tells of, if any, and with whatever is started later, until ctx is done. Then the
// state says Running still, and the next Run goes on.
func (g *Guard) Run(ctx context.Context) {
	t := time.NewTicker(g.deps.Every)
	defer t.Stop()
	var w *window
	for ctx.Err() == nil {
		w = g.look(ctx, w)
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-g.wake:
		}
	}
}

// look does what is to be done now, and returns the window for the next time; nil if nothing runs. A failure to read or write is
// tried again at the next look: a step that cannot be taken back is at least not followed by another one.
func (g *Guard) look(ctx context.Context, w *window) *window {
	at, err := g.deps.Keep.Load()
	if err != nil {
		g.fault(ctx, "the state cannot be read", err)
		return w
	}
	if at.State.Status != Running {
		g.progress.Store(&Progress{State: at.State})
		return nil
	}
	if w == nil || w.of != at.State.Revision {
		if w, err = g.open(at.State); err != nil {
			g.fault(ctx, "the sites cannot be counted", err)
			return nil
		}
	}
	m, p := g.decide(at, w)
	g.progress.Store(&p)
	if m == nil {
		return w
	}
	after, err := g.deps.Keep.Save(ctx, *m)
	switch {
	case errors.Is(err, ErrChanged):
		g.poke() // somebody acted: look again
		return w
	case err != nil:
		g.fault(ctx, "the next step cannot be stored", err)
		return w
	}
	g.tell(*m)
	g.progress.Store(&Progress{State: after.State})
	g.poke()
	return nil
}

func (g *Guard) open(s State) (*window, error) {
	w := &window{of: s.Revision, began: time.Now(), served: true}
	if g.deps.Picked != nil {
		n, err := g.deps.Picked()
		if err != nil {
			return nil, err
		}
		w.served = n > 0
	}
	w.base = g.deps.Health()
	return w, nil
}

// decide says what is to be done, nil for nothing yet.
func (g *Guard) decide(at Standing, w *window) (*Move, Progress) {
	s := at.State
	f := g.deps.Health().since(w.base).figures()
	p := Progress{State: s, Held: time.Since(w.began), Window: f}
	switch {
	case at.Phase != migrate.Ramp:
		return g.end(at, fmt.Sprintf("the phase is %s", at.Phase)), p
	case at.Percent != s.Percent:
		return g.end(at, fmt.Sprintf("the percentage was set to %s by somebody else", rollout.FormatPercent(at.Percent))), p
	}
	v := s.Plan.judge(f, w.served)
	p.Waiting = v.waiting
	switch {
	case v.breach != "":
		return g.revert(at, f, v.breach), p
	case v.waiting != "" || p.Held < s.Plan.Soak:
		return nil, p
	}
	return g.advance(at, f), p
}

func (g *Guard) end(at Standing, reason string) *Move {
	m := ending(at, Stopped, g.deps.Now(), guardian, reason, "")
	return &m
}

func (g *Guard) revert(at Standing, f Figures, breach string) *Move {
	to := at.State
	to.Status, to.Percent, to.Since, to.Reason, to.Figures = Reverted, to.Good, g.deps.Now().UTC(), breach, &f
	what := fmt.Sprintf("guarded ramp reverted from %s to %s: %s", stepName(at.State), rollout.FormatPercent(to.Good), breach)
	return &Move{From: at, To: to, SetPercent: true, Who: guardian, What: what, Why: f.String()}
}

func (g *Guard) advance(at Standing, f Figures) *Move {
	to := at.State
	to.Since, to.Figures, to.Good = g.deps.Now().UTC(), &f, to.Percent
	if to.Step == len(to.Plan.Steps)-1 {
		to.Status, to.Reason = Done, "every step was good"
		return &Move{From: at, To: to, Who: guardian, What: "guarded ramp done: " + stepName(at.State) + " was good", Why: f.String()}
	}
	to.Step++
	to.Percent = to.Plan.Steps[to.Step]
	what := fmt.Sprintf("%s was good, %s begins", stepName(at.State), stepName(to))
	return &Move{From: at, To: to, SetPercent: true, Who: guardian, What: what, Why: f.String()}
}

func (g *Guard) tell(m Move) {
	level := slog.LevelInfo
	if m.To.Status == Reverted {
		level = slog.LevelWarn
	}
	g.deps.Log.Log(context.Background(), level, "guarded ramp", slog.String("what", m.What), slog.String("why", m.Why))
}

func (g *Guard) fault(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	p := *g.progress.Load()
	p.Fault = what + ": " + err.Error()
	g.progress.Store(&p)
	g.deps.Log.Error("the guarded ramp cannot act", slog.String("what", what), slog.Any("error", err))
}

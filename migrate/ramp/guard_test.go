package ramp

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/migrate"
	"berth/router/rollout"
)

func TestGoodStepsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.start(testPlan())
		r.want(Running, 1)
		r.pass(9 * time.Minute)
		r.want(Running, 1) // not before its time
		r.pass(2 * time.Minute)
		r.want(Running, 5)
		r.pass(10 * time.Minute)
		r.want(Running, 25)
		r.pass(11 * time.Minute)
		r.want(Done, 25)
		if n := len(r.keep.lines); n != 4 {
			t.Errorf("log: %q", r.keep.lines)
		}
	})
}

// Each bound, broken in the second step: back to the first at once, with figures, and nothing goes on afterwards.
func TestBreachGoesBackToTheLastGoodStep(t *testing.T) {
	for _, c := range []struct {
		name   string
		breaks func(*traffic)
		want   string
	}{
		{"missing", func(tr *traffic) { tr.change(func(h *Health) { h.Missing++ }) }, "differ"},
		{"extra", func(tr *traffic) { tr.change(func(h *Health) { h.Extra++ }) }, "differ"},
		{"different", func(tr *traffic) { tr.change(func(h *Health) { h.Different++ }) }, "differ"},
		{"answered by the tables", func(tr *traffic) { tr.change(func(h *Health) { h.Fallbacks++ }) }, "no route"},
		{"errors over the same questions", func(tr *traffic) {
			for range 3 {
				tr.hashed.Count(0, false, true)
			}
		}, "of the same questions"},
		{"errors to clients", func(tr *traffic) {
			for range 3 {
				tr.served.Count(0, false, true)
			}
		}, "of its requests, the tables"},
		{"p99", func(tr *traffic) { tr.compared(300, 20*time.Millisecond, time.Millisecond) }, "p99 of hashed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.stop()
				r.start(testPlan())
				r.pass(11 * time.Minute)
				r.want(Running, 5)
				r.pass(3 * time.Minute)
				c.breaks(r.tr)
				r.quiet(10 * time.Second)
				r.want(Reverted, 1)
				last := r.keep.lines[len(r.keep.lines)-1]
				if !strings.Contains(last, c.want) || !strings.Contains(last, "reverted from step 2 of 3 (5%) to 1%") {
					t.Errorf("log: %q, want %q", last, c.want)
				}
				at, _ := r.keep.Load()
				if at.State.Figures == nil || at.State.Figures.Compared < 150 {
					t.Errorf("figures: %+v", at.State.Figures)
				}
				r.pass(20 * time.Minute)
				r.want(Reverted, 1)
			})
		})
	}
}

// Errors that the tables have too, and slowness that nobody notices, are no reason to go back.
func TestWhatIsNoBreach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		p := testPlan()
		p.P99Floor = 30 * time.Millisecond
		r.start(p)
		r.tr.compared(300, 20*time.Millisecond, time.Millisecond)
		for range 10 {
			r.tr.hashed.Count(0, false, true)
			r.tr.legacy.Count(0, false, true)
		}
		r.pass(11 * time.Minute)
		r.want(Running, 5)
	})
}

// A few bad answers among few are no share yet; over the least number of samples they would be, and then it is not waited for.
func TestFewSamplesAreNoShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		p := testPlan()
		p.MaxDiff = 0.02
		r.start(p)
		r.tr.compared(3, time.Millisecond, time.Millisecond)
		r.tr.change(func(h *Health) { h.Different = 2 })
		r.quiet(30 * time.Minute)
		r.want(Running, 1)
		r.tr.change(func(h *Health) { h.Different = 3 })
		r.quiet(10 * time.Second)
		r.want(Reverted, 0)
	})
}

func TestSilenceIsNotHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.start(testPlan())
		r.quiet(2 * time.Hour)
		r.want(Running, 1)
		if w := r.guard.Progress().Waiting; !strings.Contains(w, "0 of 100 questions") {
			t.Errorf("waiting for %q", w)
		}
		r.tr.compared(100, time.Millisecond, time.Millisecond) // both sides compared, but hashed answered nobody
		r.quiet(2 * time.Hour)
		r.want(Running, 1)
		if w := r.guard.Progress().Waiting; !strings.Contains(w, "0 of 100 answers of hashed") {
			t.Errorf("waiting for %q", w)
		}
		r.tr.good(100)
		r.quiet(10 * time.Second)
		r.want(Running, 5)
	})
}

// Where the percentage picks no site, nobody can be answered: comparing must do.
func TestStepThatPicksNoSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var picked atomic.Int64
		r := newRig(t, func(d *Deps) { d.Picked = func() (int, error) { return int(picked.Load()), nil } })
		defer r.stop()
		r.start(testPlan())
		r.tr.compared(100, time.Millisecond, time.Millisecond)
		picked.Store(1)
		r.quiet(11 * time.Minute)
		r.want(Running, 5)
		r.tr.compared(100, time.Millisecond, time.Millisecond)
		r.quiet(30 * time.Minute)
		r.want(Running, 5)
	})
}

func TestStartIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		plan Plan
		act  func(*Standing)
		want string
	}{
		{"no plan", Plan{}, nil, "steps: 0"},
		{"steps that go down", Plan{Steps: []float64{5, 1}, Soak: 1}, nil, "1 does not follow 5"},
		{"more than all", Plan{Steps: []float64{101}, Soak: 1}, nil, "at most 100"},
		{"no soak", Plan{Steps: []float64{1}}, nil, "soak"},
		{"negative bounds", Plan{Steps: []float64{1}, Soak: 1, MaxDiff: -1, MaxErrorIncrease: -1, MaxP99Increase: -1, P99Floor: -1}, nil, "max-p99-increase"},
		{"another phase", testPlan(), func(at *Standing) { at.Phase = migrate.Verify }, "this is verify"},
		{"the default is hashed", testPlan(), func(at *Standing) { at.Default = rollout.Hashed }, "default is hashed"},
		{"all steps are over", testPlan(), func(at *Standing) { at.Percent = 30 }, "30 already"},
		{"one runs", testPlan(), func(at *Standing) { at.State.Status, at.State.Who, at.State.Plan = Running, "ann", testPlan() }, "ann started it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newMemory()
			if c.act != nil {
				k.operate(c.act)
			}
			before, _ := k.Load()
			g, err := NewGuard(Deps{Keep: k, Health: (&traffic{}).health})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := g.Start(t.Context(), c.plan, "bob", ""); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if after, _ := k.Load(); after.Percent != before.Percent || after.State.Revision != before.State.Revision {
				t.Errorf("changed: %+v", after)
			}
		})
	}
}

// Two starts at once: one of them is told.
func TestTwoStartsAtOnce(t *testing.T) {
	k := newMemory()
	racing := &racingKeeper{memory: k}
	g, err := NewGuard(Deps{Keep: racing, Health: (&traffic{}).health})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Start(context.Background(), testPlan(), "bob", ""); !errors.Is(err, ErrChanged) {
		t.Errorf("%v, want ErrChanged", err)
	}
}

// racingKeeper has somebody else act between Load and Save.
type racingKeeper struct{ *memory }

func (k *racingKeeper) Load() (Standing, error) {
	at, err := k.memory.Load()
	k.operate(func(at *Standing) { at.State.Revision++ })
	return at, err
}

// A ramp that was stopped and started between two looks is another one: it is not judged by what was before.
func TestAnotherRampHasItsOwnWindow(t *testing.T) {
	k, tr := newMemory(), &traffic{}
	g, err := NewGuard(Deps{Keep: k, Health: tr.health})
	if err != nil {
		t.Fatal(err)
	}
	plan := testPlan()
	plan.MaxDiff = 0.5
	begin := func() {
		t.Helper()
		if _, err := g.Start(t.Context(), plan, "ann", ""); err != nil {
			t.Fatal(err)
		}
	}
	begin()
	w := g.look(t.Context(), nil)
	tr.change(func(h *Health) { h.Missing = 10 })
	if _, err := g.Stop(t.Context(), "ann", ""); err != nil {
		t.Fatal(err)
	}
	begin()
	if next := g.look(t.Context(), w); next == nil || next == w || g.Progress().Window.Missing != 0 {
		t.Errorf("judged by %+v", g.Progress().Window)
	}
}

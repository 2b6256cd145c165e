package ramp

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/migrate"
)

func TestSomebodyElseActs(t *testing.T) {
	for _, c := range []struct {
		name    string
		act     func(*Standing)
		percent float64
		reason  string
	}{
		{"raises the percentage", func(at *Standing) { at.Percent = 50 }, 50, "set to 50%"},
		{"takes it back", func(at *Standing) { at.Percent = 0 }, 0, "set to 0%"},
		{"leaves the phase", func(at *Standing) { at.Phase = migrate.Verify }, 1, "the phase is verify"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.stop()
				r.start(testPlan())
				r.keep.operate(c.act)
				r.tr.change(func(h *Health) { h.Missing++ }) // even if it goes wrong: the operator's word stands
				r.quiet(10 * time.Second)
				r.want(Stopped, c.percent)
				if at, _ := r.keep.Load(); !strings.Contains(at.State.Reason, c.reason) {
					t.Errorf("reason: %q", at.State.Reason)
				}
			})
		})
	}
}

func TestOperatorStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.start(testPlan())
		r.pass(11 * time.Minute)
		if _, err := r.guard.Stop(t.Context(), "bob", "lunch"); err != nil {
			t.Fatal(err)
		}
		r.want(Stopped, 5)
		r.pass(20 * time.Minute)
		r.want(Stopped, 5)
		if _, err := r.guard.Stop(t.Context(), "bob", "again"); err == nil {
			t.Error("stopped twice")
		}
		// Started again, it goes on from where it is, and holds that step.
		r.start(testPlan())
		r.want(Running, 5)
		r.tr.change(func(h *Health) { h.Missing++ })
		r.quiet(10 * time.Second)
		r.want(Reverted, 1)
	})
}

// A server that starts again holds the step for its whole time: what it had counted before is gone.
func TestRestartHoldsTheStepAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(testPlan())
		r.pass(11 * time.Minute)
		r.pass(8 * time.Minute)
		r.want(Running, 5)
		r.stop()
		r.want(Running, 5)
		r.quiet(30 * time.Minute) // down
		r.tr = &traffic{}
		guard, err := NewGuard(Deps{Keep: r.keep, Health: r.tr.health})
		if err != nil {
			t.Fatal(err)
		}
		r.guard = guard
		r.run()
		r.pass(9 * time.Minute)
		r.want(Running, 5)
		r.pass(2 * time.Minute)
		r.want(Running, 25)
		r.stop()
		// And what it goes back to has survived too.
		r.guard, _ = NewGuard(Deps{Keep: r.keep, Health: r.tr.health})
		r.run()
		r.quiet(10 * time.Second)
		r.tr.change(func(h *Health) { h.Different++ })
		r.quiet(10 * time.Second)
		r.want(Reverted, 5)
		r.stop()
	})
}

// The wall clock may jump: it dates records, and holds nothing.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jump atomic.Int64
		r := newRig(t, func(d *Deps) { d.Now = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) } })
		defer r.stop()
		r.start(testPlan())
		jump.Store(int64(48 * time.Hour))
		r.pass(5 * time.Minute)
		r.want(Running, 1)
		jump.Store(-int64(48 * time.Hour))
		r.pass(6 * time.Minute)
		r.want(Running, 5)
	})
}

// A breach that cannot be stored is tried again until it can, and nothing is raised meanwhile.
func TestRevertIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.start(testPlan())
		r.keep.mu.Lock()
		r.keep.fails = 5
		r.keep.mu.Unlock()
		r.tr.change(func(h *Health) { h.Extra++ })
		r.quiet(12 * time.Second)
		r.want(Running, 1)
		if f := r.guard.Progress().Fault; !strings.Contains(f, "disk full") {
			t.Errorf("fault: %q", f)
		}
		r.quiet(30 * time.Second)
		r.want(Reverted, 0)
	})
}

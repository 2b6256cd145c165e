package ramp

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"berth/migrate"
	"berth/router/rollout"
	"berth/store"
)

// await looks at the guard's progress until it is as wanted; the guard alone decides how long that takes.
func await(g *Guard, wanted func(Progress) bool) Progress {
	for {
		if p := g.Progress(); wanted(p) {
			return p
		}
		g.poke()
		runtime.Gosched()
	}
}

// With the real store: percentage, state and log move together, and other fields of the configuration stay.
func TestGuardOnTheStore(t *testing.T) {
	s, _ := migrating(t, migrate.Ramp)
	set(t, s, rollout.Config{OptOut: []string{"shop"}})
	tr := &traffic{}
	g, err := NewGuard(Deps{Keep: NewDocuments(s, atDay), Health: tr.health, Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	plan := testPlan()
	plan.Soak = time.Nanosecond
	if _, err := g.Start(t.Context(), plan, "ann", "go"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { g.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	held := func(step int) func(Progress) bool {
		return func(p Progress) bool { return p.Status == Running && p.Step == step && p.Held > 0 } // the window is open
	}
	await(g, held(0))
	tr.good(100)
	await(g, held(1))
	tr.change(func(h *Health) { h.Missing++ })
	end := await(g, func(p Progress) bool { return p.Status == Reverted })
	got := load(t, s).Config
	if got.Percent != 1 || end.Percent != 1 || len(got.OptOut) != 1 {
		t.Errorf("%+v after %+v", got, end)
	}
	lines := strings.Join(logLines(t, s), "\n")
	for _, want := range []string{
		"ann: rollout: guarded ramp begins, step 1 of 3 (1%), percent 0% to 1%",
		"guard: rollout: step 1 of 3 (1%) was good, step 2 of 3 (5%) begins, percent 1% to 5%",
		"guard: rollout: guarded ramp reverted from step 2 of 3 (5%) to 1%",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("%q is not in the log:\n%s", want, lines)
		}
	}
}

// What a guard does on the grounds of what is no longer so is refused, whole.
func TestSaveIsCompareAndSet(t *testing.T) {
	for name, act := range map[string]func(*testing.T, *store.Store, *migrate.Machine){
		"another percentage": func(t *testing.T, s *store.Store, _ *migrate.Machine) { set(t, s, rollout.Config{Percent: 50}) },
		"another phase":      func(t *testing.T, _ *store.Store, m *migrate.Machine) { move(t, m, migrate.Verify) },
		"another guard": func(t *testing.T, s *store.Store, _ *migrate.Machine) {
			update(t, s, func(tx *store.Tx) error {
				return putState(tx, State{Version: 1, Revision: tx.Revision(), Status: Stopped})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, m := migrating(t, migrate.Ramp)
			k := NewDocuments(s, atDay)
			at, err := k.Load()
			if err != nil {
				t.Fatal(err)
			}
			act(t, s, m)
			before, _ := k.Load()
			lines := len(logLines(t, s))
			_, err = k.Save(t.Context(), Move{From: at, To: State{Status: Running, Plan: testPlan(), Percent: 1}, SetPercent: true, Who: "guard"})
			if !errors.Is(err, ErrChanged) {
				t.Errorf("%v, want ErrChanged", err)
			}
			after, _ := k.Load()
			if after.Percent != before.Percent || after.State.Revision != before.State.Revision || len(logLines(t, s)) != lines {
				t.Errorf("written all the same: %+v", after)
			}
		})
	}
}

// The state is read back as it was written, by a server that starts again.
func TestStateSurvives(t *testing.T) {
	s, _ := migrating(t, migrate.Ramp)
	g, err := NewGuard(Deps{Keep: NewDocuments(s, atDay), Health: (&traffic{}).health})
	if err != nil {
		t.Fatal(err)
	}
	want, err := g.Start(t.Context(), testPlan(), "ann", "go")
	if err != nil {
		t.Fatal(err)
	}
	got, err := LoadState(&s.Reader)
	if err != nil || got.Status != Running || got.Revision != want.Revision || got.Percent != 1 || len(got.Plan.Steps) != 3 || got.Who != "ann" {
		t.Errorf("%+v, %v", got, err)
	}
	if d := load(t, s); d.Config.Percent != 1 {
		t.Errorf("in force: %v%%", d.Config.Percent)
	}
}

func TestDamagedStateIsRefused(t *testing.T) {
	for _, raw := range []string{"{", `{"v":9}`, `{"v":1,"status":"running"}`, `{"v":1,"status":"running","step":7,"plan":{"steps":[1],"soak_ns":1}}`} {
		s, _ := migrating(t, migrate.Ramp)
		update(t, s, func(tx *store.Tx) error { return tx.PutDocument(stateDocument, []byte(raw)) })
		if _, err := LoadState(&s.Reader); err == nil {
			t.Errorf("%s was read", raw)
		}
	}
}

func TestSampling(t *testing.T) {
	s, _ := migrating(t, migrate.Verify)
	if _, set, err := LoadSampling(&s.Reader); set || err != nil {
		t.Errorf("set: %v, %v", set, err)
	}
	if err := SetSampling(t.Context(), s, atDay, 0.5, "ann", "why"); err != nil {
		t.Fatal(err)
	}
	if p, set, err := LoadSampling(&s.Reader); p != 0.5 || !set || err != nil {
		t.Errorf("%v, %v, %v", p, set, err)
	}
	if err := SetSampling(t.Context(), s, atDay, -1, "ann", ""); err == nil {
		t.Error("-1 % was taken")
	}
	lines := logLines(t, s)
	if lines[len(lines)-1] != "ann: shadow reads of 0.5%" {
		t.Errorf("log: %q", lines)
	}
	for _, raw := range []string{"{", `{"v":2,"percent":1}`, `{"v":1}`, `{"v":1,"percent":200}`} {
		update(t, s, func(tx *store.Tx) error { return tx.PutDocument(samplingDocument, []byte(raw)) })
		if _, _, err := LoadSampling(&s.Reader); err == nil {
			t.Errorf("%s was read", raw)
		}
	}
}

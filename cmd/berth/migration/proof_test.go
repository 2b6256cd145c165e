package migration

import (
	"strings"
	"testing"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/load"
	"berth/router/hostkey"
	"berth/store"
	"berth/store/control"
)

// A comparison lets a migration into phase ramp only if it is of what there is: one that was begun before the backfill was through, or before
// something else was imported, is not, however clean it was.
func TestOnlyAFreshProofCounts(t *testing.T) {
	for name, x := range map[string]struct {
		before func(*world) // a clean comparison
		change func(*world) // what came behind it; the phase is verify again then
		want   string
	}{
		"before the backfill": {
			func(w *world) { w.proved() }, func(w *world) { w.mustMove(migrate.Backfill); w.copied() }, "before the backfill was through",
		},
		"while it is held": {
			func(w *world) {
				w.must(w.svc.backfill.Pause(w.t.Context(), "ada", "test"))
				w.mustMove(migrate.Backfill)
				w.proved()
			}, func(*world) {}, "the backfill is not through",
		},
		"before another import": {
			func(w *world) { w.mustMove(migrate.Backfill); w.copied(); w.mustMove(migrate.Verify); w.proved() },
			func(w *world) {
				w.mustMove(migrate.DualWrite)
				w.tables(`{"project":"shop","table":{"filters":[{"pattern":"^(?:old.shop.pages.localhost\\/.*)$","script_hash":"pipe"}],"v":1}}`)
				w.complete()
				w.mustMove(migrate.Backfill)
				w.copied()
			}, "tables were imported since",
		},
		"before a name changed": {
			func(w *world) { w.mustMove(migrate.Backfill); w.copied(); w.mustMove(migrate.Verify); w.proved() },
			func(w *world) { w.named("pipe", 1) }, "names of deployments were imported since",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.project("docs")
			w.project("shop")
			t.Cleanup(w.run())
			w.tables(`{"project":"docs","table":{"filters":[],"v":1}}`)
			w.complete()
			w.named("pipe", 2)
			w.mustMove(migrate.DualWrite)
			w.written()
			x.before(w)
			x.change(w)
			if w.svc.machine.State().Phase != migrate.Verify {
				_, err := w.move(migrate.Verify, true)
				w.must(err)
			}
			if _, err := w.move(migrate.Ramp, false); err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("let into the ramp: %v", err)
			}
			w.must(w.svc.backfill.Resume(t.Context(), "ada", "test"))
			w.copied()
			if w.proved(); name == "before another import" {
				if _, err := w.s.Route(hasher.Key("old.shop." + domain)); err != nil {
					t.Errorf("what was imported after the backfill was not copied: %v", err)
				}
			}
			w.mustMove(migrate.Ramp)
		})
	}
}

// TestChecksHoldInTheBatch has the plan's checks pass, and then fail in the batch that moves, because somebody began the backfill anew in between.
func TestChecksHoldInTheBatch(t *testing.T) {
	w, stop := withOddSite(t)
	defer stop()
	w.mustMove(migrate.Verify)
	m := Move{From: migrate.Verify, To: migrate.Ramp}
	forced, err := w.svc.checkMove(&m)
	w.must(err)
	again := func(tx *store.Tx) error { return w.svc.checkAgain(tx, &m, forced) }
	_, err = w.s.Update(t.Context(), again)
	w.must(err)
	_, err = w.s.Update(t.Context(), backfill.Anew)
	w.must(err)
	if _, err = w.s.Update(t.Context(), again); err == nil || !strings.Contains(err.Error(), "changed at this moment") {
		t.Errorf("let into the ramp: %v", err)
	}
	m.Force = true
	forced, err = w.svc.checkMove(&m)
	w.must(err)
	_, err = w.s.Update(t.Context(), again) // what was forced when it was known stays so
	w.must(err)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// proved compares, and wants both sides to agree.
func (w *world) proved() {
	w.t.Helper()
	w.must(w.svc.verify.Start(w.t.Context(), "ada", "test"))
	w.until("verify", func() bool { v, err := w.svc.verification(); return err == nil && v.Clean })
}

func (w *world) copied() {
	w.t.Helper()
	w.until("backfill", func() bool { done, _, err := backfill.Finished(&w.s.Reader); return done && err == nil })
}

// named has a script_hash name the deployment of the i-th project.
func (w *world) named(hash string, i store.DeploymentNo) {
	w.t.Helper()
	d, err := w.s.Deployment(i)
	w.must(err)
	_, err = w.svc.ImportDeployments(w.t.Context(), "names", strings.NewReader(hash+","+d.UUID.String()), load.Options{Who: "ada"})
	w.must(err)
}

// written publishes every host again, to both sides.
func (w *world) written() {
	w.t.Helper()
	for _, h := range w.hosts {
		_, err := w.s.Update(w.t.Context(), func(tx *store.Tx) error {
			return w.svc.Routes().Apply(w.t.Context(), tx, control.Change{Project: h.Route.Project, Routes: []control.RouteChange{{Host: hostkey.Host(h.Host), Route: &h.Route}}})
		})
		w.must(err)
	}
}

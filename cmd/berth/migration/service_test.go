package migration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/load"
	"berth/migrate/ramp"
	"berth/router"
	"berth/router/hostkey"
	"berth/router/rollout"
	"berth/store"
	"berth/store/control"
)

// A server that never migrated has hashed routes behind the edge's resolver, and nothing else was made.
func TestServerWithoutTablesAsksHashedAlone(t *testing.T) {
	w := newWorld(t)
	_, d := w.project("docs")
	if w.svc.engine.Load() != nil || w.behind() != "*hashed.Resolver" {
		t.Errorf("behind the edge: %s", w.behind())
	}
	w.wantAnswer("docs."+domain, d.No)
	st, err := w.svc.Status()
	if err != nil || st.Phase != migrate.Retired || st.Traffic != nil || st.Backfill != nil {
		t.Errorf("%+v, %v", st, err)
	}
}

// What answers follows the phase before the call that moves it returns, and every host answers all the time.
func TestPhaseDecidesWhoAnswers(t *testing.T) {
	w := newWorld(t)
	_, docs := w.project("docs")
	_, shop := w.project("shop")
	stop := w.run()
	defer func() { stop() }()
	answers := func(when, behind string) {
		t.Helper()
		if got := w.behind(); got != behind {
			t.Errorf("%s: behind the edge is %s, want %s", when, got, behind)
		}
		w.wantAnswer("docs."+domain, docs.No)
		w.wantAnswer("shop."+domain, shop.No)
	}
	w.tables(`{"project":"docs","table":{"filters":[],"v":1}}`)
	answers("import under way", "migration.unfilled")
	if _, err := w.move(migrate.DualWrite, true); err == nil || !strings.Contains(err.Error(), "berth migrate import --tables") {
		t.Errorf("dual-write before the import was complete: %v", err)
	}
	w.complete()
	answers("legacy", "*shadow.Shadow")
	w.mustMove(migrate.DualWrite)
	answers("dual-write", "*shadow.Shadow")
	w.mustMove(migrate.Backfill)
	w.until("backfill", func() bool { done, _, err := backfill.Finished(&w.s.Reader); return done && err == nil })
	w.mustMove(migrate.Verify)
	if _, err := w.move(migrate.Ramp, false); err == nil || !strings.Contains(err.Error(), "berth migrate verify") {
		t.Errorf("ramp without a proof: %v", err)
	}
	if err := w.svc.verify.Start(t.Context(), "ada", "test"); err != nil {
		t.Fatal(err)
	}
	w.until("verify", func() bool { v, err := w.svc.verification(); return err == nil && v.Clean })
	w.mustMove(migrate.Ramp)
	answers("ramp", "*shadow.Shadow")
	w.wantSide("docs."+domain, "legacy", "default")
	if _, err := w.svc.setRollout(t.Context(), "ada", "test", nil, func(c *rollout.Config) error { c.Percent = 100; return nil }); err != nil {
		t.Fatal(err)
	}
	w.wantSide("docs."+domain, "hashed", "percent")
	w.mustMove(migrate.Cutover)
	answers("cutover", "*shadow.Shadow")

	// A restart finds it where it was.
	stop()
	w.close()
	w.open()
	stop = w.run()
	answers("restarted in cutover", "*shadow.Shadow")

	if err := w.svc.finish(t.Context(), Finish{Why: "over"}, defaultGrace, "ada"); err == nil || !strings.Contains(err.Error(), "24h") {
		t.Errorf("finished without the grace: %v", err)
	}
	cutover := w.now
	w.now = cutover.AddDate(0, -1, 0) // the clock was a month ahead until now
	for _, grace := range []time.Duration{time.Minute, defaultGrace} {
		if err := w.svc.finish(t.Context(), Finish{Why: "over", Force: true}, grace, "ada"); err == nil || !strings.Contains(err.Error(), "--grace 0s") {
			t.Errorf("a grace of %v by a clock that was set back: %v", grace, err)
		}
	}
	w.now = cutover
	if err := w.svc.finish(t.Context(), Finish{Why: "over", Force: true}, defaultGrace, "ada"); err == nil || !strings.Contains(err.Error(), "24h") {
		t.Errorf("the grace was forced: %v", err)
	}
	w.now = w.now.Add(time.Hour)
	if err := w.svc.finish(t.Context(), Finish{Why: "over", Force: true}, time.Minute, "ada"); err != nil {
		t.Fatal(err)
	}
	if log := w.log(); !strings.Contains(log, "(over (after 1h0m0s in cutover, with a grace of 1m0s instead of 24h0m0s))") {
		t.Errorf("the log:\n%s", log)
	}
	answers("retired", "*hashed.Resolver")
	w.until("tables deleted", func() bool { f, err := w.svc.finished(&w.s.Reader); return err == nil && !f.Ended.IsZero() })
	if left, err := countTables(&w.s.Reader); err != nil || left != (Tables{}) {
		t.Errorf("left of the tables: %+v, %v", left, err)
	}
	answers("finished", "*hashed.Resolver")
}

// While an import is under way records answer for hosts that have no entry. A host that is deleted then is gone all the same, and so is one
// that was deleted after a revert, when a table is replaced.
func TestDeletedBeforeTheImportIsComplete(t *testing.T) {
	w := newWorld(t)
	docs, live := w.project("docs")
	shop, _ := w.project("shop")
	stop := w.run()
	defer stop()
	remove := func(p store.ProjectNo, host string) {
		t.Helper()
		_, err := w.s.Update(t.Context(), func(tx *store.Tx) error {
			return w.svc.Routes().Apply(t.Context(), tx, control.Change{Project: p, Routes: []control.RouteChange{{Host: hostkey.Host(host)}}})
		})
		if err != nil {
			t.Fatal(err)
		}
		if d, err := w.ask(host); !errors.Is(err, router.ErrNoRoute) {
			t.Errorf("%s is deleted, and answered by deployment %d, %v", host, d, err)
		}
	}
	w.tables(`{"project":"shop","table":{"filters":[],"v":1}}`)
	w.wantAnswer("docs."+domain, live.No)
	remove(shop.No, "shop."+domain)
	w.hosts = w.hosts[:1]
	w.complete()
	w.mustMove(migrate.DualWrite)
	w.mustMove(migrate.Backfill)
	w.until("backfill", func() bool { done, _, err := backfill.Finished(&w.s.Reader); return done && err == nil })
	w.mustMove(migrate.Legacy)
	remove(docs.No, "docs."+domain)
	w.hosts = nil
	if _, err := w.svc.ImportTables(t.Context(), load.NDJSON("test", strings.NewReader(`{"project":"shop","table":{"filters":[{"pattern":"^x$","script_hash":"y"}],"v":1}}`), 1<<20),
		load.Options{Who: "ada", Replace: true}); err != nil {
		t.Fatal(err)
	}
	if w.behind() != "migration.unfilled" {
		t.Fatalf("behind the edge is %s: the table was not replaced", w.behind())
	}
	if d, err := w.ask("docs." + domain); !errors.Is(err, router.ErrNoRoute) {
		t.Errorf("its record of before the revert answers: deployment %d, %v", d, err)
	}
}

// A ramp that was taken back begins anew where it is entered again; a data centre that is kept on the tables does not go to the records all at
// once; and there is no end without a proof that holds.
func TestRampAgainAndEnd(t *testing.T) {
	w := newWorld(t)
	w.project("docs")
	stop := w.run()
	defer stop()
	w.tables(`{"project":"docs","table":{"filters":[],"v":1}}`)
	w.complete()
	for _, to := range []migrate.Phase{migrate.DualWrite, migrate.Backfill} {
		w.mustMove(to)
	}
	w.until("backfill", func() bool { done, _, err := backfill.Finished(&w.s.Reader); return done && err == nil })
	w.mustMove(migrate.Verify)
	set := func(change func(*rollout.Config)) {
		t.Helper()
		if _, err := w.svc.setRollout(t.Context(), "ada", "test", nil, func(c *rollout.Config) error { change(c); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.move(migrate.Ramp, true); err != nil { // without a proof
		t.Fatal(err)
	}
	set(func(c *rollout.Config) {
		c.Percent, c.Datacentres = 100, map[string]rollout.Side{"fra": rollout.Hashed, "ams": rollout.Legacy}
	})
	w.wantSide("docs."+domain, "hashed", "datacentre")
	rate := 123.0
	if _, err := w.svc.move(t.Context(), Move{From: migrate.Ramp, To: migrate.Backfill, Why: "test", Pace: Pace{Rate: &rate}}, "ada"); err != nil {
		t.Fatal(err)
	}
	w.until("the new rate", func() bool { st, err := w.svc.backfill.Status(); return err == nil && st.Limit == rate })
	w.mustMove(migrate.Verify)
	if _, err := w.move(migrate.Ramp, true); err != nil {
		t.Fatal(err)
	}
	w.wantSide("docs."+domain, "legacy", "default")
	set(func(c *rollout.Config) { c.Percent = 100 })
	if _, err := w.move(migrate.Cutover, false); err == nil || !strings.Contains(err.Error(), "data centres on the tables: ams.") {
		t.Errorf("cutover although a data centre is kept on the tables: %v", err)
	}
	set(func(c *rollout.Config) { delete(c.Datacentres, "ams") })
	w.mustMove(migrate.Cutover)
	w.now = w.now.Add(defaultGrace)
	if err := w.svc.finish(t.Context(), Finish{Why: "over"}, defaultGrace, "ada"); err == nil || !strings.Contains(err.Error(), "run `berth migrate verify`") {
		t.Errorf("finished without a proof: %v", err)
	}
	if err := w.svc.verify.Start(t.Context(), "ada", "test"); err != nil {
		t.Fatal(err)
	}
	w.until("verify", func() bool { v, err := w.svc.verification(); return err == nil && v.Clean })
	if err := w.svc.finish(t.Context(), Finish{Why: "over"}, defaultGrace, "ada"); err != nil {
		t.Error(err)
	}
}

func (w *world) wantSide(host, table, why string) {
	w.t.Helper()
	got, err := w.svc.Who(w.t.Context(), &router.Query{Host: hostkey.Host(host), Path: "/"})
	if err != nil || got.Table != table || got.Why != why {
		w.t.Errorf("%s: %+v, %v; want %s by %s", host, got, err, table, why)
	}
}

// Records of an epoch that was left are deleted in the end, and those written since are not.
func TestFinishDeletesRecordsOfEarlierEpochs(t *testing.T) {
	w := newWorld(t)
	_, docs := w.project("docs")
	w.tables(`{"project":"docs","table":{"filters":[],"v":1}}`)
	w.complete()
	stale := hasher.Key("gone." + domain)
	if _, err := w.s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.SetRoute(stale, store.Route{Kind: store.RouteSite, Class: store.ClassProduction, Project: 1, Deployment: 1}),
			tx.SetWildcard(stale, store.Route{Kind: store.RouteSite, Class: store.ClassCustom, Project: 1, Deployment: 1}))
	}); err != nil {
		t.Fatal(err)
	}
	w.mustMove(migrate.DualWrite)
	if _, err := w.s.Update(t.Context(), func(tx *store.Tx) error {
		return tx.SetRoute(hasher.Key("docs."+domain), store.Route{Kind: store.RouteSite, Class: store.ClassProduction, Project: 1, Deployment: docs.No})
	}); err != nil {
		t.Fatal(err)
	}
	var f Finished
	if err := w.svc.clearOld(t.Context(), &f); err != nil {
		t.Fatal(err)
	}
	_, exact := w.s.Route(stale)
	_, wild := w.s.Wildcard(stale)
	_, kept := w.s.Route(hasher.Key("docs." + domain))
	if !errors.Is(exact, store.ErrNotFound) || !errors.Is(wild, store.ErrNotFound) || kept != nil || f.Old != 2 {
		t.Errorf("old: %v, %v; new: %v; %d deleted", exact, wild, kept, f.Old)
	}
	if n, _ := w.s.Wildcards(); n != 0 {
		t.Errorf("%d wildcards are counted", n)
	}
}

// A site with entries that cannot be converted stays on its table by name, through ramp and cutover, and holds up the end.
func TestSiteWithFailuresStaysOnItsTable(t *testing.T) {
	w := newWorld(t)
	w.project("docs")
	_, odd := w.project("odd")
	stop := w.run()
	defer stop()
	w.tables(`{"project":"odd","table":{"filters":[{"pattern":"^(?:[a-z]+\\d+.odd.pages.localhost\\/only(?<p1>.*))$","script_hash":"nobody"}],"v":1}}`)
	w.complete()
	w.mustMove(migrate.DualWrite)
	w.mustMove(migrate.Backfill)
	w.until("backfill", func() bool { done, n, err := backfill.Finished(&w.s.Reader); return done && n == 1 && err == nil })
	w.mustMove(migrate.Verify)
	m, err := w.move(migrate.Ramp, true)
	if err != nil || len(m.Kept) != 1 || m.Kept[0] != "odd" {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, err := w.svc.setRollout(t.Context(), "ada", "all", nil, func(c *rollout.Config) error { c.Percent = 100; return nil }); err != nil {
		t.Fatal(err)
	}
	w.mustMove(migrate.Cutover)
	got, err := w.svc.Who(t.Context(), &router.Query{Host: "odd." + domain, Path: "/"})
	if err != nil || got.Table != "legacy" || got.Why != "opt-out" || !strings.Contains(got.Line, "odd.pages.localhost") {
		t.Errorf("%+v, %v", got, err)
	}
	w.wantAnswer("odd."+domain, odd.No)
	if err := w.svc.finish(t.Context(), Finish{Why: "over"}, 0, "ada"); err == nil || !strings.Contains(err.Error(), "odd") {
		t.Errorf("finished with a site on its table: %v", err)
	}
	if log := w.log(); !strings.Contains(log, "opt-out odd") || !strings.Contains(log, "(test (forced although nothing was compared") {
		t.Errorf("the log:\n%s", log)
	}
}

// Once somebody has looked at the failures of a site and skipped them, or put it on the records all the same, nobody is asked again.
func TestDecidedFailuresHoldUpNothing(t *testing.T) {
	for name, decide := range map[string]func(t *testing.T, w *world){
		"skipped": func(t *testing.T, w *world) {
			if n, err := w.svc.backfill.Skip(t.Context(), "ada", "gone anyway"); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			w.optIn("odd")
		},
		"opted in": func(_ *testing.T, w *world) { w.optIn("odd") },
	} {
		t.Run(name, func(t *testing.T) {
			w, stop := withOddSite(t)
			defer stop()
			decide(t, w)
			if m := w.mustMove(migrate.Cutover); len(m.Kept) != 0 {
				t.Errorf("kept: %v", m.Kept)
			}
			w.wantSide("odd."+domain, "hashed", "phase")
			if err := w.svc.finish(t.Context(), Finish{Why: "over"}, 0, "ada"); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("opted out again", func(t *testing.T) {
		w, stop := withOddSite(t)
		defer stop()
		w.optIn("odd")
		if _, err := w.svc.changeRollout(t.Context(), "ada", &RolloutChange{OptOut: map[string]bool{"odd": true}, Why: "no"}); err != nil {
			t.Fatal(err)
		}
		if m := w.mustMove(migrate.Cutover); len(m.Kept) != 1 {
			t.Errorf("kept: %v", m.Kept)
		}
		err := w.svc.finish(t.Context(), Finish{Why: "over"}, 0, "ada")
		if err == nil || !strings.Contains(err.Error(), "rollout set --opt-in") {
			t.Errorf("%v", err)
		}
	})
	t.Run("opted in before it failed", func(t *testing.T) {
		w, stop := withOddSite(t)
		defer stop()
		w.now = time.Now().Add(-time.Hour)
		w.optIn("odd")
		if m := w.mustMove(migrate.Cutover); len(m.Kept) != 1 {
			t.Errorf("kept: %v", m.Kept)
		}
	})
	t.Run("nobody decided", func(t *testing.T) {
		w, stop := withOddSite(t)
		defer stop()
		if sites, err := failing(&w.s.Reader); len(sites) != 1 || err != nil {
			t.Errorf("%v, %v", sites, err)
		}
		plan := Plan{}
		if err := w.svc.checkFinish(&w.s.Reader, &plan); err != nil || !strings.Contains(fmt.Sprint(plan.Checks), "failures skip") {
			t.Errorf("%v, %v", plan.Checks, err)
		}
	})
}

func (w *world) optIn(site string) {
	w.t.Helper()
	if _, err := w.svc.changeRollout(w.t.Context(), "ada", &RolloutChange{OptOut: map[string]bool{site: false}, Why: "we know"}); err != nil {
		w.t.Fatal(err)
	}
}

// withOddSite is a world in phase ramp with all sites on the records but one, of which an entry cannot be converted, and verify has said so.
func withOddSite(t *testing.T) (w *world, stop func()) {
	w = newWorld(t)
	w.project("docs")
	w.project("odd")
	stop = w.run()
	w.tables(`{"project":"odd","table":{"filters":[{"pattern":"^(?:[a-z]+\\d+.odd.pages.localhost\\/only(?<p1>.*))$","script_hash":"nobody"}],"v":1}}`)
	w.complete()
	w.mustMove(migrate.DualWrite)
	w.mustMove(migrate.Backfill)
	w.until("backfill", func() bool { done, n, err := backfill.Finished(&w.s.Reader); return done && n == 1 && err == nil })
	w.mustMove(migrate.Verify)
	if err := w.svc.verify.Start(t.Context(), "ada", "test"); err != nil {
		t.Fatal(err)
	}
	w.until("verify", func() bool { v, err := w.svc.verification(); return err == nil && v.Done })
	w.now = time.Now().Add(time.Hour) // the jobs go by the machine's clock
	if m, err := w.move(migrate.Ramp, true); err != nil || len(m.Kept) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, err := w.svc.setRollout(t.Context(), "ada", "all", nil, func(c *rollout.Config) error { c.Percent = 100; return nil }); err != nil {
		t.Fatal(err)
	}
	return w, stop
}

// Of two operators the second is told what the first has done.
func TestSecondOperatorIsTold(t *testing.T) {
	w := newWorld(t)
	w.project("docs")
	w.tables(`{"project":"docs","table":{"filters":[],"v":1}}`)
	w.complete()
	seen := uint64(0)
	set := func(who string, percent float64) error {
		_, err := w.svc.setRollout(t.Context(), who, "because", &seen, func(c *rollout.Config) error { c.Percent = percent; return nil })
		return public(err)
	}
	if err := set("ada", 5); err != nil {
		t.Fatal(err)
	}
	if err := set("grace", 50); err == nil || !strings.Contains(err.Error(), "ada at ") || !strings.Contains(err.Error(), "percent 0% to 5% (because)") {
		t.Errorf("%v", err)
	}
	if d, err := ramp.LoadRollout(&w.s.Reader); err != nil || d.Config.Percent != 5 {
		t.Errorf("%+v, %v", d, err)
	}
}

package migration

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/router"
	"berth/router/rollout"
)

// ramping takes a new world with these projects to phase ramp.
func ramping(t *testing.T, projects ...string) (w *world, stop func()) {
	w = newWorld(t)
	for _, p := range projects {
		w.project(p)
	}
	stop = w.run()
	w.tables(`{"project":"` + projects[0] + `","table":{"filters":[],"v":1}}`)
	w.complete()
	w.mustMove(migrate.DualWrite)
	w.mustMove(migrate.Backfill)
	w.until("backfill", func() bool { done, _, err := backfill.Finished(&w.s.Reader); return done && err == nil })
	w.mustMove(migrate.Verify)
	if _, err := w.move(migrate.Ramp, true); err != nil {
		t.Fatal(err)
	}
	return w, stop
}

// Whatever an operator said of sites, data centres and percentages decides the same after a restart, in the first request, and takes
// effect again when one of them is taken back.
func TestRolloutSurvivesARestart(t *testing.T) {
	w, stop := ramping(t, "docs", "shop", "blog")
	defer func() { stop() }()
	want := func(when string, sides map[string][2]string) {
		t.Helper()
		for site, s := range sides {
			w.wantSide(site+"."+domain, s[0], s[1])
		}
		if t.Failed() {
			t.Fatal(when)
		}
	}
	restart := func() {
		stop()
		w.close()
		w.open()
		for no, site := range []string{"docs", "shop", "blog"} { // before anything runs in the background
			if got, err := w.ask(site + "." + domain); err != nil || int(got) != no+1 {
				t.Errorf("%s: %d, %v", site, got, err)
			}
		}
		stop = w.run()
	}
	set := func(change func(*rollout.Config) error) {
		t.Helper()
		if _, err := w.svc.setRollout(t.Context(), "ada", "test", nil, change); err != nil {
			t.Fatal(err)
		}
	}
	set(func(c *rollout.Config) error {
		c.Sites["docs"], c.Datacentres["fra"], c.OptOut = rollout.Legacy, rollout.Hashed, []string{"shop"}
		return nil
	})
	pinned := map[string][2]string{"docs": {"legacy", "pin"}, "shop": {"legacy", "opt-out"}, "blog": {"hashed", "datacentre"}}
	want("set", pinned)
	restart()
	want("restarted", pinned)
	set(func(c *rollout.Config) error {
		delete(c.Sites, "docs")
		delete(c.Datacentres, "fra")
		c.OptOut, c.Percent = nil, 100
		return nil
	})
	all := map[string][2]string{"docs": {"hashed", "percent"}, "shop": {"hashed", "percent"}, "blog": {"hashed", "percent"}}
	want("taken back", all)
	restart()
	want("restarted again", all)
}

// late is a resolver that takes its time.
type late struct{ by time.Duration }

func (l late) Resolve(context.Context, *router.Query) (router.Decision, error) {
	<-time.After(l.by)
	return router.Decision{}, nil
}

// When the requests that the edge serves wait long for their routes, the backfill gives way, and says what to.
func TestBackfillYieldsToSlowRequests(t *testing.T) {
	w := newWorld(t)
	w.project("docs")
	w.tables(`{"project":"docs","table":{"filters":[],"v":1}}`)
	w.complete()
	slow := late{150 * time.Millisecond}
	sides, err := rollout.New(rollout.Deps{Hashed: slow, Legacy: slow, Hasher: hasher}, rollout.Options{Domain: domain, Config: rollout.Config{Mode: rollout.ModeLegacy}})
	if err != nil {
		t.Fatal(err)
	}
	w.svc.engine.Load().rollout = sides
	var asked sync.WaitGroup
	for range slowSample {
		asked.Go(func() { _, _ = sides.Resolve(t.Context(), &router.Query{Host: "docs." + domain, Path: "/"}) })
	}
	asked.Wait()
	w.mustMove(migrate.DualWrite)
	w.mustMove(migrate.Backfill)
	defer w.run()()
	var st *Status
	w.until("giving way", func() bool {
		var err error
		st, err = w.svc.Status()
		return err == nil && st.Backfill.Activity == backfill.Yielding
	})
	if !strings.Contains(st.Backfill.Why, "the edge's p99 is ") || !strings.Contains(st.Backfill.Why, ", over 100ms") {
		t.Errorf("%+v", st.Backfill)
	}
}

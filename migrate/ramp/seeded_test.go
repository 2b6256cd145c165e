package ramp

import (
	"context"
	"fmt"
	"hash/fnv"
	"testing"
	"testing/synctest"
	"time"

	"berth/migrate"
	"berth/migrate/shadow"
	"berth/router"
	"berth/router/hostkey"
	"berth/router/rollout"
	"berth/store"
)

const (
	seededHosts = 4000
	seededSites = 200
)

func seededHost(i int) hostkey.Host {
	return hostkey.Host(fmt.Sprintf("%08x.project-%d.pages.localhost", i, i%seededSites))
}

// tables know every host.
type tables struct{}

func (tables) Resolve(_ context.Context, q *router.Query) (router.Decision, error) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(q.Host))
	return router.Decision{Kind: store.RouteSite, Project: 1, Deployment: store.DeploymentNo(h.Sum64() | 1), Class: store.ClassDeployment}, nil
}

// converted is what a converter made of the tables.
type converted struct {
	wrong func(router.Decision) (router.Decision, error) // what becomes of the hosts that it gets wrong
	hosts map[hostkey.Host]bool
}

func (c *converted) Resolve(ctx context.Context, q *router.Query) (router.Decision, error) {
	d, err := tables{}.Resolve(ctx, q)
	if c.hosts[q.Host] {
		return c.wrong(d)
	}
	return d, err
}

// forgotten is a Sink.
type forgotten struct{ hosts map[string]shadow.Class }

func (f *forgotten) Put(_ context.Context, diffs []shadow.Diff) error {
	for _, d := range diffs {
		f.hosts[d.Host] = d.Class
	}
	return nil
}

// A converter that is wrong about one host in 200 does not get past the first step; one that is right gets to the last. Switch,
// comparison and guard are the real ones.
func TestWrongConverterIsRevertedAtTheFirstStep(t *testing.T) {
	none := func(router.Decision) (router.Decision, error) { return router.Decision{}, router.ErrNoRoute }
	other := func(d router.Decision) (router.Decision, error) { d.Deployment++; return d, nil }
	for _, c := range []struct {
		name     string
		wrong    func(router.Decision) (router.Decision, error)
		every    int     // host of which is wrong; 0: none
		sampling float64 // percent
		maxDiff  float64
		status   Status
		percent  float64
		class    shadow.Class
	}{
		{name: "right", sampling: 10, status: Done, percent: 100},
		{name: "leaves hosts out", wrong: none, every: 200, sampling: 10, status: Reverted, class: shadow.Missing},
		{name: "confuses deployments", wrong: other, every: 200, sampling: 10, status: Reverted, class: shadow.Different},
		{name: "confuses deployments, a share is allowed", wrong: other, every: 200, sampling: 100, maxDiff: 0.001, status: Reverted, class: shadow.Different},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &converted{wrong: c.wrong, hosts: map[hostkey.Host]bool{}}
				for i := 0; c.every > 0 && i < seededHosts; i += c.every {
					h.hosts[seededHost(i+i/c.every%c.every)] = true
				}
				w := newSeeded(t, h, c.sampling)
				w.run(t, Plan{Steps: []float64{1, 5, 25, 50, 100}, Soak: 10 * time.Minute, MaxDiff: c.maxDiff, MinSamples: 500})
				at, _ := w.keep.Load()
				if at.State.Status != c.status || at.Percent != c.percent || c.status == Reverted && at.State.Step != 0 {
					t.Errorf("%s at step %d, %v%%: %s", at.State.Status, at.State.Step+1, at.Percent, at.State.Reason)
				}
				w.check(t, h, c.class)
			})
		})
	}
}

type seeded struct {
	keep   *memory
	sw     *rollout.Switch
	shadow *shadow.Shadow
	guard  *Guard
	diffs  *forgotten
	lost   int // requests that the tables would have answered
}

func newSeeded(t *testing.T, h *converted, sampling float64) *seeded {
	t.Helper()
	w := &seeded{keep: newMemory(), diffs: &forgotten{map[string]shadow.Class{}}}
	var err error
	w.sw, err = rollout.New(rollout.Deps{Hashed: h, Legacy: tables{}, Hasher: testHasher},
		rollout.Options{Domain: "pages.localhost", Config: rollout.Config{Mode: rollout.ModeRamp}})
	if err != nil {
		t.Fatal(err)
	}
	w.keep.percent = func(p float64) {
		if err := w.sw.Set(rollout.Config{Mode: rollout.ModeRamp, Percent: p}); err != nil {
			t.Error(err)
		}
	}
	w.shadow, err = shadow.New(shadow.Deps{Live: w.sw, Hashed: h, Legacy: tables{}, Diffs: w.diffs}, shadow.Options{Percent: sampling})
	if err != nil {
		t.Fatal(err)
	}
	w.guard, err = NewGuard(Deps{Keep: w.keep, Health: HealthOf(w.sw, w.shadow), Every: 5 * time.Second, Picked: w.picked})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// One site whose records lack what its table says, and which is therefore kept on it, keeps no other from going on.
func TestKeptSiteDoesNotRevertTheRamp(t *testing.T) {
	for _, kept := range []rollout.Config{{OptOut: []string{"project-7"}}, {Sites: map[string]rollout.Side{"project-7": rollout.Legacy}}} {
		synctest.Test(t, func(t *testing.T) {
			h := &converted{hosts: map[hostkey.Host]bool{}, wrong: func(router.Decision) (router.Decision, error) { return router.Decision{}, router.ErrNoRoute }}
			for i := 7; i < seededHosts; i += seededSites {
				h.hosts[seededHost(i)] = true
			}
			w := newSeeded(t, h, 10)
			w.keep.percent = func(p float64) {
				c := kept
				c.Mode, c.Percent = rollout.ModeRamp, p
				if err := w.sw.Set(c); err != nil {
					t.Error(err)
				}
			}
			w.keep.percent(0)
			w.run(t, Plan{Steps: []float64{1, 50, 100}, Soak: 10 * time.Minute, MinSamples: 500})
			if at, _ := w.keep.Load(); at.State.Status != Done || at.Percent != 100 {
				t.Errorf("%s at %v%%: %s", at.State.Status, at.Percent, at.State.Reason)
			}
			w.check(t, h, shadow.Missing) // the site's diffs are listed all the same
		})
	}
}

func (w *seeded) picked() (int, error) {
	n := 0
	for i := range seededSites {
		if w.sw.WhySite(fmt.Sprintf("project-%d", i)).Side == rollout.Hashed {
			n++
		}
	}
	return n, nil
}

// run asks for every host once a minute until the guard has ended.
func (w *seeded) run(t *testing.T, p Plan) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer func() { cancel(); synctest.Wait() }()
	go w.shadow.Run(ctx)
	go w.guard.Run(ctx)
	if _, err := w.guard.Start(ctx, p, "ann", "test"); err != nil {
		t.Fatal(err)
	}
	q := router.Query{Path: "/"}
	for range 24 * 60 {
		for i := range seededHosts {
			q.Host = seededHost(i)
			if _, err := w.shadow.Resolve(ctx, &q); err != nil {
				w.lost++
			}
			if i%500 == 0 {
				synctest.Wait() // the queue is for requests that come one after another
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if at, _ := w.keep.Load(); at.State.Status != Running {
			time.Sleep(10 * time.Second) // what was found is kept
			return
		}
	}
}

func (w *seeded) check(t *testing.T, h *converted, class shadow.Class) {
	t.Helper()
	if w.lost != 0 {
		t.Errorf("%d requests lost", w.lost)
	}
	if (class != "") != (len(w.diffs.hosts) > 0) {
		t.Errorf("%d hosts are kept as different", len(w.diffs.hosts))
	}
	for host, got := range w.diffs.hosts {
		if got != class || !h.hosts[hostkey.Host(host)] {
			t.Errorf("%s is kept as %s", host, got)
		}
	}
	if at, _ := w.keep.Load(); at.Phase != migrate.Ramp {
		t.Errorf("phase %s", at.Phase)
	}
}

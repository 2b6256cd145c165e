package migration

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/ramp"
	"berth/migrate/shadow"
	"berth/router/rollout"
	"berth/store"
	"berth/store/control"
)

// camera takes the disk as a kill would leave it before each write.
type camera struct {
	disk *vfs.MemFS

	mu     sync.Mutex // guards what follows
	on     bool
	rng    *rand.Rand
	images []*vfs.MemFS
}

func (c *camera) look(op errorfs.Op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
		c.shoot()
	}
	return nil
}

func (c *camera) shoot() {
	for _, unsynced := range []int{0, 50, 100} {
		c.images = append(c.images, c.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: c.rng}))
	}
}

// during takes the images of what fn does, and one more of when it has returned.
func (c *camera) during(fn func()) []*vfs.MemFS {
	set := func(on bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.on = on
	}
	set(true)
	fn()
	set(false)
	c.shoot()
	return c.images
}

// transition is a change of phase, or in one, and what has to be there with it.
type transition struct {
	from  migrate.Phase
	first func(*testing.T, *world)
	do    func(*testing.T, *world)
	// done says whether an image has the one half, and whether it has the other.
	done func(*testing.T, *store.Reader) (one, other bool)
}

// A server that is killed anywhere in a transition has all of it or nothing: no phase without what it is entered with, and nothing of
// that without the phase.
func TestKilledInATransition(t *testing.T) {
	move := func(to migrate.Phase) func(*testing.T, *world) {
		return func(_ *testing.T, w *world) { w.mustMove(to) }
	}
	for name, x := range map[string]transition{
		"dual-write and the diffs of before": {migrate.Legacy, putDiff, move(migrate.DualWrite), func(t *testing.T, r *store.Reader) (bool, bool) {
			return phase(t, r) == migrate.DualWrite, diffs(t, r) == 0
		}},
		"backfill and its rate": {migrate.DualWrite, nil, func(t *testing.T, w *world) {
			rate := 5.0
			m := Move{From: migrate.DualWrite, To: migrate.Backfill, Why: "test", Pace: Pace{Rate: &rate}}
			if _, err := w.svc.move(t.Context(), m, "ada"); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, r *store.Reader) (bool, bool) {
			c, err := migrate.LoadControl(r, "backfill")
			must(t, err)
			return phase(t, r) == migrate.Backfill, c.Rate != nil
		}},
		"ramp and sites with failures": {migrate.Verify, nil, func(t *testing.T, w *world) {
			_, err := w.move(migrate.Ramp, true)
			must(t, err)
		}, func(t *testing.T, r *store.Reader) (bool, bool) { return phase(t, r) == migrate.Ramp, optedOut(t, r) }},
		"cutover and sites with failures": {migrate.Ramp, optIn, func(t *testing.T, w *world) {
			_, err := w.move(migrate.Cutover, true)
			must(t, err)
		}, func(t *testing.T, r *store.Reader) (bool, bool) {
			return phase(t, r) == migrate.Cutover, optedOut(t, r)
		}},
		"retired and what there was": {migrate.Cutover, nil, func(t *testing.T, w *world) {
			must(t, w.svc.finish(t.Context(), Finish{Why: "test", Force: true}, 0, "ada"))
		}, func(t *testing.T, r *store.Reader) (bool, bool) {
			_, err := r.Document(finishDocument)
			return phase(t, r) == migrate.Retired, !errors.Is(err, store.ErrNotFound)
		}},
		"guarded ramp and what is compared": {migrate.Ramp, nil, guarded, func(t *testing.T, r *store.Reader) (bool, bool) {
			s, err := ramp.LoadState(r)
			must(t, err)
			_, set, err := ramp.LoadSampling(r)
			must(t, err)
			return s.Status == ramp.Running, set
		}},
	} {
		t.Run(name, func(t *testing.T) { x.killed(t) })
	}
}

func (x *transition) killed(t *testing.T) {
	c := &camera{disk: vfs.NewCrashableMem(), rng: rand.New(rand.NewPCG(1, 2))}
	w := oddSite(t, errorfs.Wrap(c.disk, errorfs.InjectorFunc(c.look)), x.from)
	if x.first != nil {
		x.first(t, w)
	}
	seen := map[bool]int{}
	for i, image := range c.during(func() { x.do(t, w) }) {
		s, err := openStore(image)
		must(t, err)
		one, other := x.done(t, &s.Reader)
		if one != other {
			t.Errorf("image %d: the one half is there: %v, the other: %v", i, one, other)
		}
		seen[one]++
		must(t, s.Close())
	}
	if seen[false] == 0 || seen[true] == 0 {
		t.Errorf("%d images of before and %d of behind: that shows nothing", seen[false], seen[true])
	}
}

// oddSite is a world in a phase, with a site of which an entry has no record. Nothing runs in the background.
func oddSite(t *testing.T, fs vfs.FS, at migrate.Phase) *world {
	w := newWorldOn(t, fs)
	w.project("docs")
	w.project("odd")
	w.tables(`{"project":"odd","table":{"filters":[{"pattern":"^(?:[a-z]+\\d+.odd.pages.localhost\\/only(?<p1>.*))$","script_hash":"nobody"}],"v":1}}`)
	w.complete()
	for p := w.svc.machine.State().Phase; p != at; p = p.Next() {
		if p == migrate.Backfill {
			stop := w.run()
			w.until("backfill", func() bool { done, n, err := backfill.Finished(&w.s.Reader); return done && n == 1 && err == nil })
			stop()
		}
		_, err := w.move(p.Next(), true)
		must(t, err)
	}
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func phase(t *testing.T, r *store.Reader) migrate.Phase {
	t.Helper()
	s, err := migrate.Load(r)
	must(t, err)
	return s.Phase
}

func diffs(t *testing.T, r *store.Reader) (n int) {
	t.Helper()
	for _, err := range shadow.Diffs(r, "") {
		must(t, err)
		n++
	}
	return n
}

func putDiff(t *testing.T, w *world) {
	d, err := shadow.NewDocuments(w.s, 0)
	must(t, err)
	must(t, d.Put(t.Context(), []shadow.Diff{{Version: 1, Class: shadow.Missing, Host: "docs." + domain}}))
}

func optedOut(t *testing.T, r *store.Reader) bool {
	t.Helper()
	d, err := ramp.LoadRollout(r)
	must(t, err)
	return len(d.Config.OptOut) == 1
}

// optIn takes the site off the list without a decision: it fails anew, as it were.
func optIn(t *testing.T, w *world) {
	_, err := w.svc.setRollout(t.Context(), "ada", "test", nil, func(c *rollout.Config) error { c.OptOut, c.Percent = nil, 100; return nil })
	must(t, err)
}

func guarded(t *testing.T, w *world) {
	body := `{"steps":[1,100],"soak":"1h","max_diff":0,"max_error_increase":0.1,"max_p99_increase":0.1,"shadow":0.5,"why":"go"}`
	r := httptest.NewRequest(http.MethodPost, "/berth/migrate/rollout/run", strings.NewReader(body))
	_, err := w.svc.postRun(context.Background(), control.Principal{Token: store.Token{Name: "ada"}}, r)
	must(t, err)
}

// A guarded ramp that is refused changes nothing, also not what is compared.
func TestRefusedRampChangesNothing(t *testing.T) {
	w := oddSite(t, vfs.NewMem(), migrate.Ramp)
	rev := w.s.Revision()
	for body, want := range map[string]string{
		`{"steps":[50,20],"soak":"1h","shadow":0.5,"why":"go"}`:                      "each must be more than the one before",
		`{"steps":[50],"soak":"1h","shadow":0.5,"p99_floor":"-1ms","why":"go"}`:      `p99_floor="-1ms": want a time such as 1ms`,
		`{"steps":[50],"soak":"1h","shadow":0.5,"p99_floor":"lots","why":"go"}`:      `p99_floor="lots"`,
		`{"steps":[50],"soak":"1h","shadow":1.5,"why":"go"}`:                         "shadow: 1.5 is no share",
		`{"steps":[50],"soak":"soon","shadow":0.5,"why":"go"}`:                       `soak="soon"`,
		`{"steps":[50],"soak":"1h","why":"go"}`:                                      "no request is compared",
		`{"steps":[50],"soak":"1h","shadow":0.5,"max_error_increase":-1,"why":"go"}`: "max-error-increase",
	} {
		r := httptest.NewRequest(http.MethodPost, "/berth/migrate/rollout/run", strings.NewReader(body))
		if _, err := w.svc.postRun(t.Context(), control.Principal{}, r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if w.s.Revision() != rev {
		t.Errorf("revision %d after %d", w.s.Revision(), rev)
	}
}

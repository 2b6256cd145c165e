package catalog

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/assets/kept"
	"berth/assets/manifest"
	"berth/store"

	"github.com/google/go-cmp/cmp"
)

func mustManifest(t testing.TB, paths ...string) *manifest.Manifest {
	t.Helper()
	var entries []manifest.Entry
	for _, p := range paths {
		entries = append(entries, manifest.Entry{Path: p, Digest: manifest.Digest{1}, Size: 1})
	}
	raw, err := manifest.Encode(entries)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// index is a stored index of files of deployment from.
func (w *world) index(t testing.TB, from uint64, paths ...string) store.FileRef {
	t.Helper()
	raw, _, err := kept.Next(kept.Move{
		From: mustManifest(t, paths...), FromNo: from, To: mustManifest(t, "/new.css"), Now: 1000, Keep: time.Hour, Max: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w.put(raw)
}

func mustTarget(t testing.TB, c *Catalog, no store.DeploymentNo, production bool) *Target {
	t.Helper()
	target, err := c.Target(t.Context(), no, production)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func numbers(t *Target) (nos []store.DeploymentNo) {
	for _, p := range t.Past {
		nos = append(nos, p.No)
	}
	return nos
}

// moved is a project whose production and branch main moved from deployments 1 and 2 to 3.
func moved(t testing.TB) *world {
	w := newWorld()
	for no := range store.DeploymentNo(3) {
		w.deploy(t, no+1, "/new.css", 0)
	}
	w.targets[""] = store.Target{
		Project: 1, Past: []store.Past{{Deployment: 2, Left: time.Unix(20, 0)}, {Deployment: 1, Left: time.Unix(10, 0)}, {Deployment: 77}},
		Kept: w.index(t, 2, "/old.js"),
	}
	w.targets["main"] = store.Target{Project: 1, Branch: "main", Past: []store.Past{{Deployment: 1, Left: time.Unix(10, 0)}}}
	return w
}

func TestTarget(t *testing.T) {
	w := moved(t)
	c := open(t, w, Options{})
	production := mustTarget(t, c, 3, true)
	if diff := cmp.Diff([]store.DeploymentNo{2, 1}, numbers(production)); diff != "" {
		t.Errorf("production (-want +got):\n%s", diff)
	}
	if f, ok := production.Kept.Lookup("/old.js", 1001); !ok || f.Source != 2 {
		t.Errorf("kept: %+v, %v", f, ok)
	}
	if _, ok := production.Kept.Lookup("/old.js", 1000+3600); ok {
		t.Error("kept beyond its time")
	}
	if past, ok := production.Find(func(no store.DeploymentNo, _ store.UUID) bool { return no == 1 }); !ok || !past.Left.Equal(time.Unix(10, 0)) {
		t.Errorf("found %+v, %v", past, ok)
	}
	branch := mustTarget(t, c, 3, false)
	if diff := cmp.Diff([]store.DeploymentNo{1}, numbers(branch)); diff != "" || branch.Kept != nil {
		t.Errorf("branch: %v, %s", branch.Kept, diff)
	}
	if late := mustTarget(t, c, 2, true); !late.MovedOn || len(late.Past) != 1 || production.MovedOn {
		t.Errorf("asked for by what it served before: %+v", late)
	}
	if n := testing.AllocsPerRun(100, func() { c.Target(context.Background(), 3, true) }); n != 0 {
		t.Errorf("a hit makes %v allocations", n)
	}
	w.deploy(t, 9, "/other", 0)
	w.targets = map[string]store.Target{}
	if other := mustTarget(t, c, 9, true); other.Past != nil || other.Kept != nil {
		t.Errorf("a target that never moved: %+v", other)
	}
	if _, err := c.Target(t.Context(), 50, true); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of no deployment: %v", err)
	}
}

// Whatever ends a file, the next look-up knows.
func TestTargetFollowsCommits(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, w *world){
		"source deleted": func(_ *testing.T, w *world) { w.commit(2, nil) },
		"index replaced": func(t *testing.T, w *world) {
			w.changeProject(func() { w.targets[""] = store.Target{Past: []store.Past{{Deployment: 1}}} })
		},
		"target deleted": func(_ *testing.T, w *world) { w.changeProject(func() { delete(w.targets, "") }) },
	} {
		t.Run(name, func(t *testing.T) {
			w := moved(t)
			c := open(t, w, Options{})
			before := mustTarget(t, c, 3, true)
			mustTarget(t, c, 3, false)
			change(t, w)
			after := mustTarget(t, c, 3, true)
			if _, ok := after.Kept.Lookup("/old.js", 1001); ok || before == after {
				t.Error("the file is still answered")
			}
			for _, no := range numbers(after) {
				if no == 2 {
					t.Error("deployment 2 can still be pinned")
				}
			}
		})
	}
}

// A change that comes while a target is read must not be lost.
func TestTargetChangedWhileRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := moved(t)
		c := open(t, w, Options{})
		gate := make(chan struct{})
		w.onTarget = func() { <-gate }
		var wg sync.WaitGroup
		wg.Go(func() { mustTarget(t, c, 3, true) }) // holds the old record
		synctest.Wait()
		w.commit(2, nil)
		close(gate)
		wg.Wait()
		if nos := numbers(mustTarget(t, c, 3, true)); len(nos) != 1 || nos[0] != 1 {
			t.Errorf("past %v", nos)
		}
	})
}

func TestDamagedIndexOfKeptFiles(t *testing.T) {
	for name, damage := range map[string]func(w *world, ref store.FileRef) store.FileRef{
		"missing":  func(w *world, ref store.FileRef) store.FileRef { delete(w.blobs, ref.Digest); return ref },
		"one bit":  func(w *world, ref store.FileRef) store.FileRef { w.blobs[ref.Digest][30] ^= 1; return ref },
		"no index": func(w *world, _ store.FileRef) store.FileRef { return w.put([]byte("not an index")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := moved(t)
				target := w.targets[""]
				good := append([]byte(nil), w.blobs[target.Kept.Digest]...)
				restored := target.Kept
				target.Kept = damage(w, target.Kept)
				w.targets[""] = target
				log := new(strings.Builder)
				c, err := New(Deps{Store: w, Blobs: w, Log: slog.New(slog.NewTextHandler(log, nil))}, Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for range 10 {
					if got := mustTarget(t, c, 3, true); got.Kept != nil || len(got.Past) != 2 {
						t.Fatalf("%+v", got)
					}
				}
				if c.Stats().NoIndex != 1 || strings.Count(log.String(), "\n") != 1 {
					t.Errorf("counted %d, logged:\n%s", c.Stats().NoIndex, log)
				}
				if name == "no index" {
					return
				}
				w.blobs[restored.Digest] = good
				time.Sleep(corruptRetry) // the bubble's clock
				if got := mustTarget(t, c, 3, true); got.Kept.Len() != 1 {
					t.Errorf("after the index was restored: %+v", got)
				}
			})
		})
	}
}

func TestTargetsAreBoundedInBytes(t *testing.T) {
	w := moved(t)
	c := open(t, w, Options{TargetCache: 600})
	for no := range store.DeploymentNo(20) {
		w.deploy(t, no+10, "/x", 0)
		mustTarget(t, c, no+10, false)
	}
	if s := c.Stats().Targets; s.Weight > 600 || s.Entries == 0 || s.Evicted == 0 {
		t.Errorf("%+v", s)
	}
	mustTarget(t, c, 3, true)
	w.fault = errTarget
	mustTarget(t, c, 3, true) // one that is larger than the cache is kept alone
}

func TestTargetCannotBeRead(t *testing.T) {
	w := moved(t)
	c := open(t, w, Options{})
	mustSite(t, c, 3, "/new.css")
	w.fault = errTarget
	if _, err := c.Target(t.Context(), 3, true); !errors.Is(err, errTarget) {
		t.Errorf("got %v", err)
	}
	w.fault = nil
	mustTarget(t, c, 3, true)
}

var errTarget = errors.New("input/output error")

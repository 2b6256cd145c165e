package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	_ Store = (*store.Store)(nil)
	_ Blobs = (*blob.Dir)(nil)
)

func open(t testing.TB, w interface {
	Store
	Blobs
}, o Options) *Catalog {
	t.Helper()
	c, err := New(Deps{Store: w, Blobs: w}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func mustSite(t testing.TB, c *Catalog, no store.DeploymentNo, path string) *assets.Site {
	t.Helper()
	s, err := c.Site(t.Context(), no)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Files().Lookup(path); !ok {
		t.Fatalf("deployment %d has no %s", no, path)
	}
	return s
}

func TestSiteIsLoadedOnce(t *testing.T) {
	w := newWorld()
	w.deploy(t, 1, "/one", 0)
	w.deploy(t, 2, "/two", 0)
	c := open(t, w, Options{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { mustSite(t, c, 1, "/one") })
	}
	wg.Wait()
	if first := mustSite(t, c, 1, "/one"); first != mustSite(t, c, 1, "/one") {
		t.Error("compiled twice")
	}
	mustSite(t, c, 2, "/two")
	if w.reads != 2 {
		t.Errorf("%d reads for two sites", w.reads)
	}
	if n := testing.AllocsPerRun(100, func() { c.Site(context.Background(), 1) }); n != 0 {
		t.Errorf("a hit makes %v allocations", n)
	}
}

func TestColdCallersShareALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.deploy(t, 1, "/one", 0)
		release := make(chan struct{})
		w.onRead = func(manifest.Digest) { <-release }
		c := open(t, w, Options{})
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() { mustSite(t, c, 1, "/one") })
		}
		synctest.Wait() // all of them wait for the one read
		if w.reads != 1 {
			t.Errorf("%d reads under way", w.reads)
		}
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := c.Site(ctx, 1); !errors.Is(err, context.Canceled) {
				t.Errorf("a caller who gave up got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		wg.Wait()
		if w.reads != 1 {
			t.Errorf("%d reads", w.reads)
		}
	})
}

func TestDeletedDeploymentIsGone(t *testing.T) {
	w := newWorld()
	w.deploy(t, 1, "/one", 0)
	c := open(t, w, Options{})
	mustSite(t, c, 1, "/one")
	w.commit(1, nil)
	if _, err := c.Site(t.Context(), 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	w.deploy(t, 1, "/again", 0)
	mustSite(t, c, 1, "/again")
}

func TestNothingToServe(t *testing.T) {
	w := newWorld()
	w.commit(1, &store.Deployment{No: 1, Status: store.StatusFailure})
	c := open(t, w, Options{})
	for no := range store.DeploymentNo(3) {
		if _, err := c.Site(t.Context(), no); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deployment %d: %v", no, err)
		}
	}
	if w.reads != 0 || c.Stats().Corrupt != 0 {
		t.Errorf("%d reads, %+v", w.reads, c.Stats())
	}
}

func TestCorruptionIsCountedAndRemembered(t *testing.T) {
	for name, damage := range map[string]func(w *world, g manifest.Digest){
		"missing": func(w *world, g manifest.Digest) { delete(w.blobs, g) },
		"cut":     func(w *world, g manifest.Digest) { w.blobs[g] = w.blobs[g][1:] },
		"one bit": func(w *world, g manifest.Digest) { // of a blob's name: as a manifest it is as good as before
			w.blobs[g] = slices.Clone(w.blobs[g])
			w.blobs[g][20] ^= 1
		},
		"no manifest": func(w *world, g manifest.Digest) {
			raw := []byte("not a manifest")
			w.blobs[manifest.DigestOf(raw)] = raw
			w.commit(1, &store.Deployment{Manifest: store.FileRef{Digest: manifest.DigestOf(raw), Size: int64(len(raw))}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				g := w.deploy(t, 1, "/one", 0)
				good := w.blobs[g]
				damage(w, g)
				c := open(t, w, Options{})
				for range 100 {
					if _, err := c.Site(t.Context(), 1); !errors.Is(err, ErrCorrupt) || errors.Is(err, store.ErrNotFound) {
						t.Fatalf("got %v", err)
					}
				}
				if w.reads != 1 || c.Stats().Corrupt != 1 {
					t.Errorf("%d reads, %d counted", w.reads, c.Stats().Corrupt)
				}
				if name == "no manifest" {
					return
				}
				w.blobs[g] = good
				time.Sleep(corruptRetry) // the bubble's clock
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() { c.Site(t.Context(), 1) })
				}
				wg.Wait()
				mustSite(t, c, 1, "/one")
				if w.reads != 2 {
					t.Errorf("%d reads after the blob was restored, want one more", w.reads-1)
				}
			})
		})
	}
}

func TestDeletionDuringLoadIsNoCorruption(t *testing.T) {
	w := newWorld()
	g := w.deploy(t, 1, "/one", 0)
	delete(w.blobs, g)
	w.onRead = func(manifest.Digest) { w.commit(1, nil) }
	c := open(t, w, Options{})
	if _, err := c.Site(t.Context(), 1); !errors.Is(err, store.ErrNotFound) || errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if n := c.Stats().Corrupt; n != 0 {
		t.Errorf("counted %d", n)
	}
}

func TestReadErrorIsNotRemembered(t *testing.T) {
	w := newWorld()
	w.deploy(t, 1, "/one", 0)
	c := open(t, w, Options{})
	w.fault = errors.New("input/output error")
	if _, err := c.Site(t.Context(), 1); !errors.Is(err, w.fault) || errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	w.fault = nil
	mustSite(t, c, 1, "/one")
}

func TestBoundInBytes(t *testing.T) {
	w := newWorld()
	for no := range store.DeploymentNo(10) {
		w.deploy(t, no, fmt.Sprintf("/%d", no), 100)
	}
	c := open(t, w, Options{SiteCache: 40_000}) // about three of them
	for no := range store.DeploymentNo(10) {
		mustSite(t, c, no, fmt.Sprintf("/%d", no))
	}
	if s := c.Stats().Cache; s.Weight > 40_000 || s.Entries < 2 || s.Evicted == 0 {
		t.Errorf("%+v", s)
	}
	small := open(t, w, Options{SiteCache: 1})
	w.reads = 0
	for range 5 {
		mustSite(t, small, 1, "/1")
	}
	if w.reads != 1 {
		t.Errorf("a site larger than the cache was read %d times", w.reads)
	}
}

func TestLoadsAreBoundedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		c := open(t, w, Options{})
		for no := range store.DeploymentNo(4) {
			w.commit(no, &store.Deployment{No: no, Manifest: store.FileRef{Digest: manifest.Digest{byte(no + 1)}, Size: loadBudget}})
		}
		release := make(chan struct{})
		w.onRead = func(manifest.Digest) { <-release }
		var wg sync.WaitGroup
		for no := range store.DeploymentNo(4) {
			wg.Go(func() { c.Site(t.Context(), no) })
		}
		synctest.Wait()
		if w.reads != 1 {
			t.Errorf("%d manifests of the whole budget are being read at once", w.reads)
		}
		close(release)
		wg.Wait()
	})
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := New(Deps{}, Options{SiteCache: -1, TargetCache: -1})
	for _, want := range []string{"Deps.Store", "Deps.Blobs", "SiteCache", "TargetCache"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld()
	w.deploy(t, 1, "/one", 0)
	registry := prometheus.NewRegistry()
	c, err := New(Deps{Store: w, Blobs: w, Metrics: registry}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Deps{Store: w, Blobs: w, Metrics: registry}, Options{}); err == nil {
		t.Error("two catalogs count into one series")
	}
	mustSite(t, c, 1, "/one")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.Metric[0].GetCounter().GetValue() + f.Metric[0].GetGauge().GetValue()
	}
	if len(got) != 9 || got["berth_catalog_loads_total"] != 1 || got["berth_catalog_site_bytes"] < 100 {
		t.Errorf("%v", got)
	}
	c.Close()
	if families, _ := registry.Gather(); len(families) != 0 || len(w.hooks) != 0 {
		t.Errorf("Close leaves %d series and %d hooks", len(families), len(w.hooks))
	}
}

func BenchmarkSite(b *testing.B) {
	w := newWorld()
	w.deploy(b, 1, "/one", 0)
	c := open(b, w, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Site(b.Context(), 1); err != nil {
			b.Fatal(err)
		}
	}
}

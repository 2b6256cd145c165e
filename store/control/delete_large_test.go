package control

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/store"
)

// A deletion that power cuts short again and again goes on where it was, and what is left in between is consistent.
func TestDeleteProjectSurvivesKills(t *testing.T) {
	const deployments, first, chunk, stepsToKill = 1500, 100, 60, 3
	fs := vfs.NewCrashableMem()
	open := func() *store.Store {
		t.Helper()
		db, err := store.OpenFS(fs, "db", store.Options{MinFreeBytes: -1, CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	ts := newTestService(t, func(p *testParts) { inMemory(t)(p); p.deps.Store = open() })
	a := ts.api(t)
	a.project("docs")
	a.project("stays")
	stays := a.deploy("stays", "", site{"/a": "stays"})
	ts.fill(t, "docs", deployments, func(i int) string { return fmt.Sprintf("b%d", i%150) })
	p, err := ts.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	kills := 0
	for left := deployments; ; kills++ {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		stop := ts.deps.Store.OnCommit(func(store.Commit) {
			if steps++; steps == stepsToKill {
				cancel()
			}
		})
		err := ts.deleteInSteps(ctx, p, first, chunk)
		stop()
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		fs = fs.CrashClone(vfs.CrashCloneCfg{})
		deps := ts.deps
		deps.Store = open()
		if ts.Service, err = New(deps, ts.opts); err != nil {
			t.Fatal(err)
		}
		ts.clean(t)
		ts.wantServes(t, map[string]string{"docs.pages.localhost": "", "stays.pages.localhost": stays.ID})
		if n := ts.count(t, "docs"); n > left {
			t.Fatalf("kill %d: %d deployments, %d before", kills, n, left)
		} else {
			left = n
		}
	}
	if kills < 5 {
		t.Errorf("killed %d times only", kills)
	}
	if sum := ts.clean(t); sum.Deployments != 1 || sum.Branches != 1 || sum.Projects != 1 || sum.Routes != 3 {
		t.Errorf("left behind: %+v", sum)
	}
}

// onDisk is a store in files whose caches are too small to count.
func onDisk(b *testing.B) func(*testParts) {
	return func(p *testParts) {
		db, err := store.Open(filepath.Join(b.TempDir(), "db"), store.Options{MinFreeBytes: -1, CacheBytes: 1 << 20, MemTableBytes: 4 << 20})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = db.Close() })
		p.deps.Store = db
	}
}

// peakHeap samples how much the heap grows until stop is called.
func peakHeap() (stop func() uint64) {
	var now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&now)
	before := now.HeapInuse
	ending, ended := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for peak := before; ; {
			select {
			case <-ending:
				ended <- peak - before
				return
			case <-tick.C:
				runtime.ReadMemStats(&now)
				peak = max(peak, now.HeapInuse)
			}
		}
	}()
	return func() uint64 { close(ending); return <-ended }
}

// Every tenth deployment is of a branch of its own, as previews of pull requests are.
func pullRequests(i int) string { return fmt.Sprintf("pr-%d", i/10) }

// BenchmarkDeleteProject is the deletion of a project; peak-MiB is how much the heap grew in the worst round.
func BenchmarkDeleteProject(b *testing.B) {
	for _, n := range []int{5000, 50000} {
		b.Run(fmt.Sprintf("deployments=%d", n), func(b *testing.B) {
			ts := newTestService(b, onDisk(b))
			a := ts.api(b)
			peak, commits := uint64(0), store.Revision(0)
			for b.Loop() {
				b.StopTimer()
				a.project("docs")
				ts.fillBy(b, 500, "docs", n, pullRequests)
				p, err := ts.deps.Store.ProjectByName("docs")
				if err != nil {
					b.Fatal(err)
				}
				rev, stop := ts.deps.Store.Revision(), peakHeap()
				b.StartTimer()
				if err := ts.deleteProject(b.Context(), p); err != nil {
					b.Fatal(err)
				}
				peak, commits = max(peak, stop()), ts.deps.Store.Revision()-rev
			}
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
			b.ReportMetric(float64(commits), "commits/op")
		})
	}
}

// BenchmarkListDeployments is one page of a large project, over loopback.
func BenchmarkListDeployments(b *testing.B) {
	ts := newTestService(b, onDisk(b))
	a := ts.api(b)
	a.project("docs")
	ts.fillBy(b, 500, "docs", 50000, pullRequests)
	for _, query := range []string{"", "page=1000", "page=2000", "env=production", "branch=pr-0"} {
		b.Run("deployments=50000/query="+query, func(b *testing.B) {
			for b.Loop() {
				a.must("GET", projectsPath+"/docs/deployments?"+query, nil)
			}
		})
	}
}

package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

// However deployments, rollbacks, deletions and sweeps interleave, what a host keeps is what its past had and it has not,
// and every file of it is there.
func TestRacingMovesKeepAConsistentIndex(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	a.project("docs")
	p, err := ts.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	first := a.deploy("docs", "", site{"/first.js": "first"})
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			branch := []string{"", "dev"}[worker%2]
			for i := range 3 {
				d := a.deployPersistently("docs", branch, site{fmt.Sprintf("/%d-%d.js", worker, i): fmt.Sprint(worker, i), "/same.js": fmt.Sprint(worker % 3)})
				if worker == 3 {
					a.do("POST", projectsPath+"/docs/deployments/"+d.ID+"/promote", nil)
				}
				if worker == 5 {
					a.do("DELETE", projectsPath+"/docs/deployments/"+d.ID+"?force=true", nil)
				}
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			ts.swept(t, SweepOptions{})
			a.do("POST", projectsPath+"/docs/deployments/"+first.ID+"/rollback", nil)
		}
	})
	wg.Wait()
	ts.clean(t)
	if p, err = ts.deps.Store.Project(p.No); err != nil {
		t.Fatal(err)
	}
	for _, branch := range []string{"", "main", "dev"} {
		ts.wantWholePast(t, p, branch)
	}
	if n := len(ts.targets.held); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// deployPersistently deploys again when a sweep without grace has taken what was uploaded.
func (a *api) deployPersistently(project, branch string, files site) (d deploymentObject) {
	a.t.Helper()
	for range 100 {
		a.upload(project, files)
		ans := a.postForm(project, field{"manifest", files.manifest()}, field{"branch", branch})
		if ans.Success {
			ans.into(a.t, &d)
			return d
		}
		if ans.code() != codeBadRequest {
			a.t.Errorf("deploy: %d %s", ans.Status, ans.Raw)
		}
	}
	a.t.Error("a hundred deployments were refused")
	return d
}

// wantWholePast checks that a target keeps every file of its past that it does not serve, of the deployment that had it
// last: here nothing was ever served twice but by rollback, which takes it out of the past.
func (s *testService) wantWholePast(t *testing.T, p store.Project, branch string) {
	t.Helper()
	now, err := serves(&s.deps.Store.Reader, p, branch)
	if err != nil || now == 0 {
		t.Fatalf("%s serves %d, %v", targetName(branch), now, err)
	}
	files := func(no store.DeploymentNo) *manifest.Manifest {
		d, err := s.deps.Store.Deployment(no)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.readListing(d.Manifest)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	want, serving := keptMap{}, files(now)
	for _, past := range slices.Backward(s.target(t, p.Name, branch).Past) {
		d, err := s.deps.Store.Deployment(past.Deployment)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range files(past.Deployment).All() {
			if _, ok := serving.Lookup(e.Path); !ok {
				want[e.Path] = shortID(d.UUID)
			}
		}
	}
	got := s.keeps(t, p.Name, branch)
	delete(want, "/same.js") // gone for a while when production was rolled back
	delete(got, "/same.js")
	if len(got) != len(want) {
		t.Errorf("%s keeps %d files, want %d: %v, want %v", targetName(branch), len(got), len(want), got, want)
	}
	for path, id := range want {
		if got[path] != id {
			t.Errorf("%s keeps %s of %q, want %q", targetName(branch), path, got[path], id)
		}
	}
}

// Everything is in the store: what opens it anew answers as before, and goes on from there.
func TestContinuitySurvivesARestart(t *testing.T) {
	fs, dir := vfs.NewMem(), fastDir(t)
	reopen := func(deps *Deps) (shut func()) {
		db, err := store.OpenFS(fs, "db", store.Options{MinFreeBytes: -1})
		if err != nil {
			t.Fatal(err)
		}
		blobs, err := blob.OpenDir(filepath.Join(dir, "blobs"), blob.Options{})
		if err != nil {
			t.Fatal(err)
		}
		deps.Store, deps.Blobs = db, blobs
		return func() {
			if err := errors.Join(db.Close(), blobs.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	var shut func()
	ts := newTestService(t, func(p *testParts) { shut = reopen(&p.deps) })
	a := ts.api(t)
	a.project("docs")
	one, two := a.deploy("docs", "", site{"/1.js": "1"}), a.deploy("docs", "", site{"/2.js": "2"})
	shut()
	deps := ts.deps
	defer reopen(&deps)()
	var err error
	if ts.Service, err = New(deps, ts.opts); err != nil {
		t.Fatal(err)
	}
	ts.SetReady(true)
	ts.restart(t)
	ts.wantKept(t, "reopened", "docs", "", keptMap{"/1.js": short(one)})
	ts.clean(t)
	ts.api(t).deploy("docs", "", site{})
	ts.wantKept(t, "gone on", "docs", "", keptMap{"/1.js": short(one), "/2.js": short(two)})
	ts.clean(t)
}

// A lock is waited for no longer than its caller waits, and is gone with its last user.
func TestTargetLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var locks targetLocks
		release, err := locks.acquire(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		other, err := locks.acquire(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		other()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := locks.acquire(ctx, 1); err == nil {
			t.Error("two have it")
		}
		got := make(chan func())
		go func() {
			next, err := locks.acquire(t.Context(), 1)
			if err != nil {
				t.Error(err)
			}
			got <- next
		}()
		synctest.Wait()
		release()
		(<-got)()
		if len(locks.held) != 0 {
			t.Errorf("%d are left", len(locks.held))
		}
	})
}

// What a second deployment costs because of what it leaves behind.
func BenchmarkMove(b *testing.B) {
	for _, n := range []int{20_000, 100_000} {
		b.Run(fmt.Sprintf("files=%d/differ=500", n), func(b *testing.B) {
			ts := newTestService(b, func(p *testParts) { p.opts.MaxFiles, p.opts.MaxKeptFiles = n, n })
			a := ts.api(b)
			a.project("docs")
			p, err := ts.deps.Store.ProjectByName("docs")
			if err != nil {
				b.Fatal(err)
			}
			var ds [2]store.Deployment
			for side := range ds {
				entries := make([]manifest.Entry, n)
				for i := range entries {
					entries[i] = manifest.Entry{Path: fmt.Sprintf("/assets/section-%03d/chunk-%06d.js", i%331, i), Digest: manifest.Digest{byte(i)}}
					if i < 500 {
						entries[i].Path += fmt.Sprint(side)
					}
				}
				raw, err := manifest.Encode(entries)
				if err != nil {
					b.Fatal(err)
				}
				ds[side] = ts.record(b, a.deploy("docs", "", site{}))
				if ds[side].Manifest.Digest, ds[side].Manifest.Size, err = ts.deps.Blobs.Put(bytes.NewReader(raw)); err != nil {
					b.Fatal(err)
				}
				if _, err := ts.deps.Store.Update(b.Context(), func(tx *store.Tx) error { return tx.PutDeployment(ds[side], nil) }); err != nil {
					b.Fatal(err)
				}
			}
			hold := ts.upkeep.reserve()
			defer hold.release()
			b.ReportAllocs()
			for b.Loop() {
				m := &move{svc: ts.Service, hold: hold, project: p, to: ds[0], branches: func(store.Project) []string { return []string{"", "main"} }}
				if err := m.try(b.Context(), func() error { return nil }); err != nil || m.broken || m.plans[0].after.KeptFiles != 500 {
					b.Fatal(err, m.broken, m.plans)
				}
			}
		})
	}
}

package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

func (s *testService) swept(t testing.TB, o SweepOptions) SweepReport {
	t.Helper()
	r, err := s.Sweep(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *testService) has(content string) bool {
	_, err := s.deps.Blobs.Stat(manifest.DigestOf([]byte(content)))
	return err == nil
}

func TestSweep(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.project("gone")
	kept := a.deploy("docs", "", site{"/a.txt": "kept", "/b.txt": "both"}, field{"_headers", "kept headers"})
	old := a.deploy("docs", "dev", site{"/a.txt": "old", "/b.txt": "both"}, field{"_headers", "old headers"})
	a.upload("docs", site{"/never.txt": "never deployed"})
	a.upload("gone", site{"/c.txt": "of a project that goes"})
	a.must("DELETE", projectsPath+"/docs/deployments/"+old.ID+"?force=true", nil)
	a.must("DELETE", projectsPath+"/gone", nil)

	if r := ts.swept(t, SweepOptions{Grace: time.Hour}); r.Removed != 0 || r.Young == 0 {
		t.Errorf("within the grace: %+v", r)
	}
	ts.clock.advance(2 * time.Hour)
	a.upload("docs", site{"/young.txt": "young"})
	dry := ts.swept(t, SweepOptions{Grace: time.Hour, DryRun: true})
	if dry.Removed != 5 || !ts.has("old") || !dry.DryRun { // old, its headers and manifest, two uploads
		t.Errorf("dry run: %+v", dry)
	}
	var r SweepReport
	a.must("POST", "/berth/sweep?grace=1h", nil).into(t, &r)
	if r.Removed != 5 || r.RemovedBytes != dry.RemovedBytes || r.Claims != 1 || r.Proofs != 1 || r.Young != 1 {
		t.Errorf("%+v", r)
	}
	for content, want := range map[string]bool{"kept": true, "both": true, "kept headers": true, "young": true, "old": false, "old headers": false, "never deployed": false} {
		if got := ts.has(content); got != want {
			t.Errorf("blob %q: %v, want %v", content, got, want)
		}
	}
	ts.wantContent(t, kept.ID, site{"/a.txt": "kept", "/b.txt": "both"})
	if sum := ts.clean(t); sum.Stale != 0 {
		t.Errorf("%+v", sum)
	}
	// What is gone is asked for again.
	if n := a.upload("docs", site{"/a.txt": "old"}); n != 1 {
		t.Errorf("%d asked for", n)
	}
	a.refused("POST", "/berth/sweep?grace=soon", nil, 400, codeBadRequest)
}

// A request with a short grace would sweep what a client has uploaded and not yet deployed.
func TestSweepByRequestKeepsUploads(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	files := site{"/a.txt": "on its way"}
	a.upload("docs", files)
	ts.clock.advance(blob.TouchSlack + 10*time.Minute)
	for _, grace := range []string{"0s", "1s", "14m59s"} {
		ans := a.refused("POST", "/berth/sweep?grace="+grace, nil, 400, codeBadRequest)
		if !strings.Contains(ans.message(), "15m") || !strings.Contains(ans.message(), "force=true") {
			t.Errorf("%s: %s", grace, ans.message())
		}
	}
	a.refused("POST", "/berth/sweep?grace=0s&force=perhaps", nil, 400, codeBadRequest)
	a.must("POST", "/berth/sweep?grace=15m", nil)
	var r SweepReport
	if a.must("POST", "/berth/sweep?grace=0s&dry_run=true", nil).into(t, &r); r.Removed != 1 || !ts.has("on its way") {
		t.Errorf("dry run: %+v", r)
	}
	if ans := a.postForm("docs", field{"manifest", files.manifest()}); !ans.Success {
		t.Errorf("%d %s", ans.Status, ans.message())
	}
	a.upload("docs", site{"/b.txt": "never deployed"})
	ts.clock.advance(time.Second)
	if a.must("POST", "/berth/sweep?grace=0s&force=true", nil); ts.has("never deployed") {
		t.Error("force=true takes nothing")
	}
	ts.clean(t)
}

func TestSweepDropsOldClaims(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.upload("docs", site{"/never.txt": "x"})
	ts.clock.advance(claimTTL + time.Second)
	if r := ts.swept(t, SweepOptions{Grace: 100 * 24 * time.Hour}); r.Claims != 1 || r.Removed != 0 {
		t.Errorf("%+v", r)
	}
}

// A manifest that cannot be read could name anything: nothing is removed.
func TestSweepStopsAtDamage(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := ts.record(t, a.deploy("docs", "", site{"/a.txt": "a"}))
	a.upload("docs", site{"/b.txt": "garbage"})
	ts.clock.advance(time.Hour)
	if err := ts.deps.Blobs.Remove(d.Manifest.Digest, ts.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if r, err := ts.Sweep(t.Context(), SweepOptions{}); !errors.Is(err, blob.ErrNotFound) || r.Removed != 0 || !ts.has("garbage") {
		t.Errorf("%+v, %v", r, err)
	}
}

// routesHook calls before in every Update that moves routes, before they are written.
type routesHook struct {
	RouteWriter
	before func()
}

func (h *routesHook) Apply(ctx context.Context, tx *store.Tx, c Change) error {
	if h.before != nil {
		h.before()
	}
	return h.RouteWriter.Apply(ctx, tx, c)
}

// A sweep whose view was frozen before the commit, and that gets to the blobs after the publication has let go of its pins, still
// must not take them. The sweep is stopped there by hand.
func TestSweepMarkedBeforeTheCommit(t *testing.T) {
	for _, when := range []string{"before the proof", "after the proof"} {
		t.Run(when, func(t *testing.T) {
			hook := &routesHook{}
			ts := newTestService(t, func(p *testParts) { hook.RouteWriter = RecordWriter(p.deps.Hasher); p.deps.Routes = hook })
			a := ts.api(t)
			a.project("docs")
			files := site{"/a.txt": "a", "/b.txt": "b"}
			old := a.deploy("docs", "dev", files)
			a.must("DELETE", projectsPath+"/docs/deployments/"+old.ID+"?force=true", nil)
			ts.clock.advance(time.Hour)
			w := &sweep{svc: ts.Service, cutoff: ts.clock.Now()}
			var end func()
			mark := func() {
				end = ts.upkeep.startSweep(newBloom(0))
				if err := w.mark(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if when == "before the proof" {
				mark()
			} else {
				hook.before = mark // the publication holds everything and has not committed
			}
			ans := a.postForm("docs", field{"manifest", files.manifest()}) // nothing is uploaded or touched
			if !ans.Success {
				t.Fatalf("%d %s", ans.Status, ans.Raw)
			}
			var d deploymentObject
			ans.into(t, &d)
			if err := w.removeBlobs(t.Context()); err != nil {
				t.Fatal(err)
			}
			end()
			ts.wantContent(t, d.ID, files)
			ts.clean(t)
		})
	}
}

// Deployments, deletions and sweeps without any grace, all at once: whatever was answered with success is whole.
func TestSweepRacesDeploys(t *testing.T) {
	ts := newTestService(t, func(p *testParts) { p.deps.Blobs = &blob.NewMem(blob.Options{}).Dir })
	a := ts.api(t)
	a.project("docs")
	p, err := ts.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	var wg, sweeper sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	sweeper.Go(func() {
		for ctx.Err() == nil {
			if _, err := ts.Sweep(ctx, SweepOptions{Grace: -time.Hour}); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for worker := range 3 {
		wg.Go(func() {
			done := 0
			for i := 0; i < 400 && done < 40; i++ {
				d, err := ts.publishDirectly(t, p, fmt.Sprintf("b%d", worker), site{"/a.txt": fmt.Sprint(i % 3), "/b.txt": "same"})
				if e := (*Error)(nil); errors.As(err, &e) {
					continue // swept between upload and proof: refused, not broken
				}
				if err != nil {
					t.Error(err)
					return
				}
				done++
				ts.wantContent(t, d.ID, site{"/a.txt": fmt.Sprint(i % 3), "/b.txt": "same"})
				if err := ts.deleteDeployment(t.Context(), p, ts.record(t, d), true); err != nil {
					t.Error(err)
					return
				}
			}
			if done == 0 {
				t.Error("no deployment came through")
			}
		})
	}
	wg.Wait()
	cancel()
	sweeper.Wait()
	ts.clean(t)
}

// publishDirectly is a deployment without HTTP: bytes, claims, publication.
func (s *testService) publishDirectly(t testing.TB, p store.Project, branch string, files site) (deploymentObject, error) {
	batch := s.deps.Blobs.NewBatch()
	defer batch.Abort()
	form := deploymentForm{Branch: branch}
	var claims []store.Claim
	for path, content := range files {
		k := keyOf(path, content)
		ref, err := storeBlob(batch, strings.NewReader(content), func(io.Reader) error { return nil })
		if err != nil {
			return deploymentObject{}, err
		}
		claims = append(claims, store.Claim{Project: p.No, Key: k, Blob: ref, Time: s.now()})
		form.Files = append(form.Files, manifestFile{path, k})
	}
	if err := batch.Commit(); err != nil {
		return deploymentObject{}, err
	}
	_, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		for _, c := range claims {
			if err := tx.PutClaim(c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return deploymentObject{}, err
	}
	return s.publish(t.Context(), p, form, s.deps.Blobs.NewBatch())
}

func TestBloom(t *testing.T) {
	b := newBloom(10000)
	digest := func(i int) manifest.Digest { return manifest.DigestOf([]byte(fmt.Sprint(i))) }
	for i := range 10000 {
		b.add(digest(i))
	}
	wrong := 0
	for i := range 20000 {
		switch has := b.has(digest(i)); {
		case i < 10000 && !has:
			t.Fatal("a digest that was added is not there")
		case i >= 10000 && has:
			wrong++
		}
	}
	if wrong > 100 {
		t.Errorf("%d of 10,000 strangers are there", wrong)
	}
	if n := len(newBloom(1 << 40).words); n*64 != bloomMaxBits {
		t.Errorf("%d words", n)
	}
}

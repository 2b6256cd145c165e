package control

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/store"
)

func TestDeleteDeployment(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	path := func(d deploymentObject) string { return projectsPath + "/docs/deployments/" + d.ID }
	old, live := a.deploy("docs", "main", site{"/a": "1"}), a.deploy("docs", "main", site{"/a": "2"})
	dev1, dev2, dev3 := a.deploy("docs", "dev", site{}), a.deploy("docs", "dev", site{}), a.deploy("docs", "dev", site{})

	for _, q := range []string{"", "?force=true"} {
		ans := a.refused("DELETE", path(live)+q, nil, http.StatusConflict, codeConflict)
		if !strings.Contains(ans.message(), "Roll back to or promote another one first") {
			t.Errorf("%s", ans.message())
		}
	}
	a.refused("DELETE", path(dev3), nil, http.StatusConflict, codeConflict)
	a.refused("DELETE", path(dev3)+"?force=maybe", nil, http.StatusBadRequest, codeBadRequest)
	a.must("DELETE", path(old), nil)
	a.must("DELETE", path(dev1), nil)
	ts.wantServes(t, map[string]string{old.ShortID + ".docs.pages.localhost": "", dev1.ShortID + ".docs.pages.localhost": "", "dev.docs.pages.localhost": dev3.ID})
	ts.clean(t)
	a.must("DELETE", path(dev3)+"?force=true", nil)
	ts.wantServes(t, map[string]string{"dev.docs.pages.localhost": dev2.ID})
	ts.clean(t)
	a.must("DELETE", path(dev2)+"?force=true", nil)
	ts.wantServes(t, map[string]string{"dev.docs.pages.localhost": "", "docs.pages.localhost": live.ID, "main.docs.pages.localhost": live.ID})
	a.refused("DELETE", path(dev2), nil, http.StatusNotFound, codeNotFound)
	var p projectObject
	a.must("GET", projectsPath+"/docs", nil).into(t, &p)
	if p.Latest == nil || p.Latest.ID != live.ID {
		t.Errorf("latest is %+v", p.Latest)
	}
	ts.clean(t)
}

// Two forced deletions of one branch, however they interleave, leave it at what is left.
func TestDeleteDeploymentRetriesAfterARace(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	one, two, three := a.deploy("docs", "dev", site{}), a.deploy("docs", "dev", site{}), a.deploy("docs", "dev", site{})
	p, d2, d3 := ts.record(t, two), ts.record(t, two), ts.record(t, three)
	project, err := ts.deps.Store.Project(p.Project)
	if err != nil {
		t.Fatal(err)
	}
	// The fallback of the second was looked for while the third was the newest: not found out.
	back, err := ts.fallBack(project, d2, true)
	if err != nil || back.known {
		t.Fatalf("%+v, %v", back, err)
	}
	if err := ts.deleteDeployment(t.Context(), project, d3, true); err != nil {
		t.Fatal(err)
	}
	_, err = ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return ts.unpublish(t.Context(), tx, project, d2, true, back) })
	if !errors.Is(err, errMoved) {
		t.Fatalf("got %v, want errMoved", err)
	}
	if err := ts.deleteDeployment(t.Context(), project, d2, true); err != nil {
		t.Fatal(err)
	}
	ts.wantServes(t, map[string]string{"dev.docs.pages.localhost": one.ID})
	ts.clean(t)
}

func (s *testService) record(t testing.TB, o deploymentObject) store.Deployment {
	t.Helper()
	p, err := s.deps.Store.ProjectByName(o.ProjectName)
	if err != nil {
		t.Fatal(err)
	}
	d, err := findDeployment(&s.deps.Store.Reader, p.No, o.ID)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// fill adds deployments straight to the store, many to an Update, as publications would have.
func (s *testService) fill(t testing.TB, project string, n int, branchOf func(int) string) {
	t.Helper()
	s.fillBy(t, 50, project, n, branchOf) // the race detector also turns on Pebble's own checks, which make large batches very slow
}

func (s *testService) fillBy(t testing.TB, chunk int, project string, n int, branchOf func(int) string) {
	t.Helper()
	p, err := s.deps.Store.ProjectByName(project)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := manifest.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	digest, size, err := s.deps.Blobs.Put(strings.NewReader(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	still := &move{svc: s.Service, keep: s.opts.KeepAssets, branches: func(store.Project) []string { return nil }} // of no target
	for start := 0; start < n; start += chunk {
		_, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
			for i := start; i < min(n, start+chunk); i++ {
				pr := s.newProver(p, s.upkeep.reserve(), nil)
				pr.hold.release()
				pub := &publication{svc: s.Service, project: p, form: deploymentForm{Branch: branchOf(i)}, prover: pr, manifest: store.FileRef{Digest: digest, Size: size}}
				if _, err := pub.commit(t.Context(), tx, still); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestBulkDelete(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	a.project("docs")
	rotating := func(i int) string { return []string{"main", "dev", "feat/x"}[i%3] }
	ts.fill(t, "docs", 900, rotating)
	first := a.deploy("docs", "main", site{})
	a.must("POST", projectsPath+"/docs/deployments/"+first.ID+"/promote", nil)
	ts.clock.advance(40 * 24 * time.Hour)
	ts.fill(t, "docs", 600, rotating)

	bulk := func(query string) (r bulkReport) {
		t.Helper()
		a.must("DELETE", projectsPath+"/docs/deployments?"+query, nil).into(t, &r)
		return r
	}
	for _, q := range []string{"", "branch=dev", "dry_run=true", "keep=-1", "keep=x", "older_than=soon", "older_than=9999999d", "older_than=65535w", "older_than=-1h", "keep=1&environment=x", "keep=1&dry_run=x"} {
		a.refused("DELETE", projectsPath+"/docs/deployments?"+q, nil, http.StatusBadRequest, codeBadRequest)
	}
	dry := bulk("older_than=30d&dry_run=true")
	// The production deployment is live by now: the newest of main.
	if dry.Deleted != 901 || !dry.DryRun || dry.Kept != 600 || ts.count(t, "docs") != 1501 || len(dry.IDs) != 901 {
		t.Errorf("dry run: %d deleted, %d kept, %d IDs", dry.Deleted, dry.Kept, len(dry.IDs))
	}
	if got := bulk("older_than=30d&branch=dev"); got.Deleted != 300 || got.Kept != 200 {
		t.Errorf("branch: %+v", got)
	}
	if got := bulk("older_than=30d&keep=100"); got.Deleted != 601 || got.Kept != 600 {
		t.Errorf("age and keep: %d, %d", got.Deleted, got.Kept)
	}
	ts.clean(t)
	a.must("POST", projectsPath+"/docs/deployments/"+a.oldest("docs")+"/rollback", nil)
	// The oldest is live now, and the newest of each branch is aliased: both stay though neither is among the newest 2.
	if got := bulk("keep=2"); got.Deleted != 596 || got.Kept != 4 {
		t.Errorf("keep: %d, %d", got.Deleted, got.Kept)
	}
	if got := bulk("keep=0&environment=preview"); got.Deleted != 0 || got.Kept != 2 {
		t.Errorf("previews: %+v", got)
	}
	if n := ts.count(t, "docs"); n != 4 {
		t.Errorf("%d left", n)
	}
	ts.clean(t)
}

func (a *api) oldest(project string) string {
	a.t.Helper()
	p, err := a.s.deps.Store.ProjectByName(project)
	if err != nil {
		a.t.Fatal(err)
	}
	id := ""
	for d, err := range a.s.deps.Store.DeploymentsOf(p.No, 0) {
		if err != nil {
			a.t.Fatal(err)
		}
		id = d.UUID.String()
	}
	return id
}

// A project with more than one batch holds goes away in steps, each of them clean, and a kill between two is made good.
func TestDeleteLargeProjectInSteps(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	a.project("docs")
	a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "www.example.com"})
	ts.fill(t, "docs", 1300, func(i int) string { return fmt.Sprintf("b%d", i%1100) })
	live := a.deploy("docs", "main", site{"/a": "x"})
	ts.clean(t)
	p, err := ts.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	step := func() (done bool) {
		t.Helper()
		_, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) (err error) {
			done, err = ts.deleteSome(t.Context(), tx, p.No, deleteAtOnce, &deletion{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	if step() {
		t.Fatal("gone in one step")
	}
	ts.wantServes(t, map[string]string{"docs.pages.localhost": "", "www.example.com": "", live.ShortID + ".docs.pages.localhost": live.ID})
	ts.clean(t)
	a.refused("POST", projectsPath, map[string]any{"name": "docs"}, http.StatusConflict, codeConflict)
	if step() {
		t.Fatal("gone in two steps")
	}
	ts.clean(t)
	// What a restart does.
	ctx, cancel := context.WithCancel(t.Context())
	stop := ts.deps.Store.OnCommit(func(store.Commit) {
		if _, err := ts.deps.Store.ProjectByName("docs"); errors.Is(err, store.ErrNotFound) {
			cancel()
		}
	})
	defer stop()
	if err := ts.runMaintenance(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	sum := ts.clean(t)
	if sum.Deployments != 0 || sum.Routes != 0 || sum.Projects != 0 {
		t.Errorf("left behind: %+v", sum)
	}
	a.project("docs")
}

// A step begins where the one before ended: what that deleted is not walked over again.
func TestDeletionGoesOnWhereItStopped(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	ts.api(t).project("docs")
	ts.fill(t, "docs", 50, func(i int) string { return fmt.Sprintf("b%d", i%20) })
	p, err := ts.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	var at, before deletion
	for steps, done := 0, false; !done; steps++ {
		_, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) (err error) {
			done, err = ts.deleteSome(t.Context(), tx, p.No, 7, &at)
			return err
		})
		if err != nil || steps > 20 {
			t.Fatalf("%d steps: %v", steps, err)
		}
		if !done && at == before {
			t.Fatalf("step %d is not after the one before: %+v", steps, at)
		}
		before = at
		for d, err := range ts.deps.Store.DeploymentsOf(p.No, 0) {
			if err != nil || at.deployment != 0 && d.No >= at.deployment {
				t.Fatalf("deployment %d is left, %v; the deletion is at %d", d.No, err, at.deployment)
			}
		}
		for b, err := range ts.deps.Store.Branches(p.No) {
			if err != nil || b.Name <= at.branch {
				t.Fatalf("branch %s is left, %v; the deletion is at %s", b.Name, err, at.branch)
			}
		}
	}
	if sum := ts.clean(t); sum.Deployments != 0 || sum.Routes != 0 || sum.Projects != 0 {
		t.Errorf("left behind: %+v", sum)
	}
}

func TestDeleteSmallProjectInOneBatch(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	a.project("docs")
	ts.fill(t, "docs", 1000, func(i int) string { return fmt.Sprintf("b%d", i) })
	rev := ts.deps.Store.Revision()
	a.must("DELETE", projectsPath+"/docs", nil)
	if got := ts.deps.Store.Revision(); got != rev+1 {
		t.Errorf("%d commits", got-rev)
	}
	if sum := ts.clean(t); sum.Deployments != 0 || sum.Routes != 0 {
		t.Errorf("%+v", sum)
	}
}

func TestParseAge(t *testing.T) {
	for in, want := range map[string]time.Duration{"30d": 720 * time.Hour, "2w": 336 * time.Hour, "0s": 0, "90m": 90 * time.Minute, "0d": 0} {
		if got, err := parseAge(in); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "d", "-1d", "1.5d", "36501d", "65535w", "99999999999999999999d", "-5m", "5"} {
		if got, err := parseAge(in); err == nil {
			t.Errorf("%q is %v", in, got)
		}
	}
}

// A long random life of one project: after each step everything is as it should be.
func TestRandomLifeStaysConsistent(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	a.project("docs")
	a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "www.example.com"})
	a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "dev.example.com", "branch": "feat/x"})
	branches := []string{"", "feat/x", "feat.x", "feat-x", "Feat-X", "deadbeef", "main"}
	rnd := rand.New(rand.NewPCG(1, 2))
	var ids []string
	for range 120 {
		switch {
		case len(ids) == 0 || rnd.IntN(5) < 2:
			ids = append(ids, a.deploy("docs", branches[rnd.IntN(len(branches))], site{"/a": fmt.Sprint(rnd.IntN(9))}).ID)
		case rnd.IntN(3) == 0:
			a.do("POST", projectsPath+"/docs/deployments/"+ids[rnd.IntN(len(ids))]+"/rollback", nil)
		default:
			a.do("DELETE", projectsPath+"/docs/deployments/"+ids[rnd.IntN(len(ids))]+"?force=true", nil)
		}
		sum, err := ts.Fsck(t.Context(), FsckOptions{SkipContent: true}, func(p Problem) { t.Error(p) })
		if err != nil || t.Failed() {
			t.Fatalf("%+v, %v", sum, err)
		}
	}
	if diff := cmp.Diff(0, ts.clean(t).Problems); diff != "" {
		t.Error(diff)
	}
}

package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/store"
)

const week = 7 * 24 * time.Hour

// target is a target's record; an empty one if there is none.
func (s *testService) target(t testing.TB, project, branch string) store.Target {
	t.Helper()
	p, err := s.deps.Store.ProjectByName(project)
	if err != nil {
		t.Fatal(err)
	}
	got, err := targetOf(&s.deps.Store.Reader, p.No, branch)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// keeps is what a target answers now of earlier deployments: path → the short ID of the deployment whose file it is.
func (s *testService) keeps(t testing.TB, project, branch string) map[string]string {
	t.Helper()
	target, found := s.target(t, project, branch), map[string]string{}
	if target.Kept == (store.FileRef{}) {
		return found
	}
	index, err := s.readIndex(target)
	if err != nil {
		t.Fatal(err)
	}
	for f := range index.All() {
		if _, ok := index.Lookup(f.Path, s.now().Unix()); !ok {
			continue
		}
		d, err := s.deps.Store.Deployment(store.DeploymentNo(f.Source))
		if err != nil {
			t.Fatalf("%s is of deployment %d: %v", f.Path, f.Source, err)
		}
		found[f.Path] = shortID(d.UUID)
	}
	return found
}

func (s *testService) wantKept(t testing.TB, when, project, branch string, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, s.keeps(t, project, branch)); diff != "" {
		t.Errorf("%s, %s keeps (-want +got): %s", when, targetName(branch), diff)
	}
}

// past is what a target remembers, newest first, by short IDs.
func (s *testService) past(t testing.TB, project, branch string) []string {
	t.Helper()
	var ids []string
	for _, past := range s.target(t, project, branch).Past {
		d, err := s.deps.Store.Deployment(past.Deployment)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, shortID(d.UUID))
	}
	return ids
}

func (s *testService) wantPast(t testing.TB, when, project, branch string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.past(t, project, branch)); diff != "" {
		t.Errorf("%s, %s remembers (-want +got): %s", when, targetName(branch), diff)
	}
}

// short is the ID that hosts and tests know a deployment by.
func short(d deploymentObject) string { return d.ID[:8] }

type keptMap = map[string]string

// The whole life of production's index.
func TestContinuityOfProduction(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a1 := a.deploy("docs", "", site{"/index.html": "1", "/app.1.js": "a1", "/style.css": "same", "/app.1.js.map": "m", "/old.html": "o", "/.secret": "s"})
	ts.wantKept(t, "first", "docs", "", keptMap{})
	ts.wantPast(t, "first", "docs", "")
	a2 := a.deploy("docs", "", site{"/index.html": "2", "/app.2.js": "a2", "/style.css": "same"})
	ts.wantKept(t, "deployed", "docs", "", keptMap{"/app.1.js": short(a1)})
	ts.wantKept(t, "deployed", "docs", "main", keptMap{"/app.1.js": short(a1)})
	ts.wantPast(t, "deployed", "docs", "", short(a1))
	if log := a.logOf("docs", a2.ID); !strings.Contains(log, "1 file of earlier deployments, which this one does not have, will still be answered for up to 7d.") {
		t.Errorf("log: %s", log)
	}
	ts.clock.advance(24 * time.Hour)
	a3 := a.deploy("docs", "", site{"/index.html": "3", "/app.3.js": "a3"})
	ts.wantKept(t, "third", "docs", "", keptMap{"/app.1.js": short(a1), "/app.2.js": short(a2), "/style.css": short(a2)})
	ts.clean(t)

	a.must("POST", projectsPath+"/docs/deployments/"+a1.ID+"/rollback", nil)
	ts.wantKept(t, "rolled back", "docs", "", keptMap{"/app.2.js": short(a2), "/app.3.js": short(a3)})
	ts.wantPast(t, "rolled back", "docs", "", short(a3), short(a2))
	ts.wantKept(t, "production rolled back", "docs", "main", keptMap{"/app.1.js": short(a1), "/app.2.js": short(a2), "/style.css": short(a2)})
	ts.wantPast(t, "production rolled back", "docs", "main", short(a2), short(a1))

	dev := a.deploy("docs", "dev", site{"/dev.js": "d"})
	a.must("POST", projectsPath+"/docs/deployments/"+dev.ID+"/promote", nil)
	ts.wantKept(t, "promoted", "docs", "", keptMap{"/app.1.js": short(a1), "/app.2.js": short(a2), "/app.3.js": short(a3), "/style.css": short(a1)})
	ts.wantKept(t, "promoted", "docs", "dev", keptMap{})
	a.must("POST", projectsPath+"/docs/deployments/"+dev.ID+"/promote", nil) // once more is no move
	ts.wantPast(t, "promoted twice", "docs", "", short(a1), short(a3), short(a2))
	ts.clean(t)

	a.must("DELETE", projectsPath+"/docs/deployments/"+a2.ID, nil)
	ts.wantKept(t, "deleted", "docs", "", keptMap{"/app.1.js": short(a1), "/app.3.js": short(a3), "/style.css": short(a1)})
	ts.wantKept(t, "deleted", "docs", "main", keptMap{"/app.1.js": short(a1)})
	ts.wantPast(t, "deleted", "docs", "", short(a1), short(a3))
	ts.clean(t)

	ts.clock.advance(week - 24*time.Hour - time.Second)
	ts.wantKept(t, "almost a week after the second", "docs", "main", keptMap{"/app.1.js": short(a1)})
	ts.clock.advance(24 * time.Hour)
	ts.wantKept(t, "almost a week after the promotion", "docs", "", keptMap{"/app.1.js": short(a1), "/app.3.js": short(a3), "/style.css": short(a1)})
	ts.clock.advance(time.Second)
	ts.wantKept(t, "a week after the promotion", "docs", "", keptMap{})
	ts.clean(t)
}

// What a host moves to redirects is not kept, in whatever way it is redirected; what is there again is not either.
func TestContinuityYieldsToTheNewDeployment(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a1 := a.deploy("docs", "", site{"/a.js": "a", "/b.js": "b", "/c/d.css": "d", "/back.js": "1", "/same.js": "s"})
	a.deploy("docs", "", site{"/same.js": "s"}, field{"_redirects", "/a.js /elsewhere 301\n/c/* /elsewhere 302\n"})
	ts.wantKept(t, "redirected", "docs", "", keptMap{"/b.js": short(a1), "/back.js": short(a1)})
	a3 := a.deploy("docs", "", site{"/back.js": "3"})
	ts.wantKept(t, "back", "docs", "", keptMap{"/b.js": short(a1), "/same.js": short(firstOf(a, "docs", 1))})
	a.deploy("docs", "", site{})
	ts.wantKept(t, "gone again", "docs", "", keptMap{"/b.js": short(a1), "/back.js": short(a3), "/same.js": short(firstOf(a, "docs", 2))})
	ts.clean(t)
}

// A file that a deployment has but redirects was never served: taking the rule away must not publish it.
func TestContinuityKeepsNothingThatWasRedirected(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a1 := a.deploy("docs", "", site{"/secret.js": "s", "/c/d.css": "d", "/b.js": "b"}, field{"_redirects", "/secret.js /login 302\n/c/* /elsewhere 200\n"})
	a.deploy("docs", "", site{})
	ts.wantKept(t, "without files and rules", "docs", "", keptMap{"/b.js": short(a1)})
	ts.clean(t)
}

// firstOf is the n-th newest deployment, from 0.
func firstOf(a *api, project string, n int) deploymentObject {
	a.t.Helper()
	var all []deploymentObject
	a.must("GET", projectsPath+"/"+project+"/deployments", nil).into(a.t, &all)
	return all[n]
}

// A branch whose newest deployment is deleted moves back; what that one left behind ends with it.
func TestContinuityOfABranchThatFallsBack(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d1 := a.deploy("docs", "dev", site{"/1.js": "1"})
	d2 := a.deploy("docs", "dev", site{"/2.js": "2"})
	d3 := a.deploy("docs", "dev", site{"/3.js": "3"})
	a.must("POST", projectsPath+"/docs/deployments/"+d3.ID+"/promote", nil)
	a.must("POST", projectsPath+"/docs/deployments/"+d1.ID+"/promote", nil)
	ts.wantKept(t, "before", "docs", "", keptMap{"/3.js": short(d3)})
	a.must("DELETE", projectsPath+"/docs/deployments/"+d3.ID+"?force=true", nil)
	ts.wantKept(t, "fallen back", "docs", "dev", keptMap{"/1.js": short(d1)})
	ts.wantPast(t, "fallen back", "docs", "dev", short(d1))
	ts.wantKept(t, "fallen back", "docs", "", keptMap{})
	ts.wantServes(t, map[string]string{"dev.docs.pages.localhost": d2.ID})
	ts.clean(t)
	a.must("POST", projectsPath+"/docs/deployments/"+d2.ID+"/promote", nil)
	a.must("DELETE", projectsPath+"/docs/deployments/"+d1.ID, nil)
	ts.wantPast(t, "all deleted", "docs", "dev")
	ts.clean(t)
	last := a.deploy("docs", "", site{})
	a.must("DELETE", projectsPath+"/docs/deployments/"+d2.ID+"?force=true", nil)
	ts.wantPast(t, "the branch is gone", "docs", "")
	a.deploy("docs", "", site{"/x": "x"})
	ts.wantPast(t, "production goes on", "docs", "", short(last))
	ts.clean(t)
	a.must("DELETE", projectsPath+"/docs", nil)
	for got, err := range ts.deps.Store.AllTargets() {
		t.Errorf("a target of a deleted project: %+v, %v", got, err)
	}
	ts.clean(t)
}

func TestContinuityAfterBulkDelete(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	for i := range 4 {
		a.deploy("docs", "", site{fmt.Sprintf("/%d.js", i): fmt.Sprint(i)})
	}
	last := firstOf(a, "docs", 1)
	a.must("DELETE", projectsPath+"/docs/deployments?keep=2", nil)
	ts.wantKept(t, "deleted", "docs", "", keptMap{"/2.js": short(last)})
	ts.wantPast(t, "deleted", "docs", "", short(last))
	ts.clean(t)
}

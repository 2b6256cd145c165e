package control

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
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

func TestContinuitySettings(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	set := func(keep any) {
		t.Helper()
		a.must("PATCH", projectsPath+"/docs", map[string]any{"site": map[string]any{"keep_assets": keep}})
	}
	a1 := a.deploy("docs", "", site{"/1.js": "1"})
	set("2h")
	a2 := a.deploy("docs", "", site{"/2.js": "2"})
	ts.clock.advance(2*time.Hour - time.Second)
	ts.wantKept(t, "for two hours", "docs", "", keptMap{"/1.js": short(a1)})
	ts.clock.advance(time.Second)
	ts.wantKept(t, "after two hours", "docs", "", keptMap{})
	set(nil)
	a.deploy("docs", "", site{"/3.js": "3"})
	dev1 := a.deploy("docs", "dev", site{"/d.js": "d", "/berth.toml": "keep_assets = \"1d\"\n"})
	a.deploy("docs", "dev", site{"/berth.toml": "keep_assets = \"1d\"\n"})
	set("off") // but one branch has its own say
	ts.wantKept(t, "off", "docs", "", keptMap{})
	ts.wantKept(t, "off", "docs", "dev", keptMap{"/d.js": short(dev1)})
	ts.wantPast(t, "off", "docs", "", short(a2), short(a1))
	a.deploy("docs", "", site{"/4.js": "4"})
	ts.wantKept(t, "still off", "docs", "", keptMap{})
	set(nil)
	a.deploy("docs", "", site{"/5.js": "5", "/berth.toml": "keep_assets = \"off\"\n"})
	ts.wantKept(t, "off in the deployment", "docs", "", keptMap{})
	ts.clean(t)
}

func TestContinuityOffOnTheServer(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a1 := a.deploy("docs", "", site{"/1.js": "1"})
	a.deploy("docs", "", site{"/2.js": "2"})
	ts.wantKept(t, "on", "docs", "", keptMap{"/1.js": short(a1)})
	opts := ts.opts
	opts.KeepAssets = -1
	off, err := New(ts.deps, opts)
	if err != nil {
		t.Fatal(err)
	}
	off.expireTargets(t.Context())
	ts.wantKept(t, "off", "docs", "", keptMap{})
	ts.wantPast(t, "off", "docs", "", short(a1))
	ts.clock.advance(25 * time.Hour) // more than pages are pinned for
	off.expireTargets(t.Context())
	ts.wantPast(t, "a day later", "docs", "")
	ts.clean(t)
}

// A sweep keeps the indexes that targets name, and no others.
func TestSweepKeepsIndexes(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a1 := a.deploy("docs", "", site{"/1.js": "1"})
	a2 := a.deploy("docs", "", site{"/2.js": "2"})
	old := ts.target(t, "docs", "").Kept
	a.deploy("docs", "", site{"/3.js": "3"})
	ts.clock.advance(48 * time.Hour)
	if r := ts.swept(t, SweepOptions{Grace: time.Hour}); r.Removed != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := ts.deps.Blobs.Stat(old.Digest); err == nil {
		t.Error("the index of a deployment that nothing serves is still there")
	}
	ts.wantKept(t, "swept", "docs", "", keptMap{"/1.js": short(a1), "/2.js": short(a2)})
	ts.clean(t)
	// In the end nobody wants it any more.
	ts.clock.advance(week)
	ts.expireTargets(t.Context())
	ts.wantPast(t, "expired", "docs", "")
	if r := ts.swept(t, SweepOptions{Grace: time.Hour}); r.Removed != 1 {
		t.Errorf("after a week: %+v", r)
	}
	ts.clean(t)
}

func TestMaxKeptFiles(t *testing.T) {
	ts := newTestService(t, func(p *testParts) { p.opts.MaxKeptFiles = 3 })
	a := ts.api(t)
	a.project("docs")
	x1 := a.deploy("docs", "x", site{"/x.js": "x", "/y.js": "y"})
	a.deploy("docs", "x", site{})
	ts.wantKept(t, "alone", "docs", "x", keptMap{"/x.js": short(x1), "/y.js": short(x1)})
	m1 := a.deploy("docs", "", site{"/1.js": "1"})
	a.deploy("docs", "", site{})
	ts.wantKept(t, "one more", "docs", "x", keptMap{"/x.js": short(x1), "/y.js": short(x1)})
	ts.clock.advance(time.Minute)
	z1 := a.deploy("docs", "z", site{"/z.js": "z"})
	z2 := a.deploy("docs", "z", site{})
	ts.wantKept(t, "newest", "docs", "z", keptMap{"/z.js": short(z1)})
	ts.wantKept(t, "given up", "docs", "x", keptMap{})
	ts.wantKept(t, "production", "docs", "", keptMap{"/1.js": short(m1)})
	if log := a.logOf("docs", z2.ID); !strings.Contains(log, "2 files of earlier deployments will no longer be answered: a project keeps 3 at most, the newest.") {
		t.Errorf("log: %s", log)
	}
	m3 := a.deploy("docs", "", site{"/2.js": "2", "/3.js": "3", "/4.js": "4"})
	ts.clock.advance(time.Minute)
	m4 := a.deploy("docs", "", site{})
	ts.wantKept(t, "full", "docs", "", keptMap{"/2.js": short(m3), "/3.js": short(m3), "/4.js": short(m3)})
	ts.wantKept(t, "full", "docs", "main", keptMap{"/2.js": short(m3), "/3.js": short(m3), "/4.js": short(m3)})
	ts.wantKept(t, "full", "docs", "z", keptMap{})
	if log := a.logOf("docs", m4.ID); !strings.Contains(log, "2 files of earlier deployments will no longer be answered") {
		t.Errorf("log: %s", log)
	}
	a.deploy("docs", "z", site{"/z.js": "z"})
	a.deploy("docs", "z", site{})
	ts.wantKept(t, "no room", "docs", "z", keptMap{})
	ts.clean(t)
}

// Nobody deploys less because what is over cannot be read.
func TestContinuityWithADamagedDeployment(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	one := a.deploy("docs", "", site{"/1.js": "1"})
	ref := ts.record(t, one).Manifest
	if err := os.WriteFile(ts.blobFile(ref.Digest), make([]byte, ref.Size), 0o600); err != nil {
		t.Fatal(err)
	}
	two := a.deploy("docs", "", site{"/2.js": "2"})
	ts.wantKept(t, "damaged", "docs", "", keptMap{})
	ts.wantPast(t, "damaged", "docs", "", short(one))
	if log := a.logOf("docs", two.ID); !strings.Contains(log, "could not make their index") {
		t.Errorf("log: %s", log)
	}
	a.deploy("docs", "", site{})
	ts.wantKept(t, "the next one", "docs", "", keptMap{"/2.js": short(two)})
}

// Too many deployments in a short time cost the oldest of them.
func TestPastIsBounded(t *testing.T) {
	ts := newTestService(t, nil)
	m := &move{svc: ts.Service, now: ts.now(), to: store.Deployment{No: 1000}}
	before := store.Target{Project: 1}
	for i := range maxPast + 5 {
		before.Past = append(before.Past, store.Past{Deployment: store.DeploymentNo(i + 1), Left: m.now.Add(-time.Duration(i) * time.Second)})
	}
	after := m.after(before, 999)
	if len(after.Past) != maxPast || after.Past[0] != (store.Past{Deployment: 999, Left: m.now}) || after.Past[1] != before.Past[0] {
		t.Errorf("%d: %+v…", len(after.Past), after.Past[:2])
	}
	m.to.No = 1
	if after = m.after(before, 999); after.Past[1] != before.Past[1] {
		t.Error("what is served again is still past")
	}
	m.now = m.now.Add(week)
	if after = m.after(before, 999); len(after.Past) != 1 {
		t.Errorf("after a week: %d", len(after.Past))
	}
}

// A domain that follows a branch says so in its record.
func TestDomainOfABranchIsMarked(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "www.example.com"})
	a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "*.dev.example.com", "branch": "dev"})
	a.deploy("docs", "", site{})
	a.deploy("docs", "dev", site{})
	plain, err := ts.deps.Store.Route(ts.deps.Hasher.Key("www.example.com"))
	if err != nil || plain.Flags != 0 {
		t.Errorf("%+v, %v", plain, err)
	}
	marked, err := ts.deps.Store.Wildcard(ts.deps.Hasher.Key("dev.example.com"))
	if err != nil || marked.Flags != store.FlagFollowsBranch {
		t.Errorf("%+v, %v", marked, err)
	}
	ts.clean(t)
	_, err = ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		marked.Flags = 0
		return tx.SetWildcard(ts.deps.Hasher.Key("dev.example.com"), marked)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, problems := ts.fsck(t); len(problems) != 1 || problems[0].Class != ProblemDifferent {
		t.Errorf("%v", problems)
	}
}

func TestFsckTargets(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func(ts *testService, tx *store.Tx, target store.Target) error
		want   string
	}{
		"now in the past": {func(ts *testService, tx *store.Tx, target store.Target) error {
			target.Past[0].Deployment++
			return tx.PutTarget(target)
		}, `index: what production of project docs served: deployment 2 is what it serves now; end it with: berth purge --production --project docs`},
		"past is gone": {func(ts *testService, tx *store.Tx, target store.Target) error {
			target.Past[0].Deployment = 99
			return tx.PutTarget(target)
		}, `index: what production of project docs served: deployment 99: `},
		"no such branch": {func(ts *testService, tx *store.Tx, target store.Target) error {
			target.Branch = "never"
			return tx.PutTarget(target)
		}, `index: what branch "never" of project docs served: there is no such branch`},
		"no such project": {func(ts *testService, tx *store.Tx, target store.Target) error {
			target.Project = 77
			return tx.PutTarget(target)
		}, `index: what production of project number 77 served: its project`},
		"of another branch": {func(ts *testService, tx *store.Tx, target store.Target) error {
			target.Branch = "dev"
			return tx.PutTarget(target)
		}, `index: what branch "dev" of project docs served: deployment 1 is of branch "main"; end it with: berth purge --branch "dev" --project docs`},
		"too many files": {func(ts *testService, tx *store.Tx, target store.Target) error {
			target.KeptFiles = 0
			return tx.PutTarget(target)
		}, `kept: what production of project docs served: the index has 1 files, its record says 0; end it with`},
		"no index": {func(ts *testService, tx *store.Tx, target store.Target) error {
			target.Kept.Digest = manifest.DigestOf([]byte("1"))
			target.Kept.Size = 1
			return tx.PutTarget(target)
		}, `kept: what production of project docs served: the index of its files: kept: corrupt encoding`},
		"index is gone": {func(ts *testService, tx *store.Tx, target store.Target) error {
			target.Kept.Digest = manifest.Digest{}
			return tx.PutTarget(target)
		}, `kept: what production of project docs served: the index of its files: `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of its time is the disk's
			ts := newTestService(t, nil)
			a := ts.api(t)
			a.project("docs")
			a.deploy("docs", "", site{"/1.js": "1"})
			a.deploy("docs", "", site{"/2.js": "2"})
			a.deploy("docs", "dev", site{})
			if sum := ts.clean(t); sum.Targets != 2 {
				t.Errorf("%d targets", sum.Targets)
			}
			_, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tc.damage(ts, tx, ts.target(t, "docs", "")) })
			if err != nil {
				t.Fatal(err)
			}
			_, problems := ts.fsck(t)
			if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), tc.want) {
				t.Errorf("%v\nwant %s", problems, tc.want)
			}
		})
	}
}

// A plan that does not fit any more is made again, and in the end given up.
func TestMovesAreReplanned(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a1 := a.deploy("docs", "", site{"/1.js": "1"})
	a2 := a.deploy("docs", "", site{"/2.js": "2"})
	a3 := a.deploy("docs", "", site{"/3.js": "3"})
	p, err := ts.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	back := func(between func(try int)) error {
		hold := ts.upkeep.reserve()
		defer hold.release()
		m := &move{svc: ts.Service, hold: hold, project: p, to: ts.record(t, a1), branches: func(store.Project) []string { return []string{production} }}
		try := 0
		return ts.moveTargets(t.Context(), m, func() error {
			between(try)
			try++
			_, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
				_, err := ts.setLive(t.Context(), tx, m, "a rollback")
				return err
			})
			return err
		})
	}
	change := func(d time.Duration) {
		if _, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
			target := ts.target(t, "docs", "")
			target.Past[0].Left = target.Past[0].Left.Add(d)
			return tx.PutTarget(target)
		}); err != nil {
			t.Fatal(err)
		}
	}
	err = back(func(int) { change(time.Second) })
	if e := (*Error)(nil); !errors.As(err, &e) || e.Status != http.StatusConflict || !strings.Contains(e.Message, "try again") {
		t.Errorf("got %v", err)
	}
	ts.wantServes(t, map[string]string{"docs.pages.localhost": a3.ID})
	err = back(func(try int) {
		if try == 0 {
			change(time.Second)
		}
	})
	if err != nil {
		t.Error(err)
	}
	ts.wantServes(t, map[string]string{"docs.pages.localhost": a1.ID})
	ts.wantKept(t, "in the second try", "docs", "", keptMap{"/2.js": short(a2), "/3.js": short(a3)})
	ts.clean(t)
}

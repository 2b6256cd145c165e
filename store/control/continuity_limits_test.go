package control

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"berth/store"
)

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

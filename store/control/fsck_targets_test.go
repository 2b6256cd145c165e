package control

import (
	"strings"
	"testing"

	"berth/assets/manifest"
	"berth/store"
)

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

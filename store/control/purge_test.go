package control

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/store"
)

// purged asks for a purge.
func (a *api) purged(project string, in map[string]any) purgeObject {
	a.t.Helper()
	var got purgeObject
	a.must("POST", projectsPath+"/"+project+"/purge", in).into(a.t, &got)
	return got
}

func TestPurge(t *testing.T) {
	dev := "dev"
	for name, tc := range map[string]struct {
		in              map[string]any
		want            purgeObject
		production, dev keptMap
		past            string
	}{
		"everything": {map[string]any{}, purgeObject{7, []purgedObject{
			{nil, 3, []string{"/1.js", "/2.js", "/both.js"}, []string{"A2", "A1"}},
			{&dev, 1, []string{"/d.js"}, []string{"D1"}},
			{nil, 3, []string{"/1.js", "/2.js", "/both.js"}, []string{"A2", "A1"}},
		}}, keptMap{}, keptMap{}, ""},
		"production": {map[string]any{"production": true}, purgeObject{3, []purgedObject{
			{nil, 3, []string{"/1.js", "/2.js", "/both.js"}, []string{"A2", "A1"}},
		}}, keptMap{}, keptMap{"/d.js": "D1"}, ""},
		"branch": {map[string]any{"branch": "dev"}, purgeObject{1, []purgedObject{{&dev, 1, []string{"/d.js"}, []string{"D1"}}}},
			keptMap{"/1.js": "A1", "/2.js": "A2", "/both.js": "A2"}, keptMap{}, "A2 A1"},
		"deployment": {map[string]any{"deployment": "A1", "production": true}, purgeObject{1, []purgedObject{{nil, 1, []string{"/1.js"}, []string{"A1"}}}},
			keptMap{"/2.js": "A2", "/both.js": "A2"}, keptMap{"/d.js": "D1"}, "A2"},
		"paths": {map[string]any{"paths": []string{"/both.js", "/none.js", "/1.js"}, "production": true}, purgeObject{2, []purgedObject{{nil, 2, []string{"/1.js", "/both.js"}, []string{}}}},
			keptMap{"/2.js": "A2"}, keptMap{"/d.js": "D1"}, "A2 A1"},
		"a path of a deployment": {map[string]any{"paths": []string{"/both.js", "/1.js"}, "production": true, "deployment": "A2"},
			purgeObject{1, []purgedObject{{nil, 1, []string{"/both.js"}, []string{}}}},
			keptMap{"/1.js": "A1", "/2.js": "A2"}, keptMap{"/d.js": "D1"}, "A2 A1"},
		"what is not kept": {map[string]any{"paths": []string{"/3.js"}}, purgeObject{0, []purgedObject{}},
			keptMap{"/1.js": "A1", "/2.js": "A2", "/both.js": "A2"}, keptMap{"/d.js": "D1"}, "A2 A1"},
		"what is served": {map[string]any{"deployment": "A3"}, purgeObject{0, []purgedObject{}},
			keptMap{"/1.js": "A1", "/2.js": "A2", "/both.js": "A2"}, keptMap{"/d.js": "D1"}, "A2 A1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of its time is the disk's
			ts := newTestService(t, nil)
			a := ts.api(t)
			a.project("docs")
			ids := map[string]string{}
			for _, d := range []struct {
				name, branch string
				files        site
			}{
				{"A1", "", site{"/1.js": "1", "/both.js": "b1"}}, {"A2", "", site{"/2.js": "2", "/both.js": "b2"}}, {"A3", "", site{"/3.js": "3"}},
				{"D1", "dev", site{"/d.js": "d"}}, {"D2", "dev", site{}},
			} {
				ids[d.name] = a.deploy("docs", d.branch, d.files).ID
			}
			if id, ok := tc.in["deployment"].(string); ok {
				in := map[string]any{"deployment": ids[id]}
				for k, v := range tc.in {
					if k != "deployment" {
						in[k] = v
					}
				}
				tc.in = in
			}
			main := "main"
			if name == "everything" {
				tc.want.Targets[2].Branch = &main
			}
			for i := range tc.want.Targets {
				for j, id := range tc.want.Targets[i].Deployments {
					tc.want.Targets[i].Deployments[j] = ids[id]
				}
			}
			if diff := cmp.Diff(tc.want, a.purged("docs", tc.in)); diff != "" {
				t.Errorf("-want +got: %s", diff)
			}
			for branch, want := range map[string]keptMap{"": tc.production, "dev": tc.dev} {
				for path, id := range want {
					want[path] = ids[id][:8]
				}
				ts.wantKept(t, "purged", "docs", branch, want)
			}
			var past []string
			for id := range strings.FieldsSeq(tc.past) {
				past = append(past, ids[id][:8])
			}
			ts.wantPast(t, "purged", "docs", "", past...)
			ts.clean(t)
			if again := a.purged("docs", tc.in); again.Files != 0 {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

func TestPurgeRefuses(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.deploy("docs", "", site{})
	url := projectsPath + "/docs/purge"
	a.refused("POST", url, map[string]any{"branch": "never"}, http.StatusNotFound, codeNotFound)
	a.refused("POST", url, map[string]any{"deployment": "00000000"}, http.StatusNotFound, codeNotFound)
	a.refused("POST", url, map[string]any{"paths": []string{"app.js"}}, http.StatusBadRequest, codeBadRequest)
	a.refused("POST", url, map[string]any{"paths": make([]string, maxPurgePaths+1)}, http.StatusBadRequest, codeLimit)
	a.refused("POST", projectsPath+"/none/purge", map[string]any{}, http.StatusNotFound, codeProjectMissing)
	a.as(a.mint("read")).refused("POST", url, map[string]any{}, http.StatusForbidden, codeForbidden)
}

// A purge is the way out when an index is damaged.
func TestPurgeOfADamagedIndex(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.deploy("docs", "", site{"/1.js": "1"})
	a.deploy("docs", "", site{"/2.js": "2"})
	ref := ts.target(t, "docs", "").Kept
	file, now := ts.blobFile(ref.Digest), ts.clock.Now() // the sweep judges its age by the service's clock, not the machine's
	if err := errors.Join(os.WriteFile(file, make([]byte, ref.Size), 0o600), os.Chtimes(file, now, now)); err != nil {
		t.Fatal(err)
	}
	if _, problems := ts.fsck(t); len(problems) < 2 {
		t.Errorf("%v", problems)
	}
	if got := a.purged("docs", map[string]any{"paths": []string{"/1.js"}}); got.Files != 2 { // of production and of its branch
		t.Errorf("%+v", got)
	}
	ts.wantKept(t, "purged", "docs", "", keptMap{})
	ts.clock.advance(48 * time.Hour)
	ts.swept(t, SweepOptions{Grace: time.Hour})
	ts.clean(t)
}

// What changes a target while a purge is being made has it made again.
func TestPurgeIsReplanned(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.deploy("docs", "", site{"/1.js": "1"})
	a.deploy("docs", "", site{"/2.js": "2"})
	p, err := ts.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	before := ts.target(t, "docs", "")
	stale := before
	stale.KeptFiles++
	g := &purge{svc: ts.Service, project: p}
	_, err = ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		return g.commit(tx, []store.Target{stale}, []store.Target{{Project: p.No}})
	})
	if !errors.Is(err, errMoved) {
		t.Errorf("got %v, want errMoved", err)
	}
	if diff := cmp.Diff(before, ts.target(t, "docs", "")); diff != "" {
		t.Error(diff)
	}
}

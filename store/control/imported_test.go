package control

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"berth/store"
)

// importing puts a service into an epoch, with records of its own hosts as dual-write would have written them.
func (s *testService) importing(t testing.TB) {
	t.Helper()
	_, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.NextEpoch()
		if err != nil {
			return err
		}
		for h, err := range s.Hosts(&tx.Reader) {
			if err != nil {
				return err
			}
			c := RouteChange{Host: h.Host, Wildcard: h.Wildcard, Route: &h.Route}
			if err := s.applyRoutes(t.Context(), tx, h.Route.Project, []RouteChange{c}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// imports points hosts to a deployment as a backfill does. "*." makes a wildcard; a host that ends in "!" has no entry in the index.
func (s *testService) imports(t testing.TB, d store.Deployment, class store.Class, hosts ...string) {
	t.Helper()
	_, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		for _, name := range hosts {
			name, unnoted := strings.CutSuffix(name, "!")
			host, wildcard := splitWildcard(name)
			k, r := s.deps.Hasher.Key(host), *siteRoute(class, d.Project, d.No)
			set := tx.SetRoute
			if wildcard {
				set = tx.SetWildcard
			}
			err := set(k, r)
			if !unnoted {
				err = errors.Join(err, tx.PutImportedHost(store.ImportedHost{Deployment: d.No, Key: k, Wildcard: wildcard, Class: class, Host: string(host)}))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A deployment takes its imported addresses along; names that people know keep it, as those do that Berth gave.
func TestDeletedDeploymentsTakeImportedHostsAlong(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "www.example.com"})
	a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "*.example.com"})
	path := func(d deploymentObject) string { return projectsPath + "/docs/deployments/" + d.ID }
	var ds []deploymentObject
	for range 6 {
		ds = append(ds, a.deploy("docs", "main", site{"/a": "1"}))
	}
	ts.importing(t)
	ts.imports(t, ts.record(t, ds[0]), store.ClassDeployment, "2b469e16.docs.pages.localhost", "cafecafe.docs.pages.localhost")
	ts.imports(t, ts.record(t, ds[1]), store.ClassBranch, "test.docs.pages.localhost")
	ts.imports(t, ts.record(t, ds[2]), store.ClassProduction, "docs.pages.localhost")
	ts.imports(t, ts.record(t, ds[3]), store.ClassCustom, "www.example.com", "*.example.com")
	ts.clean(t)

	a.must("DELETE", path(ds[0]), nil)
	for _, h := range []string{"2b469e16.docs.pages.localhost", "cafecafe.docs.pages.localhost", ds[0].ShortID + ".docs.pages.localhost"} {
		if to := ts.serves(t, h); to != "" {
			t.Errorf("%s leads to deployment %s", h, to)
		}
	}
	ts.clean(t)

	for _, c := range []struct {
		d     deploymentObject
		force bool
		say   string
	}{
		{ds[1], false, "test.docs.pages.localhost"}, {ds[2], false, "is live"}, {ds[2], true, "Roll back to or promote"},
		{ds[3], false, "example.com serves"}, {ds[3], true, "or remove it, first"},
	} {
		q := ""
		if c.force {
			q = "?force=true"
		}
		if ans := a.refused("DELETE", path(c.d)+q, nil, http.StatusConflict, codeConflict); !strings.Contains(ans.message(), c.say) {
			t.Errorf("%s", ans.message())
		}
	}
	a.must("DELETE", path(ds[1])+"?force=true", nil)
	ts.wantServes(t, map[string]string{"test.docs.pages.localhost": ""})
	ts.clean(t)

	// What moves a host gives its deployment free.
	a.must("POST", projectsPath+"/docs/deployments/"+ds[4].ID+"/rollback", nil)
	for h, err := range ts.deps.Store.AllImportedHosts() {
		t.Errorf("moved on, and the index still has %+v, %v", h, err)
	}
	a.must("DELETE", path(ds[2]), nil)
	a.must("DELETE", path(ds[3]), nil)
	ts.wantServes(t, map[string]string{"docs.pages.localhost": ds[4].ID, "www.example.com": ds[4].ID, "*.example.com": ds[4].ID})
	ts.clean(t)
}

// Production can be told again to serve what it is, where a table pointed its hosts elsewhere.
func TestRollbackToWhatProductionIs(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "*.example.com"})
	old, live := a.deploy("docs", "main", site{"/a": "1"}), a.deploy("docs", "main", site{"/a": "2"})
	ts.importing(t)
	ts.imports(t, ts.record(t, old), store.ClassProduction, "docs.pages.localhost")
	ts.imports(t, ts.record(t, old), store.ClassCustom, "*.example.com")
	for range 2 {
		revision := ts.deps.Store.Revision()
		a.must("POST", projectsPath+"/docs/deployments/"+live.ID+"/rollback", nil)
		ts.wantServes(t, map[string]string{"docs.pages.localhost": live.ID, "*.example.com": live.ID})
		if again := ts.deps.Store.Revision(); again > revision+1 {
			t.Errorf("%d commits", again-revision)
		}
	}
	revision := ts.deps.Store.Revision()
	a.must("POST", projectsPath+"/docs/deployments/"+live.ID+"/rollback", nil)
	if ts.deps.Store.Revision() != revision {
		t.Error("nothing to change, and a commit")
	}
	a.must("DELETE", projectsPath+"/docs/deployments/"+old.ID, nil)
	ts.clean(t)
}

// Many at once: what an imported name needs is kept, and the rest goes with its hosts, also if those are more than fit in a chunk.
func TestManyDeletedDeploymentsTakeImportedHostsAlong(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	var ds []deploymentObject
	for range 5 {
		ds = append(ds, a.deploy("docs", "main", site{"/a": "1"}))
	}
	ts.importing(t)
	ts.imports(t, ts.record(t, ds[0]), store.ClassBranch, "test.docs.pages.localhost")
	var many []string
	for i := range deleteChunk + 1 {
		many = append(many, fmt.Sprintf("%08x.docs.pages.localhost", i))
	}
	ts.imports(t, ts.record(t, ds[1]), store.ClassDeployment, many...)
	ts.imports(t, ts.record(t, ds[2]), store.ClassDeployment, "2b469e16.docs.pages.localhost")
	var report bulkReport
	a.must("DELETE", projectsPath+"/docs/deployments?keep=0&dry_run=true", nil).into(t, &report)
	if report.Deleted != 3 {
		t.Errorf("dry run: %+v", report)
	}
	a.must("DELETE", projectsPath+"/docs/deployments?keep=0", nil).into(t, &report)
	if report.Deleted != 3 || ts.serves(t, "test.docs.pages.localhost") != ds[0].ID || ts.serves(t, many[0]) != "" {
		t.Errorf("%+v", report)
	}
	ts.clean(t)

	p, err := ts.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	if err := ts.deleteInSteps(t.Context(), p, 1, 1); err != nil {
		t.Fatal(err)
	}
	ts.clean(t)
	for k := range ts.deps.Store.AllRoutes() {
		t.Errorf("a record is left: %s", k)
	}
	for h, err := range ts.deps.Store.AllImportedHosts() {
		t.Errorf("the index still has %+v, %v", h, err)
	}
}

// A host that has moved on is not taken away with the deployment that a table once pointed it to.
func TestHostsThatMovedOnStay(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	one, two := a.deploy("docs", "main", site{"/a": "1"}), a.deploy("docs", "main", site{"/a": "2"})
	ts.importing(t)
	d1, d2 := ts.record(t, one), ts.record(t, two)
	ts.imports(t, d1, store.ClassBranch, "test.docs.pages.localhost")
	ts.imports(t, d2, store.ClassBranch, "test.docs.pages.localhost")
	ts.imports(t, d2, store.ClassDeployment, one.ShortID+".docs.pages.localhost") // even the host that was the deployment's own
	a.must("DELETE", projectsPath+"/docs/deployments/"+one.ID, nil)
	ts.wantServes(t, map[string]string{"test.docs.pages.localhost": two.ID, one.ShortID + ".docs.pages.localhost": two.ID})
	ts.clean(t)
}

// Until it is known what leads where, nothing is deleted that hosts may lead to.
func TestNothingIsDeletedWhileImportedHostsAreNotKnown(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	one := a.deploy("docs", "main", site{"/a": "1"})
	a.deploy("docs", "main", site{"/a": "2"})
	know := func(known bool) {
		if _, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.SetImportedHostsKnown(known) }); err != nil {
			t.Fatal(err)
		}
	}
	know(false)
	for _, path := range []string{
		"/docs/deployments/" + one.ID, "/docs/deployments?keep=0", "/docs/deployments?keep=0&dry_run=true", "/docs",
	} {
		if ans := a.refused("DELETE", projectsPath+path, nil, http.StatusServiceUnavailable, codeBusy); !strings.Contains(ans.message(), "try again") {
			t.Errorf("%s", ans.message())
		}
	}
	if n := ts.count(t, "docs"); n != 2 {
		t.Errorf("%d deployments are left", n)
	}
	know(true)
	a.must("DELETE", projectsPath+"/docs", nil)
}

package control

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/router/hostkey"
	"berth/store"
)

func TestDeployProduction(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/index.html": "hello\n", "/a.txt": "a", "/b.txt": "a"},
		field{"commit_message", "one\r\ntwo"}, field{"commit_hash", "abc"}, field{"commit_dirty", "true"}, field{"unknown", "ignored"},
		field{"wrangler_config_hash", "cafe"}, field{"pages_build_output_dir", "public"})
	host := d.ShortID + ".docs.pages.localhost"
	ts.wantServes(t, map[string]string{
		host: d.ID, "docs.pages.localhost": d.ID, "main.docs.pages.localhost": d.ID, "other.docs.pages.localhost": "",
	})
	want := deploymentObject{
		ID: d.ID, ShortID: d.ID[:8], ProjectID: d.ProjectID, ProjectName: "docs", Environment: "production",
		URL: "http://" + host, Aliases: []string{"http://docs.pages.localhost", "http://main.docs.pages.localhost"},
		CreatedOn: ts.clock.Now(), ModifiedOn: ts.clock.Now(), LatestStage: d.LatestStage, Stages: d.Stages,
		DeploymentTrigger: triggerObject{"ad_hoc", metadataObject{"main", "abc", "one\ntwo", true}}, ProductionBranch: "main",
		EnvVars: map[string]any{}, BuildConfig: map[string]any{"build_command": nil, "destination_dir": "public", "root_dir": nil},
		WranglerConfigHash: "cafe", Live: true, Files: 3, Bytes: 8, RuleFiles: []ruleObject{},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if d.LatestStage.Name != "deploy" || d.LatestStage.Status != "success" || d.LatestStage.EndedOn == nil {
		t.Errorf("latest stage %+v", d.LatestStage)
	}
	for _, id := range []string{d.ID, d.ShortID, strings.ToUpper(d.ID)} {
		if diff := cmp.Diff(d, a.deployment("docs", id)); diff != "" {
			t.Errorf("GET %s (-POST +GET):\n%s", id, diff)
		}
	}
	for _, id := range []string{"nope", d.ID[:7], d.ID[:9], strings.ReplaceAll(d.ID, "-", ""), "00000000", "00000000-0000-4000-8000-000000000000"} {
		a.refused("GET", projectsPath+"/docs/deployments/"+id, nil, http.StatusNotFound, codeNotFound)
	}
	r, err := ts.deps.Store.Route(ts.deps.Hasher.Key("docs.pages.localhost"))
	if err != nil || r.Class != store.ClassProduction || r.Flags != 0 {
		t.Errorf("production route %+v, %v", r, err)
	}
	r, err = ts.deps.Store.Route(ts.deps.Hasher.Key(hostkey.Host(host)))
	if err != nil || r.Class != store.ClassDeployment || r.Flags != store.FlagNoIndex {
		t.Errorf("deployment route %+v, %v", r, err)
	}
	sum := ts.clean(t)
	if sum.Routes != 3 || sum.Proofs != 2 || sum.Claims != 0 || sum.Manifests != 1 {
		t.Errorf("fsck %+v", sum)
	}
}

func TestDeployTwiceSendsOneFile(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	files := numbered(50)
	first := a.deploy("docs", "main", files)
	files["/f/7.txt"] = "changed"
	if n := a.upload("docs", files); n != 1 {
		t.Errorf("%d files asked for, want 1", n)
	}
	second := a.deploy("docs", "main", files)
	ts.wantServes(t, map[string]string{
		first.ShortID + ".docs.pages.localhost": first.ID, second.ShortID + ".docs.pages.localhost": second.ID, "docs.pages.localhost": second.ID,
	})
	if got := a.deployment("docs", first.ID); got.Live || len(got.Aliases) != 0 || got.Aliases == nil {
		t.Errorf("the first is live %v with aliases %v", got.Live, got.Aliases)
	}
	ts.clean(t)
}

func TestDeployEmptySite(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	if d := a.deploy("docs", "", site{}); d.Files != 0 {
		t.Errorf("%+v", d)
	}
	ts.clean(t)
}

func TestBranchAliases(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	one := site{"/index.html": "1"}
	slash := a.deploy("docs", "feat/Login", one)
	if slash.Environment != "preview" || slash.Live {
		t.Errorf("%+v", slash)
	}
	exact := exactHost("feat/Login", "docs")
	want := []string{"http://feat-login.docs.pages.localhost", "http://" + exact}
	if diff := cmp.Diff(want, slash.Aliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	ts.wantServes(t, map[string]string{"feat-login.docs.pages.localhost": slash.ID, exact: slash.ID, "docs.pages.localhost": ""})

	// Another branch wants the same plain label: the first to take it keeps it.
	dots := a.deploy("docs", "feat.login", one)
	ts.wantServes(t, map[string]string{"feat-login.docs.pages.localhost": slash.ID, exactHost("feat.login", "docs"): dots.ID})
	if log := a.logOf("docs", dots.ID); !strings.Contains(log, `belongs to branch "feat/Login"`) {
		t.Errorf("log does not say who has the label:\n%s", log)
	}
	// The branch whose own name it is wins it.
	own := a.deploy("docs", "feat-login", one)
	ts.wantServes(t, map[string]string{"feat-login.docs.pages.localhost": own.ID, exact: slash.ID})
	if log := a.logOf("docs", own.ID); !strings.Contains(log, `branch "feat/Login" keeps its exact alias`) {
		t.Errorf("log does not say from whom it was taken:\n%s", log)
	}
	// And keeps it.
	again := a.deploy("docs", "feat/Login", one)
	ts.wantServes(t, map[string]string{"feat-login.docs.pages.localhost": own.ID, exact: again.ID})
	ts.clean(t)
	// Once it is gone, the label is free for the next to deploy.
	a.must("DELETE", projectsPath+"/docs/deployments/"+own.ID+"?force=true", nil)
	ts.wantServes(t, map[string]string{"feat-login.docs.pages.localhost": ""})
	last := a.deploy("docs", "feat.login", one)
	ts.wantServes(t, map[string]string{"feat-login.docs.pages.localhost": last.ID})
	ts.clean(t)
}

// Two exact labels can only meet by chance, 24 bits of hash; the store says so by hand here.
func TestExactAliasCollision(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.deploy("docs", "other", site{})
	exact, _ := hostkey.Alias("feat/Login")
	p, _ := ts.deps.Store.ProjectByName("docs")
	_, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		b, err := tx.Branch(p.No, "other")
		b.Exact = exact
		return errors.Join(err, tx.PutBranch(b))
	})
	if err != nil {
		t.Fatal(err)
	}
	d := a.deploy("docs", "feat/Login", site{})
	if diff := cmp.Diff([]string{"http://feat-login.docs.pages.localhost"}, d.Aliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	if log := a.logOf("docs", d.ID); !strings.Contains(log, `gets no alias: branch "other" already answers`) {
		t.Errorf("log:\n%s", log)
	}
}

func TestCustomDomainsFollow(t *testing.T) {
	ts := newTestService(t, func(p *testParts) { p.opts.PublicURL = "https:8443" })
	a := ts.api(t)
	a.project("docs")
	for _, in := range []map[string]string{{"name": "www.example.com"}, {"name": "*.example.org"}, {"name": "dev.example.com", "branch": "dev"}} {
		a.must("POST", projectsPath+"/docs/domains", in)
	}
	prod := a.deploy("docs", "main", site{"/a": "1"})
	dev := a.deploy("docs", "dev", site{"/a": "2"})
	want := map[string]string{"www.example.com": prod.ID, "*.example.org": prod.ID, "dev.example.com": dev.ID}
	ts.wantServes(t, want)
	if diff := cmp.Diff([]string{"https://docs.pages.localhost:8443", "https://www.example.com:8443", "https://main.docs.pages.localhost:8443"}, prod.Aliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"https://dev.docs.pages.localhost:8443", "https://dev.example.com:8443"}, dev.Aliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	ts.clean(t)
	a.must("POST", projectsPath+"/docs/deployments/"+dev.ID+"/promote", nil)
	ts.wantServes(t, map[string]string{"www.example.com": dev.ID, "*.example.org": dev.ID, "dev.example.com": dev.ID, "docs.pages.localhost": dev.ID})
	ts.clean(t)
	a.must("DELETE", projectsPath+"/docs", nil)
	ts.wantServes(t, map[string]string{"www.example.com": "", "*.example.org": "", "dev.example.com": "", "docs.pages.localhost": ""})
	a.project("other")
	a.must("POST", projectsPath+"/other/domains", map[string]string{"name": "www.example.com"})
	ts.clean(t)
}

func TestRollback(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	one, two := a.deploy("docs", "", site{"/a": "1"}), a.deploy("docs", "", site{"/a": "2"})
	path := projectsPath + "/docs/deployments/" + one.ShortID + "/rollback"
	var got deploymentObject
	a.must("POST", path, nil).into(t, &got)
	if !got.Live || got.ID != one.ID || got.Aliases[0] != "http://docs.pages.localhost" {
		t.Errorf("%+v", got)
	}
	rev := ts.deps.Store.Revision()
	a.must("POST", path, nil)
	if ts.deps.Store.Revision() != rev {
		t.Error("a second rollback to the same deployment made a commit")
	}
	ts.wantServes(t, map[string]string{"docs.pages.localhost": one.ID, "main.docs.pages.localhost": two.ID})
	if log := a.logOf("docs", one.ID); !strings.Contains(log, "after a rollback") {
		t.Errorf("log:\n%s", log)
	}
	ts.clean(t)
	// A newer production deployment takes over again.
	three := a.deploy("docs", "", site{"/a": "3"})
	ts.wantServes(t, map[string]string{"docs.pages.localhost": three.ID})
	a.project("other")
	a.refused("POST", projectsPath+"/other/deployments/"+one.ID+"/rollback", nil, http.StatusNotFound, codeNotFound)
	a.refused("POST", projectsPath+"/docs/deployments/"+one.ID+"/retry", nil, http.StatusNotImplemented, codeNotImplemented)
	a.refused("POST", projectsPath+"/docs/deployments/"+one.ID+"/tails", `{"filters":[]}`, http.StatusNotImplemented, codeNotImplemented)
}

func TestListDeployments(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	var ids []string
	for i := range 30 {
		branch := "main"
		if i%3 == 0 {
			branch = "dev"
		}
		ids = append([]string{a.deploy("docs", branch, site{}).ID}, ids...)
	}
	total := func(n int) *int { return &n }
	list := func(query string) (got []deploymentObject, info resultInfo) {
		ans := a.must("GET", projectsPath+"/docs/deployments?"+query, nil)
		ans.into(t, &got)
		return got, *ans.ResultInfo
	}
	all, info := list("")
	if len(all) != 25 || all[0].ID != ids[0] || all[24].ID != ids[24] || info.Cursor == "" || !cmp.Equal(info, resultInfo{1, 25, 25, total(30), info.Cursor}) {
		t.Errorf("%d items, %+v", len(all), info)
	}
	if rest, info := list("page=2"); len(rest) != 5 || rest[4].ID != ids[29] || !cmp.Equal(info, resultInfo{2, 25, 5, total(30), ""}) {
		t.Errorf("%d items, %+v", len(rest), info)
	}
	if dev, info := list("env=preview&per_page=4"); len(dev) != 4 || dev[0].Environment != "preview" || !cmp.Equal(info.TotalCount, total(10)) {
		t.Errorf("%+v", info)
	}
	for _, q := range []string{"env=staging", "page=0", "per_page=x"} {
		a.refused("GET", projectsPath+"/docs/deployments?"+q, nil, http.StatusBadRequest, codeBadRequest)
	}
	a.project("empty")
	if ans := a.must("GET", projectsPath+"/empty/deployments", nil); string(ans.Result) != "[]" {
		t.Errorf("an empty list is %s", ans.Result)
	}
}

func TestRuleFilesAreStoredAndShown(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/index.html": "x"}, field{"_headers", "/*\n  X-A: b\n"}, field{"_redirects", "/a /b\n"},
		field{"functions-filepath-routing-config.json", `{"routes":[]}`},
		field{"_routes.json", `{"version":1,"include":["/*"],"exclude":[]}`}, field{"_worker.bundle", goodBundle})
	if diff := cmp.Diff([]ruleObject{{"_headers", 12}, {"_redirects", 6}, {"_routes.json", 43}}, d.RuleFiles); diff != "" {
		t.Errorf("rule files (-want +got):\n%s", diff)
	}
	if !d.UsesFunctions {
		t.Error("uses_functions is false")
	}
	log := a.logOf("docs", d.ID)
	for _, want := range []string{"Functions do not run on this server", "main module w.js, 2 modules", "_headers: header rules for 1 path in effect.", "_redirects: 1 redirect in effect.", "_routes.json (43 bytes) is stored"} {
		if !strings.Contains(log, want) {
			t.Errorf("log does not say %q:\n%s", want, log)
		}
	}
	var f fileObject
	a.must("GET", projectsPath+"/docs/deployments/"+d.ID+"/files/_headers", nil).into(t, &f)
	if f.Content != "/*\n  X-A: b\n" {
		t.Errorf("%+v", f)
	}
	a.refused("GET", projectsPath+"/docs/deployments/"+d.ID+"/files/_worker.bundle", nil, http.StatusNotFound, codeNotFound)
	ts.clean(t)
}

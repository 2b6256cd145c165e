package control

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/store"
)

// asJSON is a value as the API writes it.
func asJSON(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Settings are patched one by one, shown, and told to whoever keeps them by project.
func TestProjectSite(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	p, err := ts.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	var touched bool
	defer ts.deps.Store.OnCommit(func(c store.Commit) { touched = slices.Contains(c.Projects, p.No) })()
	for _, step := range []struct {
		body      string
		set       string
		effective string
		stored    store.SiteSettings
	}{
		{`{}`, `{"cors":null,"skew_protection":null,"keep_assets":null}`, `{"cors":true,"skew_protection":false,"keep_assets":"7d"}`, store.SiteSettings{}},
		{`{"site":{"cors":false}}`, `{"cors":false,"skew_protection":null,"keep_assets":null}`, `{"cors":false,"skew_protection":false,"keep_assets":"7d"}`,
			store.SiteSettings{CORS: store.Off}},
		{`{"site":{"skew_protection":true,"keep_assets":"36h"}}`, `{"cors":false,"skew_protection":true,"keep_assets":"1d12h"}`,
			`{"cors":false,"skew_protection":true,"keep_assets":"1d12h"}`, store.SiteSettings{CORS: store.Off, Skew: store.On, KeepAssets: 36 * time.Hour}},
		{`{"site":{"keep_assets":"off","cors":null}}`, `{"cors":null,"skew_protection":true,"keep_assets":"off"}`, `{"cors":true,"skew_protection":true,"keep_assets":"off"}`,
			store.SiteSettings{Skew: store.On, KeepAssets: -1}},
		{`{"production_branch":"main"}`, `{"cors":null,"skew_protection":true,"keep_assets":"off"}`, `{"cors":true,"skew_protection":true,"keep_assets":"off"}`,
			store.SiteSettings{Skew: store.On, KeepAssets: -1}},
		{`{"site":null}`, `{"cors":null,"skew_protection":null,"keep_assets":null}`, `{"cors":true,"skew_protection":false,"keep_assets":"7d"}`, store.SiteSettings{}},
	} {
		touched = false
		var got, again projectObject
		a.must("PATCH", projectsPath+"/docs", step.body).into(t, &got)
		a.must("GET", projectsPath+"/docs", nil).into(t, &again)
		for _, o := range []projectObject{got, again} {
			if diff := cmp.Diff([]string{step.set, step.effective}, []string{asJSON(t, o.Site), asJSON(t, o.EffectiveSite)}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.body, diff)
			}
		}
		p, err := ts.deps.Store.ProjectByName("docs")
		if err != nil || p.Site != step.stored || !touched {
			t.Errorf("%s: stored %+v, %v; the commit names the project: %v", step.body, p.Site, err, touched)
		}
	}
}

func TestProjectSiteFaults(t *testing.T) {
	ts := newTestService(t, func(p *testParts) { p.opts.KeepAssets = 48 * time.Hour })
	a := ts.api(t)
	a.project("docs")
	a.must("PATCH", projectsPath+"/docs", `{"site":{"cors":false}}`)
	rev := ts.deps.Store.Revision()
	for body, want := range map[string]struct {
		code int
		says string
	}{
		`{"site":5}`:              {codeBadRequest, "site: want an object"},
		`{"site":[]}`:             {codeBadRequest, "site: want an object"},
		`{"site":{"CORS":true}}`:  {codeBadRequest, `there is no setting "CORS"; there are cors, skew_protection and keep_assets`},
		`{"site":{"cors":"off"}}`: {codeBadRequest, `site: cors: want true, false or null`},
		`{"site":{"cors":true,"skew_protection":1}}`: {codeBadRequest, `site: skew_protection: want true`},
		`{"site":{"keep_assets":3}}`:                 {codeBadRequest, `site: keep_assets: want "off", a time such as "3d"`},
		`{"site":{"keep_assets":"3 days"}}`:          {codeBadRequest, `site: keep_assets: "3 days": want "off" or a time`},
		`{"site":{"keep_assets":"3d"}}`:              {codeLimit, `site: keep_assets: "3d": this server keeps files of earlier deployments for 2d at most`},
	} {
		if ans := a.refused("PATCH", projectsPath+"/docs", body, 400, want.code); !strings.Contains(ans.message(), want.says) {
			t.Errorf("%s: %s", body, ans.message())
		}
	}
	a.refused("POST", projectsPath, `{"name":"new","site":{"cors":1}}`, 400, codeBadRequest)
	if p, err := ts.deps.Store.ProjectByName("docs"); err != nil || p.Site != (store.SiteSettings{CORS: store.Off}) || ts.deps.Store.Revision() != rev {
		t.Errorf("%+v, %v: a refused body changed something", p.Site, err)
	}
	var made projectObject
	a.must("POST", projectsPath, `{"name":"new","site":{"skew_protection":true}}`).into(t, &made)
	if asJSON(t, made.Site) != `{"cors":null,"skew_protection":true,"keep_assets":null}` {
		t.Errorf("%s", asJSON(t, made.Site))
	}
}

// A deployment's own settings win over the project's, those over the server's, and no one keeps longer than the server.
func TestSiteOf(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		server              time.Duration
		project, deployment store.SiteSettings
		want                store.SiteSettings
	}{
		{0, store.SiteSettings{}, store.SiteSettings{}, store.SiteSettings{CORS: store.On, Skew: store.Off, KeepAssets: 7 * day}},
		{0, store.SiteSettings{CORS: store.Off, Skew: store.On, KeepAssets: day}, store.SiteSettings{CORS: store.On, KeepAssets: -1},
			store.SiteSettings{CORS: store.On, Skew: store.On, KeepAssets: -1}},
		{0, store.SiteSettings{KeepAssets: -1}, store.SiteSettings{KeepAssets: 2 * day}, store.SiteSettings{CORS: store.On, Skew: store.Off, KeepAssets: 2 * day}},
		{day, store.SiteSettings{KeepAssets: 2 * day}, store.SiteSettings{}, store.SiteSettings{CORS: store.On, Skew: store.Off, KeepAssets: day}},
		{-1, store.SiteSettings{KeepAssets: 2 * day}, store.SiteSettings{}, store.SiteSettings{CORS: store.On, Skew: store.Off, KeepAssets: -1}},
	} {
		o := Options{KeepAssets: c.server}
		o.setDefaults()
		got := (&Service{opts: o}).siteOf(store.Project{Site: c.project}, store.Deployment{Site: c.deployment})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v:\n%s", c, diff)
		}
	}
}

// pathsOf lists what a deployment can serve.
func (s *testService) pathsOf(t testing.TB, project string) []string {
	t.Helper()
	p, err := s.deps.Store.ProjectByName(project)
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.deps.Store.Deployment(p.Live)
	if err != nil {
		t.Fatal(err)
	}
	m, err := openManifest(s.deps.Blobs, d.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, e := range m.All() {
		paths = append(paths, e.Path)
		if e.Key != keyOf(e.Path, contentOf(t, s, e)) {
			t.Errorf("%s has the bytes of another file", e.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

func contentOf(t testing.TB, s *testService, e manifest.Entry) string {
	t.Helper()
	raw, err := s.deps.Blobs.ReadAll(e.Digest, e.Size)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestSiteFile(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.html": "a", "/berth.toml": "cors = false\nkeep_assets = \"12h\"\n", "/sub/berth.toml": "anything", "/z.html": "z"})
	if diff := cmp.Diff([]string{"/a.html", "/sub/berth.toml", "/z.html"}, ts.pathsOf(t, "docs")); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
	if got := asJSON(t, d.Site); got != `{"cors":false,"skew_protection":null,"keep_assets":"12h"}` || d.Files != 3 || d.Bytes != uint64(len("a"+"anything"+"z")) {
		t.Errorf("%s, %d files, %d bytes", got, d.Files, d.Bytes)
	}
	if log := a.logOf("docs", d.ID); !strings.Contains(log, `berth.toml: cors = false, keep_assets = "12h".`) {
		t.Errorf("log:\n%s", log)
	}
	ts.clean(t)
	// The file is in no manifest, so a sweep takes it. It is asked for again then.
	ts.clock.advance(48 * time.Hour)
	ts.swept(t, SweepOptions{Grace: time.Hour})
	d = a.deploy("docs", "", site{"/berth.toml": "cors = false\nkeep_assets = \"12h\"\n"})
	if d.Site.CORS == nil || *d.Site.CORS || d.Files != 0 {
		t.Errorf("%s, %d files", asJSON(t, d.Site), d.Files)
	}
	d = a.deploy("docs", "", site{"/berth.toml": "# later\n"})
	if log := a.logOf("docs", d.ID); asJSON(t, d.Site) != `{"cors":null,"skew_protection":null,"keep_assets":null}` || !strings.Contains(log, "berth.toml sets nothing.") {
		t.Errorf("%s\n%s", asJSON(t, d.Site), log)
	}
}

// A berth.toml that is not understood refuses the deployment, and nothing has happened.
func TestSiteFileFaults(t *testing.T) {
	ts := newTestService(t, func(p *testParts) { p.opts.KeepAssets = 24 * time.Hour })
	a := ts.api(t)
	a.project("docs")
	before := a.deploy("docs", "", site{"/a.html": "a"})
	for text, want := range map[string][]string{
		"\ncorse = true\nskew_protection = 1\n": {"berth.toml:2: there is no setting of this name", "\nberth.toml:3: skew_protection is true or false", "\nnothing was published"},
		"cors = \n":                             {"berth.toml:1: not TOML"},
		"keep_assets = \"2d\"":                  {"for 1d at most"},
		strings.Repeat("#", 70_000):             {"berth.toml: the file has 70000 bytes"},
	} {
		files := site{"/a.html": "new", "/berth.toml": text}
		a.upload("docs", files)
		rev := ts.deps.Store.Revision()
		ans := a.postForm("docs", field{"manifest", files.manifest()})
		for _, part := range want {
			if ans.Status != 400 || ans.code() != codeBadRequest || !strings.Contains(ans.message(), part) {
				t.Errorf("%.40q: %d %s, want %q", text, ans.Status, ans.Raw, part)
			}
		}
		if ts.deps.Store.Revision() != rev || ts.serves(t, "docs.pages.localhost") != before.ID {
			t.Errorf("%.40q: something changed", text)
		}
	}
	if n := ts.count(t, "docs"); n != 1 {
		t.Errorf("%d deployments", n)
	}
}

//go:build e2e

package e2e

import (
	"testing"
)

// An unmodified wrangler uploads berth.toml like any file. It is read, and not served; if it is wrong, wrangler says so
// and fails, and nothing has changed.
func TestWranglerBringsSettings(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	w := newWrangler(t, s, "")
	s.berth("project", "create", "demo", "--production-branch", "main")
	w.site(map[string]string{
		"public/index.html": "one", "public/404.html": "lost", "public/berth.toml": "cors = false\nkeep_assets = \"12h\"\n",
		"public/_redirects": "/a /b\n/c /d 999\n",
	})
	deploy := []string{"pages", "deploy", "public", "--project-name", "demo", "--branch", "main"}
	host := hostOf(urlIn(t, w.run(deploy...)))
	s.wantBody(host, "/", 200, "one")
	s.wantBody(host, "/berth.toml", 404, "lost")
	var shown struct {
		Site struct {
			CORS       *bool  `json:"cors"`
			KeepAssets string `json:"keep_assets"`
		} `json:"site_settings"`
	}
	lastJSON(t, s.berth("deployment", "show", host[:8], "--project", "demo", "--json"), &shown)
	if shown.Site.CORS == nil || *shown.Site.CORS || shown.Site.KeepAssets != "12h" {
		t.Errorf("settings: %+v", shown.Site)
	}
	wantIn(t, "the log", s.berth("deployment", "show", host[:8], "--project", "demo"),
		`berth.toml: cors = false, keep_assets = "12h".`, "_redirects:2: ", "999")

	w.site(map[string]string{"public/index.html": "two", "public/berth.toml": "cors = false\n\ncorse = true\n"})
	out, status := w.try(deploy...)
	if status == 0 {
		t.Error("a wrong berth.toml was deployed")
	}
	wantIn(t, "a wrong berth.toml", out, "berth.toml:3: there is no setting of this name", "nothing was published")
	s.wantBody("demo."+domain, "/", 200, "one")
}

package catalog

import (
	"errors"
	"testing"

	"berth/assets/manifest"
	"berth/assets/rules"
	"berth/store"
)

// deployCode is deploy with code, and with a _routes.json unless that is "".
func (w *world) deployCode(t testing.TB, no store.DeploymentNo, routes string) {
	t.Helper()
	w.deploy(t, no, "/one", 0)
	d, _ := w.Deployment(no)
	d.WorkerBundle = store.FileRef{Digest: manifest.Digest{1}, Size: 1} // nobody reads it here
	if routes != "" {
		g := manifest.DigestOf([]byte(routes))
		w.blobs[g] = []byte(routes)
		d.Routes = store.FileRef{Digest: g, Size: int64(len(routes))}
	}
	w.commit(no, &d)
}

func TestFunctionsSelectPaths(t *testing.T) {
	w := newWorld()
	w.deployCode(t, 1, `{"version":1,"include":["/api/*","/caf%C3%A9"],"exclude":["/api/static/*"]}`)
	w.deployCode(t, 2, "")
	w.deploy(t, 3, "/one", 0)
	for _, tt := range []struct {
		no         store.DeploymentNo
		path, rule string
		selected   bool
	}{
		{1, "/api/x", "/api/*", true}, {1, "/api", "/api/*", true}, {1, "/api/static/a", "/api/static/*", false}, {1, "/", "", false},
		{1, "/caf%C3%A9", "/caf%C3%A9", true}, {1, "/caf%c3%a9", "", false},
		{2, "/anything", "", true}, {3, "/api/x", "", false},
	} {
		d, err := open(t, w, Options{}).Deployment(t.Context(), tt.no)
		if err != nil {
			t.Fatal(err)
		}
		rule, selected := d.Functions.Why(tt.path)
		if got := d.Functions.Select(tt.path); got != tt.selected || selected != got || rule != tt.rule {
			t.Errorf("deployment %d %s: %v, by %q %v; want %v by %q", tt.no, tt.path, got, rule, selected, tt.selected, tt.rule)
		}
	}
	// A guess would run code for pages, or show pages that code guards.
	w.deployCode(t, 4, `{"version":1,"include":["/*"],"exclude":["/a","/b"]}`)
	if _, err := open(t, w, Options{Limits: rules.Options{MaxRoutesRules: 2}}).Deployment(t.Context(), 4); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a _routes.json over the limit: %v", err)
	}
}

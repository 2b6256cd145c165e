package catalog

import (
	"errors"
	"testing"

	"berth/assets"
	"berth/assets/manifest"
	"berth/assets/rules"
	"berth/store"
)

// deployRules is deploy with rule files.
func (w *world) deployRules(t testing.TB, no store.DeploymentNo, redirects, headers string) store.Deployment {
	t.Helper()
	w.deploy(t, no, "/one", 0)
	d, _ := w.Deployment(no)
	put := func(text string) store.FileRef {
		g := manifest.DigestOf([]byte(text))
		w.blobs[g] = []byte(text)
		return store.FileRef{Digest: g, Size: int64(len(text))}
	}
	d.Redirects, d.Headers = put(redirects), put(headers)
	w.commit(no, &d)
	return d
}

func TestRuleFilesApply(t *testing.T) {
	w := newWorld()
	w.deployRules(t, 1, "/a /one 301\n/b /one 301\n", "/*\n  X-A: b\n")
	var p assets.Plan
	site := mustSite(t, open(t, w, Options{}), 1, "/one")
	site.Plan(&p, &assets.Request{Method: "GET", Target: "/b"})
	if last := p.Fields[len(p.Fields)-1]; p.Status != 301 || last.Name != "X-A" || string(last.Value) != "b" {
		t.Errorf("%d %v", p.Status, p.Fields)
	}
	limited := mustSite(t, open(t, w, Options{Limits: rules.Options{MaxRedirectsStatic: 1}}), 1, "/one")
	limited.Plan(&p, &assets.Request{Method: "GET", Target: "/b"})
	if p.Status != 404 {
		t.Errorf("the second of at most one redirects answers %d", p.Status)
	}
	w.deployRules(t, 2, "", "")
	mustSite(t, open(t, w, Options{}), 2, "/one").Plan(&p, &assets.Request{Method: "GET", Target: "/one"})
	if p.Status != 200 {
		t.Errorf("with empty rule files: %d", p.Status)
	}
}

func TestDamagedRuleFilesAreCorruption(t *testing.T) {
	for name, damage := range map[string]func(w *world, d store.Deployment){
		"missing":    func(w *world, d store.Deployment) { delete(w.blobs, d.Redirects.Digest) },
		"cut":        func(w *world, d store.Deployment) { w.blobs[d.Headers.Digest] = []byte("/") },
		"other text": func(w *world, d store.Deployment) { w.blobs[d.Headers.Digest] = []byte("/*\n  X-A: c\n") },
	} {
		w := newWorld()
		damage(w, w.deployRules(t, 1, "/a /one 301\n", "/*\n  X-A: b\n"))
		if _, err := open(t, w, Options{}).Site(t.Context(), 1); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

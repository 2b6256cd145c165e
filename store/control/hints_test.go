package control

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/hints"
	"berth/assets/manifest"
	"berth/store"
)

const preloading = `<!doctype html><link rel=preload href=/%s.js as=script>`

// hintsOf reads the early hints of a deployment: path → field.
func (s *testService) hintsOf(t testing.TB, o deploymentObject) map[string]string {
	t.Helper()
	d := s.record(t, o)
	if d.Hints == (store.FileRef{}) {
		return nil
	}
	m, err := openManifest(s.deps.Blobs, d.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.deps.Blobs.ReadAll(d.Hints.Digest, d.Hints.Size)
	if err != nil {
		t.Fatal(err)
	}
	l, err := hints.Open(b, m.Len())
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for h := range l.All() {
		got[strings.Clone(m.At(h.Entry).Path)] = string(l.Append(nil, h.Entry, "https", "www.example.com"))
	}
	return got
}

func TestHintsAreFoundAtDeploy(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	doc := fmt.Sprintf(preloading, "a")
	files := site{
		"/index.html": doc, "/same.html": doc, "/UPPER.HTM": doc, "/html": doc,
		"/page.txt": doc, "/x/html": doc, "/page.xhtml": doc, "/none.html": "<p>", "/empty.html": "",
		"/based.html": `<base href=/sub/><link rel=modulepreload href=m.js>`,
	}
	d := a.deploy("docs", "", files)
	const link = `</a.js>; rel="preload"; as=script`
	want := map[string]string{"/index.html": link, "/same.html": link, "/UPPER.HTM": link, "/html": link,
		"/based.html": `<https://www.example.com/sub/m.js>; rel="modulepreload"`}
	if diff := cmp.Diff(want, ts.hintsOf(t, d)); diff != "" {
		t.Errorf("first deployment (-want +got):\n%s", diff)
	}
	files["/new.html"] = fmt.Sprintf(preloading, "new")
	want["/new.html"] = `</new.js>; rel="preload"; as=script`
	delete(files, "/same.html")
	delete(want, "/same.html")
	if diff := cmp.Diff(want, ts.hintsOf(t, a.deploy("docs", "", files))); diff != "" {
		t.Errorf("second deployment (-want +got):\n%s", diff)
	}
	if none := a.deploy("docs", "", site{"/none.html": "<p>", "/page.txt": doc}); ts.record(t, none).Hints != (store.FileRef{}) {
		t.Error("a listing of no hints is stored")
	}
	ts.clean(t)
}

// blobFile is where a blob lies.
func (s *testService) blobFile(d manifest.Digest) string {
	return filepath.Join(s.opts.DataDir, "blobs", d.String()[:2], d.String()[2:])
}

// What was read once is not read again: the file could as well hold something else by now.
func TestHintsAreRemembered(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.project("other")
	doc := fmt.Sprintf(preloading, "a")
	files := site{"/index.html": doc, "/plain.html": "<p>"}
	want := ts.hintsOf(t, a.deploy("docs", "", files))
	for old, changed := range map[string]string{doc: fmt.Sprintf(preloading, "b"), "<p>": "<b>"} {
		if err := os.WriteFile(ts.blobFile(manifest.DigestOf([]byte(old))), []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, project := range []string{"docs", "other"} {
		files["/"+project+".txt"] = "changes"
		if diff := cmp.Diff(want, ts.hintsOf(t, a.deploy(project, "", files))); diff != "" {
			t.Errorf("%s, -first +second:\n%s", project, diff)
		}
	}
}

// Proofs of an older berth, or of the same bytes at a path that is no document, do not know their links. They are told.
func TestProofsLearnTheirHints(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	doc := fmt.Sprintf(preloading, "a")
	first := ts.record(t, a.deploy("docs", "", site{"/index.html": doc, "/x/html": doc}))
	p, err := ts.deps.Store.Project(first.Project)
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []struct {
		is   bool
		link string
	}{{false, ""}, {true, "what no berth writes"}} {
		if _, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
			blob := store.FileRef{Digest: manifest.DigestOf([]byte(doc)), Size: int64(len(doc))}
			return tx.PutProof(store.Proof{Account: p.Account, Key: keyOf("/index.html", doc), Extension: "html", Blob: blob, LinkKnown: known.is, Link: known.link})
		}); err != nil {
			t.Fatal(err)
		}
		got := ts.hintsOf(t, a.deploy("docs", "", site{"/index.html": doc, "/html": doc}))
		const link = `</a.js>; rel="preload"; as=script`
		if diff := cmp.Diff(map[string]string{"/index.html": link, "/html": link}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		proofs := 0
		for proof, err := range ts.deps.Store.AllProofs() {
			if proofs++; err != nil || !proof.LinkKnown || proof.Link != link {
				t.Errorf("proof of %q: %v, link %q (%v)", proof.Extension, proof.LinkKnown, proof.Link, err)
			}
		}
		if proofs != 2 {
			t.Errorf("%d proofs", proofs)
		}
	}
	ts.clean(t)
}

// What is left out is said each time, not only when the file is new.
func TestDroppedHintsAreLogged(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	many := strings.Repeat(`<link rel=preload href=/a>`, hints.DefaultMaxLinks+3)
	files := site{"/many.html": many, "/few.html": fmt.Sprintf(preloading, "a")}
	for i := range listedProblems {
		files[fmt.Sprintf("/more/%02d.html", i)] = many + fmt.Sprint(i)
	}
	for range 2 {
		log := a.logOf("docs", a.deploy("docs", "", files).ID)
		if n := strings.Count(log, "3 links to preload or preconnect to not sent as early hints"); n != listedProblems ||
			!strings.Contains(log, "/many.html: ") || strings.Contains(log, "few.html") || !strings.Contains(log, "left out in 1 file more") {
			t.Errorf("%d notes:\n%s", n, log)
		}
	}
}

func TestSweepKeepsHints(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/index.html": fmt.Sprintf(preloading, "a")})
	old := ts.record(t, a.deploy("docs", "dev", site{"/index.html": fmt.Sprintf(preloading, "b")}))
	a.must("DELETE", projectsPath+"/docs/deployments/"+old.UUID.String()+"?force=true", nil)
	ts.clock.advance(48 * time.Hour)
	if _, err := ts.Sweep(t.Context(), SweepOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := ts.hintsOf(t, d); len(got) != 1 {
		t.Errorf("hints after a sweep: %v", got)
	}
	if _, err := ts.deps.Blobs.Stat(old.Hints.Digest); err == nil {
		t.Error("the hints of a deleted deployment are kept")
	}
	ts.clean(t)
}

func TestFsckChecksHints(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	files := site{"/index.html": fmt.Sprintf(preloading, "a")}
	good := ts.record(t, a.deploy("docs", "", files))
	more := maps.Clone(files)
	more["/second.html"] = fmt.Sprintf(preloading, "b")
	bad := ts.record(t, a.deploy("docs", "", more))
	own := bad.Hints
	put := func(d store.Deployment) {
		t.Helper()
		if _, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutDeployment(d, nil) }); err != nil {
			t.Fatal(err)
		}
	}
	wantOne := func(class string) {
		t.Helper()
		_, problems := ts.fsck(t)
		var of []string
		for _, p := range problems {
			if p.Class == class && strings.HasPrefix(p.Object, "deployment "+bad.UUID.String()) {
				of = append(of, p.Message)
			} else if strings.Contains(p.Object, good.UUID.String()) {
				t.Errorf("%s", p)
			}
		}
		if len(of) != 1 {
			t.Errorf("%s: %v of %v", class, of, problems)
		}
	}
	bad.Hints = good.Hints
	put(bad)
	wantOne(ProblemHints)
	bad.Hints = own
	put(bad)
	ts.clean(t)
	b, err := os.ReadFile(ts.blobFile(own.Digest))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(ts.blobFile(own.Digest), b, 0o600); err != nil {
		t.Fatal(err)
	}
	wantOne(ProblemHints)
	if err := os.Remove(ts.blobFile(own.Digest)); err != nil {
		t.Fatal(err)
	}
	wantOne(ProblemBlob)
}

package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/store"
)

func TestManifestNamesWhatWasNeverUploaded(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	files := numbered(20)
	a.upload("docs", site{"/f/0.txt": files["/f/0.txt"]})
	ans := a.postForm("docs", field{"manifest", files.manifest()})
	if ans.Status != 400 || !strings.Contains(ans.message(), "19 were never uploaded") || !strings.Contains(ans.message(), "and 14 more") {
		t.Errorf("%d %s", ans.Status, ans.Raw)
	}
	if n := ts.count(t, "docs"); n != 0 {
		t.Errorf("%d deployments", n)
	}
	// What was uploaded is not lost, and the rest is asked for.
	if n := a.upload("docs", files); n != 19 {
		t.Errorf("%d asked for", n)
	}
	a.deploy("docs", "", files)
	ts.clean(t)
}

func TestFalseClaimBlocksNobody(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	files := site{"/index.html": "right", "/other.html": "other"}
	k := keyOf("/index.html", "right")
	a.uploadAs("docs", map[manifest.AssetKey]string{k: "poison"})
	a.upload("docs", site{"/other.html": "other"})
	ans := a.postForm("docs", field{"manifest", files.manifest()})
	if ans.Status != 400 || !strings.Contains(ans.message(), `1 were uploaded with bytes that do not match their hash: "/index.html"`) ||
		!strings.Contains(ans.message(), k.String()) || strings.Contains(ans.message(), "never") {
		t.Errorf("%d %s", ans.Status, ans.Raw)
	}
	if n := a.upload("docs", files); n != 1 {
		t.Errorf("a retry is asked for %d files, want the poisoned one", n)
	}
	a.deploy("docs", "", files)
	// A false claim beside a true one is tried and passed over; another project is not concerned at all.
	a.uploadAs("docs", map[manifest.AssetKey]string{keyOf("/n.html", "new"): "poison"})
	a.uploadAs("docs", map[manifest.AssetKey]string{keyOf("/n.html", "new"): "new"})
	d := a.deploy("docs", "", site{"/n.html": "new"})
	ts.wantContent(t, d.ID, site{"/n.html": "new"})
	ts.clean(t)
}

// wantContent reads a deployment back through its manifest.
func (s *testService) wantContent(t testing.TB, id string, want site) {
	t.Helper()
	got := make(site)
	d, err := findDeployment(&s.deps.Store.Reader, 0, id)
	if errors.Is(err, store.ErrNotFound) { // of another project than 0, as it should be
		for all, err := range s.deps.Store.Deployments() {
			if err == nil && all.UUID.String() == id {
				d = all
			}
		}
	}
	m, err := openManifest(s.deps.Blobs, d.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Len() {
		e := m.At(i)
		b, err := s.deps.Blobs.ReadAll(e.Digest, e.Size)
		if err != nil {
			t.Fatalf("%s: %v", e.Path, err)
		}
		got[strings.Clone(e.Path)] = string(b)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
}

// The key is not injective: base64 of one content and an extension can read like base64 of another with another extension.
// One key then stands for two files of one site.
func TestOneKeyTwoContents(t *testing.T) {
	// "aGVsbG8K" is base64 of "hello\n"; "aGVs" of "hel", and "bG8K" is an extension.
	x, y := site{"/x": "hello\n"}, site{"/y.bG8K": "hel"}
	k := keyOf("/x", "hello\n")
	if k != keyOf("/y.bG8K", "hel") {
		t.Fatal("the keys differ")
	}
	both := site{"/x": "hello\n", "/y.bG8K": "hel"}

	t.Run("together", func(t *testing.T) {
		ts := newTestService(t, nil)
		a := ts.api(t)
		a.project("docs")
		a.uploadAs("docs", map[manifest.AssetKey]string{k: "hello\n"})
		a.uploadAs("docs", map[manifest.AssetKey]string{k: "hel"})
		ans := a.postForm("docs", field{"manifest", both.manifest()})
		var d deploymentObject
		ans.into(t, &d)
		ts.wantContent(t, d.ID, both)
		if sum := ts.clean(t); sum.Proofs != 2 || sum.Claims != 0 {
			t.Errorf("%+v", sum)
		}
	})
	t.Run("one after the other", func(t *testing.T) {
		ts := newTestService(t, nil)
		a := ts.api(t)
		a.project("docs")
		a.deploy("docs", "", x)
		// The account has a proof of the key, so check-missing asks for nothing, until a refusal wants it.
		if n := a.upload("docs", y); n != 0 {
			t.Fatalf("%d asked for", n)
		}
		if ans := a.postForm("docs", field{"manifest", both.manifest()}); ans.Status != 400 || !strings.Contains(ans.message(), "/y.bG8K") {
			t.Fatalf("%d %s", ans.Status, ans.Raw)
		}
		if n := a.upload("docs", y); n != 1 {
			t.Fatalf("%d asked for after the refusal", n)
		}
		d := a.deploy("docs", "", both)
		ts.wantContent(t, d.ID, both)
		if n := a.upload("docs", both); n != 0 {
			t.Errorf("%d asked for in the end", n)
		}
		ts.clean(t)
	})
	t.Run("true for the other", func(t *testing.T) {
		ts := newTestService(t, nil)
		a := ts.api(t)
		a.project("docs")
		a.uploadAs("docs", map[manifest.AssetKey]string{k: "hello\n"})
		if ans := a.postForm("docs", field{"manifest", both.manifest()}); ans.Status != 400 || strings.Contains(ans.message(), `"/x"`) {
			t.Fatalf("%d %s", ans.Status, ans.Raw)
		}
		p, _ := ts.deps.Store.ProjectByName("docs")
		if claims, err := ts.deps.Store.Claims(p.No, k); err != nil || len(claims) != 1 {
			t.Errorf("the claim that is true for /x was dropped: %v, %v", claims, err)
		}
	})
}

// What one account has proved is nothing to another.
func TestAccountsDoNotShareProofs(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	files := site{"/secret.html": "secret"}
	a.deploy("docs", "", files)
	otherAccount(a)
	other, err := ts.deps.Store.ProjectByName("theirs")
	if err != nil {
		t.Fatal(err)
	}
	pr := ts.newProver(other, ts.upkeep.reserve(), []manifestFile{{"/secret.html", keyOf("/secret.html", "secret")}})
	defer pr.release()
	if err := pr.run(t.Context()); err != nil || len(pr.unproved()) != 1 {
		t.Errorf("another account could name the file: %v", err)
	}
}

// A proof whose blob a sweep took, and a blob that rotted, are as good as none.
func TestStaleProof(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	files := site{"/index.html": "x"}
	d := a.deploy("docs", "dev", files)
	a.must("DELETE", projectsPath+"/docs/deployments/"+d.ID+"?force=true", nil)
	ts.clock.advance(time.Hour)
	if err := ts.deps.Blobs.Remove(manifest.DigestOf([]byte("x")), ts.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if ans := a.postForm("docs", field{"manifest", files.manifest()}); ans.Status != 400 {
		t.Fatalf("%d %s", ans.Status, ans.Raw)
	}
	a.deploy("docs", "", files)
	ts.clean(t)
}

// A blob that rotted on the disk would be taken for every further upload of its bytes, none of which could be proved then.
// The first refusal finds it out, and the retry replaces it.
func TestRottenBlobBlocksNobody(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.deploy("docs", "", site{"/a.txt": "bytes"})
	d := manifest.DigestOf([]byte("bytes")).String()
	if err := os.WriteFile(filepath.Join(ts.opts.DataDir, "blobs", d[:2], d[2:]), []byte("bites"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := site{"/a.html": "bytes"} // another key: nothing is proved
	a.upload("docs", again)
	if ans := a.postForm("docs", field{"manifest", again.manifest()}); ans.Status != 400 {
		t.Fatalf("%d %s", ans.Status, ans.Raw)
	}
	ts.wantContent(t, a.deploy("docs", "", again).ID, again)
	ts.clean(t)
}

// Another deployment commits between the look for proofs and the look for uploads: its batch turned the one into the other.
func TestUploadsBecomeProofsMeanwhile(t *testing.T) {
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	a.project("docs")
	files := site{"/a.txt": "new", "/b.txt": "new too"}
	a.upload("docs", files)
	p, err := ts.deps.Store.ProjectByName("docs")
	if err != nil {
		t.Fatal(err)
	}
	var named []manifestFile
	for path, content := range files {
		named = append(named, manifestFile{path, keyOf(path, content)})
	}
	hold := ts.upkeep.reserve()
	defer hold.release()
	pr := ts.newProver(p, hold, named)
	defer pr.release()
	if err := pr.parallel(t.Context(), pr.lookUp); err != nil || len(pr.unproved()) != len(files) {
		t.Fatalf("%d unproved, %v", len(pr.unproved()), err)
	}
	if ans := a.postForm("docs", field{"manifest", files.manifest()}); !ans.Success {
		t.Fatal(ans.Raw)
	}
	if err := pr.proveLeft(t.Context()); err != nil || len(pr.unproved()) != 0 {
		t.Errorf("%d unproved, %v", len(pr.unproved()), err)
	}
}

// Deployments of the same new files at once, as of a pipeline that builds a branch and its pull request, all succeed.
func TestRacingDeploysOfTheSameNewFiles(t *testing.T) {
	const rounds, racers, nFiles = 60, 4, 30
	ts := newTestService(t, inMemory(t))
	a := ts.api(t)
	a.project("docs")
	for round := range rounds {
		files := make(site, nFiles)
		for i := range nFiles {
			files[fmt.Sprintf("/%d.txt", i)] = fmt.Sprint(round, i)
		}
		a.upload("docs", files)
		var wg sync.WaitGroup
		for n := range racers {
			wg.Go(func() {
				ans := a.postForm("docs", field{"manifest", files.manifest()}, field{"branch", fmt.Sprint("b", n)})
				if !ans.Success {
					t.Errorf("round %d: %d %s", round, ans.Status, ans.message())
				}
			})
		}
		wg.Wait()
	}
	ts.clean(t)
}

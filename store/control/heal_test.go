package control

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"berth/assets/manifest"
)

// cutShort truncates a blob on the disk.
func (s *testService) cutShort(t testing.TB, content string) {
	t.Helper()
	d := manifest.DigestOf([]byte(content)).String()
	if err := os.Truncate(filepath.Join(s.opts.DataDir, "blobs", d[:2], d[2:]), int64(len(content))-1); err != nil {
		t.Fatal(err)
	}
}

// A blob that was cut short on the disk is asked for again by the next deployment, whether the account has proved it or
// the project has only uploaded it, and that heals it.
func TestRedeployHealsATruncatedBlob(t *testing.T) {
	for _, proved := range []bool{true, false} {
		ts := newTestService(t, nil)
		a := ts.api(t)
		a.project("docs")
		files := site{"/a.txt": "the first", "/b.txt": "the second"}
		if a.upload("docs", files); proved {
			a.deploy("docs", "dev", files)
		}
		ts.cutShort(t, "the first")
		if ans := a.postForm("docs", field{"manifest", files.manifest()}); ans.Status != http.StatusBadRequest {
			t.Errorf("proved=%v: published without its bytes: %d %s", proved, ans.Status, ans.Raw)
		}
		if n := a.upload("docs", files); n != 1 {
			t.Errorf("proved=%v: %d files are asked for, want the one that was cut short", proved, n)
		}
		d := a.deploy("docs", "", files)
		ts.wantContent(t, d.ID, files)
		ts.clean(t)
	}
}

// Without a refusal before: check-missing itself sees the damage.
func TestCheckMissingListsATruncatedBlob(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	files := site{"/a.txt": "the first", "/b.txt": "the second"}
	old := a.deploy("docs", "", files)
	ts.cutShort(t, "the second")
	if _, problems := ts.fsck(t); len(problems) == 0 {
		t.Error("fsck finds nothing")
	}
	if n := a.upload("docs", files); n != 1 {
		t.Errorf("%d files are asked for, want 1", n)
	}
	ts.wantContent(t, old.ID, files)
	ts.wantContent(t, a.deploy("docs", "", files).ID, files)
	ts.clean(t)
}

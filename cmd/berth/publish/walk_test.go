package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func paths(s *Site) []string {
	out := []string{}
	for _, f := range s.Files {
		out = append(out, f.Path)
	}
	return out
}

func TestWalkTakesWhatWranglerTakes(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"index.html": "x", ".env": "x", ".well-known/security.txt": "x", "a b.html": "x", "100%.html": "x", "q?x#y.html": "x", `bs\x.html`: "x",
		"héllo wörld.txt": "x", "empty": "", "dir/": "",
		"_headers": "/*\n", "_redirects": "/a /b", "_routes.json": "{}", "functions/a.js": "x", ".wrangler/x": "x",
		"sub/_headers": "x", "sub/_redirects": "x", "sub/functions/x": "x", "sub/.wrangler/x": "x", "sub/_worker.js": "x",
		".DS_Store": "x", "sub/.DS_Store": "x", "node_modules/x": "x", "sub/node_modules/x": "x", ".git/config": "x", "sub/.git/config": "x",
		".foo/node_modules/x": "x", ".foo/.git/x": "x", ".foo/bar/.DS_Store": "x", "node_modules_not/x": "x",
		"link.html": "-> index.html", "linked": "-> sub", "out": "-> " + writeTree(t, map[string]string{"elsewhere.txt": "x"}),
	})
	site, err := Walk(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/.env", "/.foo/.git/x", "/.foo/bar/.DS_Store", "/.foo/node_modules/x", "/.well-known/security.txt", "/100%.html", "/a b.html", `/bs\x.html`,
		"/empty", "/héllo wörld.txt", "/index.html", "/link.html",
		"/linked/.wrangler/x", "/linked/_headers", "/linked/_redirects", "/linked/_worker.js", "/linked/functions/x",
		"/node_modules_not/x", "/out/elsewhere.txt", "/q?x#y.html",
		"/sub/.wrangler/x", "/sub/_headers", "/sub/_redirects", "/sub/_worker.js", "/sub/functions/x",
	}
	if d := cmp.Diff(want, paths(site)); d != "" {
		t.Errorf("files (-want +got)\n%s", d)
	}
	for name, got := range map[string]string{"_headers": site.Headers, "_redirects": site.Redirects, "_routes.json": site.Routes} {
		if got != filepath.Join(dir, name) {
			t.Errorf("%s is %q", name, got)
		}
	}
}

func TestWalkRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	deep := t.TempDir()
	if err := os.MkdirAll(filepath.Join(deep, strings.Repeat("d/", maxDepth+1)), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ dir, want string }{
		"nothing":         {filepath.Join(t.TempDir(), "none"), "no such file"},
		"a file":          {file, "is a file; give the directory"},
		"dangling link":   {writeTree(t, map[string]string{"bad": "-> nowhere"}), "leads nowhere"},
		"link to itself":  {writeTree(t, map[string]string{"bad": "-> bad"}), "too many levels"},
		"link to parent":  {writeTree(t, map[string]string{"a/b/up": "-> ../.."}), "leads to a directory that contains it"},
		"mutual links":    {writeTree(t, map[string]string{"a/x": "-> ../b", "b/y": "-> ../a"}), "leads to a directory that contains it"},
		"bad name":        {writeTree(t, map[string]string{"a\xff.html": "x"}), "not valid UTF-8"},
		"nested too deep": {deep, "nested more than"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Walk(t.Context(), c.dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestWalkLeavesOutPipes(t *testing.T) {
	dir := writeTree(t, map[string]string{"a": "x"})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	site, err := Walk(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"/a"}, paths(site)); d != "" || len(site.Skipped) != 1 {
		t.Errorf("skipped %q (-want +got)\n%s", site.Skipped, d)
	}
}

// Whoever opens a pipe waits for somebody to write to it, and cannot be interrupted meanwhile.
func TestWalkReadsNoRulesFromPipes(t *testing.T) {
	for _, name := range []string{"_headers", "_redirects", "_routes.json"} {
		dir := writeTree(t, map[string]string{"a": "x"})
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Walk(t.Context(), dir); err == nil || !strings.Contains(err.Error(), name+" is not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
		site, err := Survey(t.Context(), dir)
		if err != nil || len(site.Faults) != 1 || site.Headers+site.Redirects+site.Routes != "" {
			t.Errorf("%s: %+v, %v", name, site, err)
		}
	}
}

func TestLimits(t *testing.T) {
	site := &Site{}
	for i, size := range []int64{10, 11, 30, 10} {
		site.Files = append(site.Files, &File{Path: "/assets/" + string(rune('a'+i)), Size: size})
	}
	site.Files = append(site.Files, &File{Path: "/index.html", Size: 1})
	if err := site.CheckSizes(30); err != nil {
		t.Errorf("exactly the limit: %v", err)
	}
	err := site.CheckSizes(10)
	if err == nil || !strings.Contains(err.Error(), "2 file(s) over the limit of 10 B") || strings.Index(err.Error(), "/assets/c") > strings.Index(err.Error(), "/assets/b") {
		t.Errorf("two over the limit, the largest first: %v", err)
	}
	if err := site.CheckCount(5); err != nil {
		t.Errorf("exactly the limit: %v", err)
	}
	err = site.CheckCount(4)
	if err == nil || !strings.Contains(err.Error(), "5 files are more than the 4") || !strings.Contains(err.Error(), "4 of them are below /assets/") {
		t.Errorf("too many: %v", err)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 25 << 20: "25.0 MiB", 1 << 40: "1.0 TiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

// A file's name must not begin a line of a CI log of its own making: some of them obey such lines.
func TestNamesStayInTheirLine(t *testing.T) {
	const name = "a\n::error::b"
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
		t.Fatal(err)
	}
	site, err := Walk(t.Context(), dir)
	if err != nil || len(site.Skipped) != 1 {
		t.Fatalf("%v, %v", site, err)
	}
	texts := map[string]string{"skipped": site.Skipped[0].Why}

	file := &File{Path: "/" + name, Disk: filepath.Join(dir, "gone"+name), Size: 2}
	large := &Site{Files: []*File{file}}
	texts["too large"] = strings.TrimPrefix(large.CheckSizes(1).Error(), "1 file(s) over the limit of 1 B a file; nothing was sent:\n")
	below := &File{Path: "/" + name + "/x"}
	texts["too many"] = strings.Replace((&Site{Files: []*File{below, below}}).CheckCount(1).Error(), "\n", "", 1)
	texts["gone"] = file.hash().Error()
	_, err = Walk(t.Context(), file.Disk)
	texts["no directory"] = err.Error()
	texts["fault"] = fault(file, ErrChanged).Error()
	if err := os.Symlink("nowhere", filepath.Join(dir, name+"2")); err != nil {
		t.Fatal(err)
	}
	_, err = Walk(t.Context(), dir)
	texts["dangling"] = err.Error()
	for what, text := range texts {
		if strings.Contains(text, "\n") || !strings.Contains(text, `a\n::error::b`) {
			t.Errorf("%s: %q", what, text)
		}
	}
}

// A survey goes on where a walk ends, and has the same files.
func TestSurvey(t *testing.T) {
	dir := writeTree(t, map[string]string{"a": "x", "b\xff": "x", "c/gone": "-> nowhere", "c/loop": "-> ..", "d": "x"})
	if _, err := Walk(t.Context(), dir); err == nil {
		t.Error("a walk went on")
	}
	site, err := Survey(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var faults []string
	for _, f := range site.Faults {
		faults = append(faults, f.Path)
	}
	if d := cmp.Diff([][]string{{"/a", "/d"}, {"/b\xff", "/c/gone", "/c/loop"}}, [][]string{paths(site), faults}); d != "" {
		t.Errorf("files, faults (-want +got)\n%s", d)
	}
}

func TestSurveyIsBounded(t *testing.T) {
	files := map[string]string{}
	for i := range maxFaults + 3 {
		files[fmt.Sprintf("gone%d", i)] = "-> nowhere"
	}
	site, err := Survey(t.Context(), writeTree(t, files))
	if err != nil || len(site.Faults) != maxFaults || site.More != 3 {
		t.Errorf("%d faults and %d more, %v", len(site.Faults), site.More, err)
	}
}

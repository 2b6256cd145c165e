//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var deploymentURL = regexp.MustCompile(`https?://[0-9a-f]{8}\.[a-z0-9-]+\.` + regexp.QuoteMeta(domain) + `[:0-9]*`)

// urlIn finds the deployment's URL in what wrangler printed.
func urlIn(t *testing.T, out string) string {
	t.Helper()
	u := deploymentURL.FindString(out)
	if u == "" {
		t.Fatalf("no deployment URL in:\n%s", out)
	}
	return u
}

// site writes files below the wrangler's working directory.
func (w *wrangler) site(files map[string]string) {
	w.t.Helper()
	for name, content := range files {
		p := filepath.Join(w.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (s *server) wantBody(host, target string, status int, body string) {
	s.t.Helper()
	a := s.get(host, target)
	if a.status != status || a.body != body {
		s.t.Errorf("GET %s%s: %d %.200q, want %d %.200q", host, target, a.status, a.body, status, body)
	}
}

func TestWranglerCreatesListsAndDeploysTwice(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	p := newTap(t, s, nil)
	w := newWrangler(t, s, p.URL)
	w.site(map[string]string{"public/index.html": "one", "public/a.txt": "a", "public/b/c.css": "c{}"})
	wantIn(t, "create", w.run("pages", "project", "create", "demo", "--production-branch", "main"), "https://demo."+domain)
	wantIn(t, "list", w.run("pages", "project", "list"), "demo", "demo."+domain)

	out, status := w.try("pages", "project", "create", "demo", "--production-branch", "main")
	if status == 0 {
		t.Errorf("creating a project twice exits 0:\n%s", out)
	}
	first := hostOf(urlIn(t, w.run("pages", "deploy", "public", "--project-name", "demo", "--branch", "main")))
	if n := p.uploaded(); n != 3 {
		t.Errorf("first deploy sent %d files, want 3", n)
	}
	w.site(map[string]string{"public/index.html": "two"})
	second := hostOf(urlIn(t, w.run("pages", "deploy", "public", "--project-name", "demo", "--branch", "main")))
	if n := p.uploaded(); n != 1 {
		t.Errorf("second deploy sent %d files, want 1", n)
	}
	s.wantBody(first, "/", 200, "one")
	s.wantBody(second, "/", 200, "two")
	s.wantBody("demo."+domain, "/", 200, "two")
	s.wantBody("demo."+domain, "/b/c.css", 200, "c{}")
	wantIn(t, "deployment list", w.run("pages", "deployment", "list", "--project-name", "demo"), "http://"+first, "http://"+second, "Production")

	w.run("pages", "project", "delete", "demo", "-y")
	for _, host := range []string{first, second, "demo." + domain} {
		if a := s.get(host, "/"); a.status != 404 {
			t.Errorf("%s answers %d after the project was deleted", host, a.status)
		}
	}
	if out := w.run("pages", "project", "list"); strings.Contains(out, "demo."+domain) {
		t.Errorf("a deleted project is still listed:\n%s", out)
	}
}

func TestWranglerPreviewBranchAndCommit(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	w := newWrangler(t, s, "")
	s.berth("project", "create", "demo", "--production-branch", "main")
	w.site(map[string]string{"public/index.html": "main"})
	w.run("pages", "deploy", "public", "--project-name", "demo", "--branch", "main")
	w.site(map[string]string{"public/index.html": "feature"})
	w.run("pages", "deploy", "public", "--project-name", "demo", "--branch", "feat/Login",
		"--commit-hash", "0123456789abcdef0123456789abcdef01234567", "--commit-message", "Add a login\n\nWith a body", "--commit-dirty=true")
	s.wantBody("demo."+domain, "/", 200, "main")
	s.wantBody("feat-login.demo."+domain, "/", 200, "feature")
	if h := s.get("feat-login.demo."+domain, "/").header.Get("X-Robots-Tag"); h != "noindex" {
		t.Errorf("X-Robots-Tag of a preview is %q", h)
	}
	if h := s.get("demo."+domain, "/").header.Get("X-Robots-Tag"); h != "" {
		t.Errorf("X-Robots-Tag of production is %q", h)
	}
	exact := strings.Fields(s.berth("alias", "feat/Login", "--project", "demo"))[0]
	s.wantBody(hostOf(exact), "/", 200, "feature")
	wantIn(t, "previews", w.run("pages", "deployment", "list", "--project-name", "demo", "--environment", "preview"), "Preview", "feat/Login", "0123456")
}

func TestWranglerInfersGit(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	w := newWrangler(t, s, "")
	s.berth("project", "create", "demo", "--production-branch", "main")
	w.site(map[string]string{"public/index.html": "from git"})
	for _, args := range [][]string{{"init", "-q", "-b", "topic"}, {"add", "."}, {"commit", "-qm", "First commit"}} {
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org"}, args...)...)
		cmd.Dir = w.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	w.run("pages", "deploy", "public", "--project-name", "demo")
	s.wantBody("topic.demo."+domain, "/", 200, "from git")
	var list []struct {
		DeploymentTrigger struct {
			Metadata struct {
				Branch        string
				CommitMessage string `json:"commit_message"`
			}
		} `json:"deployment_trigger"`
	}
	lastJSON(t, s.berth("deployment", "list", "--project", "demo", "--json"), &list)
	if len(list) != 1 || list[0].DeploymentTrigger.Metadata.Branch != "topic" || list[0].DeploymentTrigger.Metadata.CommitMessage != "First commit" {
		t.Errorf("deployment list says %+v", list)
	}
}

func lastJSON(t *testing.T, out string, into any) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), into); err != nil {
		t.Fatalf("last line is not JSON: %v\n%s", err, out)
	}
}

func TestWranglerFunctions(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for name, files := range map[string]map[string]string{
		"functions": {
			"public/index.html": "static", "functions/api/hi.js": "export const onRequest = () => new Response('hi')",
			"functions/users/[id].js": "import text from '../note.txt'; export const onRequestGet = (c) => new Response(text + c.params.id)",
			"functions/note.txt":      "note",
		},
		"worker-file": {"public/index.html": "static", "public/_worker.js": "export default { fetch: (r, env) => env.ASSETS.fetch(r) }"},
		"worker-dir": {
			"public/index.html": "static", "public/_worker.js/index.js": "import { x } from './chunks/a.js'; export default { fetch: (r, env) => x(r, env) }",
			"public/_worker.js/chunks/a.js": "export const x = (r, env) => env.ASSETS.fetch(r)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWrangler(t, s, "")
			w.site(files)
			w.run("pages", "project", "create", name, "--production-branch", "main", "--compatibility-date", "2025-01-01", "--compatibility-flags", "nodejs_compat")
			id := hostOf(urlIn(t, w.run("pages", "deploy", "public", "--project-name", name, "--branch", "main")))[:8]
			s.wantBody(name+"."+domain, "/", 200, "static")
			if a := s.get(name+"."+domain, "/_worker.js"); a.status == 200 && strings.Contains(a.body, "export") {
				t.Errorf("the source of the worker is served")
			}
			var shown struct {
				UsesFunctions bool `json:"uses_functions"`
			}
			lastJSON(t, s.berth("deployment", "show", id, "--project", name, "--json"), &shown)
			if !shown.UsesFunctions {
				t.Errorf("uses_functions is false")
			}
			wantIn(t, "log", s.berth("deployment", "show", id, "--project", name), "unctions")
		})
	}
}

func TestWranglerControlFilesAnd404(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	w := newWrangler(t, s, "")
	w.run("pages", "project", "create", "demo", "--production-branch", "main")
	w.site(map[string]string{
		"public/index.html": "home", "public/404.html": "lost", "public/_headers": "/*\n  X-A: b\n", "public/_redirects": "/old /new 301\n",
		"public/sub/_headers": "an ordinary file", "public/.well-known/x": "dot",
	})
	w.run("pages", "deploy", "public", "--project-name", "demo", "--branch", "main")
	host := "demo." + domain
	s.wantBody(host, "/missing", 404, "lost")
	s.wantBody(host, "/_headers", 404, "lost")
	s.wantBody(host, "/sub/_headers", 200, "an ordinary file")
	s.wantBody(host, "/.well-known/x", 200, "dot")
}

func TestWranglerOddNamesEmptyAndMany(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	w := newWrangler(t, s, "")
	for _, p := range []string{"odd", "empty", "many"} {
		s.berth("project", "create", p, "--production-branch", "main")
	}
	w.site(map[string]string{
		"odd/index.html": "x", "odd/a b.txt": "space", "odd/héllo wörld.txt": "accents", "odd/100%.txt": "percent", "odd/q?x#y.txt": "query",
		"odd/LICENSE": "same", "odd/json": "same", "odd/.html": "same", "odd/zero.bin": "",
	})
	w.run("pages", "deploy", "odd", "--project-name", "odd", "--branch", "main")
	for target, body := range map[string]string{
		"/a%20b.txt": "space", "/h%C3%A9llo%20w%C3%B6rld.txt": "accents", "/100%25.txt": "percent", "/q%3Fx%23y.txt": "query", "/LICENSE": "same", "/zero.bin": "",
	} {
		s.wantBody("odd."+domain, target, 200, body)
	}
	if err := os.Mkdir(filepath.Join(w.dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.run("pages", "deploy", "empty", "--project-name", "empty", "--branch", "main")
	if a := s.get("empty."+domain, "/"); a.status != 404 {
		t.Errorf("an empty deployment answers %d", a.status)
	}
	many := map[string]string{}
	for i := range 2105 {
		many[fmt.Sprintf("many/d%d/f%d.txt", i%40, i)] = fmt.Sprint("file ", i)
	}
	w.site(many)
	w.run("pages", "deploy", "many", "--project-name", "many", "--branch", "main")
	for i := 0; i < 2105; i += 300 {
		s.wantBody("many."+domain, fmt.Sprintf("/d%d/f%d.txt", i%40, i), 200, fmt.Sprint("file ", i))
	}
}

// 144 MiB in files of 24 MiB fills several buckets that are sent at once.
func TestWranglerLargeSite(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	w := newWrangler(t, s, "")
	s.berth("project", "create", "large", "--production-branch", "main")
	for i := range 6 {
		w.site(map[string]string{fmt.Sprintf("public/part%d.bin", i): strings.Repeat(fmt.Sprintf("%07d\n", i), 3<<20)})
	}
	w.run("pages", "deploy", "public", "--project-name", "large", "--branch", "main")
	for i := range 6 {
		a := s.get("large."+domain, fmt.Sprintf("/part%d.bin", i))
		if a.status != 200 || len(a.body) != 24<<20 || !strings.HasSuffix(a.body, fmt.Sprintf("%07d\n", i)) {
			t.Errorf("part %d: %d, %d bytes", i, a.status, len(a.body))
		}
	}
	if rss := s.peakRSS(); rss > 300<<20 {
		t.Errorf("the server's resident memory peaked at %d MiB, want at most 300", rss>>20)
	}
}

func TestWranglerFailuresExitNonZero(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--max-files", "3", "--max-file-bytes", "1000")
	s.berth("project", "create", "demo", "--production-branch", "main")
	small := map[string]string{"public/index.html": "x"}
	t.Run("wrong token", func(t *testing.T) {
		w := newWrangler(t, s, "")
		w.site(small)
		w.token = "berth_0000000000000000_wrong"
		out, status := w.try("pages", "deploy", "public", "--project-name", "demo", "--branch", "main")
		if status == 0 || strings.Contains(out, "error handler also failed") {
			t.Errorf("exit %d\n%s", status, out)
		}
	})
	t.Run("unknown project", func(t *testing.T) {
		w := newWrangler(t, s, "")
		w.site(small)
		out, status := w.try("pages", "deploy", "public", "--project-name", "nosuch", "--branch", "main")
		if status == 0 {
			t.Errorf("exit 0\n%s", out)
		}
		wantIn(t, "message", out, "nosuch")
	})
	t.Run("too many files", func(t *testing.T) {
		w := newWrangler(t, s, "")
		w.site(map[string]string{"public/1": "1", "public/2": "2", "public/3": "3", "public/4": "4"})
		out, status := w.try("pages", "deploy", "public", "--project-name", "demo", "--branch", "main")
		if status == 0 {
			t.Errorf("exit 0\n%s", out)
		}
		wantIn(t, "message", out, "3")
	})
	t.Run("file over the limit", func(t *testing.T) {
		w := newWrangler(t, s, "")
		w.site(map[string]string{"public/big.txt": strings.Repeat("x", 1001)})
		// wrangler tries an upload again for half a minute before it gives up.
		out, status := w.try("pages", "deploy", "public", "--project-name", "demo", "--branch", "main")
		if status == 0 {
			t.Errorf("exit 0\n%s", out)
		}
		wantIn(t, "message", out, "1000")
	})
	if a := s.get("demo."+domain, "/"); a.status != 404 {
		t.Errorf("a refused deployment is served: %d", a.status)
	}
}

// An upload that never reached the server, and one whose bytes are not what their key says: the deployment is refused
// with the path, and the same command works as soon as the network is honest again.
func TestWranglerFalseUploads(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.berth("project", "create", "demo", "--production-branch", "main")
	for name, fault := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"lost": func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = w.Write([]byte(`{"success":true,"errors":[],"messages":[],"result":null}`))
			return true
		},
		"changed": func(w http.ResponseWriter, r *http.Request) bool {
			replaceBody(r, `"value":"b`, `"value":"c`)
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			broken := true
			p := newTap(t, s, func(w http.ResponseWriter, r *http.Request) bool {
				return broken && strings.HasSuffix(r.URL.Path, "/assets/upload") && fault(w, r)
			})
			w := newWrangler(t, s, p.URL)
			w.site(map[string]string{"public/index.html": "nobody sees " + name})
			out, status := w.try("pages", "deploy", "public", "--project-name", "demo", "--branch", "main")
			if status == 0 {
				t.Fatalf("exit 0\n%s", out)
			}
			wantIn(t, "message", out, "/index.html")
			broken = false
			w.run("pages", "deploy", "public", "--project-name", "demo", "--branch", "main")
			s.wantBody("demo."+domain, "/", 200, "nobody sees "+name)
		})
	}
}

// The upload token dies between two asset calls: wrangler must fetch another and go on.
func TestWranglerRefreshesItsUploadToken(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--upload-token-ttl", "2s")
	s.berth("project", "create", "demo", "--production-branch", "main")
	held := false
	p := newTap(t, s, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/assets/upload") && !held {
			held = true
			timer := time.NewTimer(3 * time.Second) // longer than the token lives: the point of the test
			defer timer.Stop()
			<-timer.C
		}
		return false
	})
	w := newWrangler(t, s, p.URL)
	w.site(map[string]string{"public/index.html": "late"})
	w.run("pages", "deploy", "public", "--project-name", "demo", "--branch", "main")
	s.wantBody("demo."+domain, "/", 200, "late")
	if !held {
		t.Error("no upload was held back: the test tested nothing")
	}
}

func TestWranglerSecretsAndDownloadConfig(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	w := newWrangler(t, s, "")
	w.run("pages", "project", "create", "demo", "--production-branch", "main", "--compatibility-date", "2025-01-01")
	w.stdin = "s3cret-value\n"
	w.run("pages", "secret", "put", "API_KEY", "--project-name", "demo")
	w.run("pages", "secret", "put", "PREVIEW_KEY", "--project-name", "demo", "--env", "preview")
	w.stdin = ""
	w.site(map[string]string{"bulk.json": `{"ONE":"1","TWO":"2"}`})
	w.run("pages", "secret", "bulk", "bulk.json", "--project-name", "demo")
	list := w.run("pages", "secret", "list", "--project-name", "demo")
	wantIn(t, "secret list", list, "API_KEY", "ONE", "TWO")
	if strings.Contains(list, "PREVIEW_KEY") || strings.Contains(list, "s3cret-value") {
		t.Errorf("the list shows too much:\n%s", list)
	}
	w.run("pages", "secret", "delete", "ONE", "--project-name", "demo")
	if list := w.run("pages", "secret", "list", "--project-name", "demo"); strings.Contains(list, "ONE") || !strings.Contains(list, "TWO") {
		t.Errorf("after a delete:\n%s", list)
	}
	wantIn(t, "preview", w.run("pages", "secret", "list", "--project-name", "demo", "--env", "preview"), "PREVIEW_KEY")
	if found := grepTree(t, s.dir, "s3cret-value"); found != "" {
		t.Errorf("the secret stands in the clear in %s", found)
	}
	w.run("pages", "download", "config", "demo", "--force")
	toml, err := os.ReadFile(filepath.Join(w.dir, "wrangler.toml"))
	if err != nil {
		t.Fatal(err)
	}
	wantIn(t, "wrangler.toml", string(toml), `name = "demo"`, `compatibility_date = "2025-01-01"`)
}

func TestWranglerConfigFileAndProjectUpload(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	w := newWrangler(t, s, "")
	w.run("pages", "project", "create", "demo", "--production-branch", "main")
	w.site(map[string]string{
		"wrangler.toml":     "name = \"demo\"\npages_build_output_dir = \"./dist\"\ncompatibility_date = \"2025-01-01\"\n[vars]\nGREETING = \"hello\"\n",
		"dist/index.html":   "configured",
		"functions/f.js":    "export const onRequest = (c) => new Response(c.env.GREETING)",
		"plain/upload.html": "uploaded only",
	})
	w.run("pages", "deploy", "--branch", "main")
	s.wantBody("demo."+domain, "/", 200, "configured")
	var jwt struct{ Result struct{ JWT string } }
	s.callAPI(http.MethodGet, "/accounts/default/pages/projects/demo/upload-token", "", &jwt)
	w.extra = []string{"CF_PAGES_UPLOAD_JWT=" + jwt.Result.JWT}
	w.run("pages", "project", "upload", "plain")
}

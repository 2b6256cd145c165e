//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const wranglerScript = "../../../testdata/wrangler/node_modules/wrangler/bin/wrangler.js"

// call is one API request that wrangler made.
type call struct {
	method, path string
	items        int // files in an asset upload
}

// tap stands between wrangler and the API: it passes everything on and remembers what went by. before may answer itself
// (and then returns true), which is how faults of the network are made.
type tap struct {
	*httptest.Server
	mu     sync.Mutex
	calls  []call
	before func(w http.ResponseWriter, r *http.Request) bool
}

func newTap(t *testing.T, s *server, before func(http.ResponseWriter, *http.Request) bool) *tap {
	t.Helper()
	target, err := url.Parse("http://" + s.api)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	p := &tap{before: before}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := call{method: r.Method, path: strings.TrimPrefix(r.URL.Path, "/client/v4")}
		if strings.HasSuffix(r.URL.Path, "/pages/assets/upload") {
			body, _ := io.ReadAll(r.Body)
			var items []json.RawMessage
			_ = json.Unmarshal(body, &items)
			c.items = len(items)
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		p.mu.Lock()
		p.calls = append(p.calls, c)
		p.mu.Unlock()
		if p.before != nil && p.before(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// uploaded counts the files sent since the last call of it.
func (p *tap) uploaded() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.calls {
		n += c.items
	}
	p.calls = nil
	return n
}

// wrangler is a way to run it: nothing of this process's environment reaches it.
type wrangler struct {
	t     *testing.T
	dir   string // working directory
	base  string
	token string
	extra []string
	stdin string
}

func newWrangler(t *testing.T, s *server, base string) *wrangler {
	t.Helper()
	if base == "" {
		base = "http://" + s.api
	}
	return &wrangler{t: t, dir: t.TempDir(), base: base, token: s.adminToken()}
}

func (w *wrangler) try(args ...string) (string, int) {
	w.t.Helper()
	script, err := filepath.Abs(wranglerScript)
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command("node", append([]string{script}, args...)...)
	cmd.Dir = w.dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.t.TempDir(), "CI=true", "NO_COLOR=1",
		"CLOUDFLARE_API_BASE_URL=" + w.base + "/client/v4", "CLOUDFLARE_API_TOKEN=" + w.token, "CLOUDFLARE_ACCOUNT_ID=default",
		"WRANGLER_SEND_METRICS=false", "WRANGLER_SEND_ERROR_REPORTS=false", "WRANGLER_HIDE_BANNER=true",
		"npm_config_registry=http://127.0.0.1:9/",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.org",
	}, w.extra...)
	cmd.Stdin = strings.NewReader(w.stdin)
	out, err := cmd.CombinedOutput()
	return string(out), exitStatus(err)
}

func (w *wrangler) run(args ...string) string {
	w.t.Helper()
	out, status := w.try(args...)
	if status != 0 {
		w.t.Fatalf("wrangler %s: exit %d\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

func wantIn(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s: no %q in:\n%s", what, p, text)
		}
	}
}

package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/cmd/berth/client"
)

func TestPublish(t *testing.T) {
	f := newFakeAPI(t)
	dir := writeTree(t, map[string]string{
		"index.html": "hello", "copy.html": "hello", "LICENSE": "hello", "empty": "", "_headers": "/*\n  A: b\n", "_redirects": "",
	})
	dirty := true
	meta := Meta{Branch: "feat/X", CommitHash: "abc", CommitMessage: strings.Repeat("ä", 300), CommitDirty: &dirty}
	res, rec, err := publishTo(t, f, dir, func(o *Options) { o.Meta = meta })
	if err != nil {
		t.Fatal(err)
	}
	res.Deployment = nil
	if d := cmp.Diff(Result{Files: 4, UploadedFiles: 3, SkippedFiles: 1, UploadedBytes: 10}, res); d != "" {
		t.Errorf("first (-want +got)\n%s", d)
	}
	if rec.files != 3 || rec.bytes != 10 || rec.total != (amount{3, 10}) {
		t.Errorf("progress ended at %d files, %d bytes of %+v", rec.files, rec.bytes, rec.total)
	}
	form := f.forms[0]
	delete(form, "manifest")
	want := formFields{"branch": "feat/X", "commit_hash": "abc", "commit_message": strings.Repeat("ä", 192), "commit_dirty": "true", "_headers": "/*\n  A: b\n"}
	if d := cmp.Diff(want, form); d != "" {
		t.Errorf("form (-want +got)\n%s", d)
	}

	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	res, _, err = publishTo(t, f, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Deployment = nil
	if d := cmp.Diff(Result{Files: 4, UploadedFiles: 1, SkippedFiles: 3, UploadedBytes: 7}, res); d != "" {
		t.Errorf("one file changed (-want +got)\n%s", d)
	}
}

func TestPublishEmptyDirectory(t *testing.T) {
	f := newFakeAPI(t)
	for name, tree := range map[string]map[string]string{"nothing": {}, "settings": {"berth.toml": "cors = true"}, "routes": {"_routes.json": "{}"}} {
		if _, _, err := publishTo(t, f, writeTree(t, tree), nil); err == nil || !strings.Contains(err.Error(), "--allow-empty") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.count["project"] != 0 || len(f.forms) != 0 {
		t.Error("the server was asked")
	}
	allow := func(o *Options) { o.AllowEmpty = true }
	if _, _, err := publishTo(t, f, t.TempDir(), allow); err != nil {
		t.Fatal(err)
	}
	if f.forms[0]["manifest"] != "{}" || f.count["upload"] != 0 {
		t.Errorf("manifest %q, %d uploads", f.forms[0]["manifest"], f.count["upload"])
	}
}

func TestPublishMakesTheProject(t *testing.T) {
	f := newFakeAPI(t)
	f.projects = map[string]bool{}
	res, _, err := publishTo(t, f, writeTree(t, map[string]string{"a": "x"}), nil)
	if err != nil || !res.Created || f.count["create project"] != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// Whatever breaks on the way, the deployment is made and nothing that is stored is sent again.
func TestPublishSurvives(t *testing.T) {
	hangUp := func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	tree := map[string]string{}
	for i := range 50 {
		tree[fmt.Sprintf("f%d.txt", i)] = strings.Repeat("x", 100*i) + strconv.Itoa(i)
	}
	for name, c := range map[string]struct {
		before   func(f *fakeAPI) func(w http.ResponseWriter, r *http.Request, name string, nth int) bool
		received int
	}{
		"server errors everywhere": {func(*fakeAPI) func(http.ResponseWriter, *http.Request, string, int) bool {
			return func(w http.ResponseWriter, r *http.Request, name string, nth int) bool {
				if name == "project" || nth >= 2 {
					return false
				}
				_, _ = io.Copy(io.Discard, r.Body)
				http.Error(w, "<html>bad gateway", http.StatusBadGateway)
				return true
			}
		}, 50},
		"connections cut before the body": {func(*fakeAPI) func(http.ResponseWriter, *http.Request, string, int) bool {
			return func(w http.ResponseWriter, _ *http.Request, name string, nth int) bool {
				if name != "upload" || nth >= 4 {
					return false
				}
				hangUp(w)
				return true
			}
		}, 50},
		"uploads stored, answers lost": {func(f *fakeAPI) func(http.ResponseWriter, *http.Request, string, int) bool {
			return func(w http.ResponseWriter, r *http.Request, name string, nth int) bool {
				if name != "upload" {
					return false
				}
				f.mu.Lock()
				f.upload(discard{}, r)
				f.mu.Unlock()
				hangUp(w)
				return true
			}
		}, 50},
		"the answer of the deployment lost": {func(f *fakeAPI) func(http.ResponseWriter, *http.Request, string, int) bool {
			return func(w http.ResponseWriter, _ *http.Request, name string, nth int) bool {
				if name != "deploy" || nth > 0 {
					return false
				}
				hangUp(w)
				return true
			}
		}, 50},
		"an expired token": {func(f *fakeAPI) func(http.ResponseWriter, *http.Request, string, int) bool {
			return func(w http.ResponseWriter, r *http.Request, name string, nth int) bool {
				if name != "upload" || nth > 0 {
					return false
				}
				f.mu.Lock()
				f.refused = append(f.refused, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
				f.mu.Unlock()
				return false
			}
		}, 50},
		"a proxy with a small limit": {func(*fakeAPI) func(http.ResponseWriter, *http.Request, string, int) bool {
			return func(w http.ResponseWriter, r *http.Request, name string, _ int) bool {
				if name != "upload" || r.ContentLength < 20_000 {
					return false
				}
				_, _ = io.Copy(io.Discard, r.Body)
				http.Error(w, "too large", http.StatusRequestEntityTooLarge)
				return true
			}
		}, 50},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeAPI(t)
			f.before = c.before(f)
			res, rec, err := publishTo(t, f, writeTree(t, tree), nil)
			f.stop()
			if err != nil {
				t.Fatal(err)
			}
			if res.UploadedFiles != 50 || res.SkippedFiles != 0 || f.received != c.received || len(f.stored) != 50 || len(f.forms) != 1 {
				t.Errorf("%+v; %d received, %d stored, %d deployments", res, f.received, len(f.stored), len(f.forms))
			}
			if rec.files != 50 || rec.bytes != res.UploadedBytes {
				t.Errorf("progress ended at %d files, %d bytes, want 50 and %d", rec.files, rec.bytes, res.UploadedBytes)
			}
		})
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

// A server that finds out only at the end that bytes are not what they were said to be gets them again.
func TestPublishSendsAgainWhatIsRefused(t *testing.T) {
	f := newFakeAPI(t)
	dir := writeTree(t, map[string]string{"a.html": "true", "b.html": "b"})
	if _, _, err := publishTo(t, f, dir, nil); err != nil {
		t.Fatal(err)
	}
	for k := range f.stored {
		f.stored[k] = []byte("false") // somebody else's bytes under our key
		break
	}
	if _, _, err := publishTo(t, f, dir, nil); err != nil {
		t.Fatal(err)
	}
	if f.received != 3 {
		t.Errorf("%d files received, want 3", f.received)
	}
}

// What the server lost and was sent once more is still one file of the site.
func TestPublishCountsAFileOnce(t *testing.T) {
	f := newFakeAPI(t)
	f.before = func(w http.ResponseWriter, _ *http.Request, name string, nth int) bool {
		if name != "deploy" || nth > 0 {
			return false
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		clear(f.stored)
		fail(w, 400, 8000011, "no longer kept")
		return true
	}
	res, _, err := publishTo(t, f, writeTree(t, map[string]string{"a.html": "one", "b.html": "two"}), nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Deployment = nil
	if d := cmp.Diff(Result{Files: 2, UploadedFiles: 2, UploadedBytes: 6}, res); d != "" || f.received != 4 {
		t.Errorf("%d received (-want +got)\n%s", f.received, d)
	}
}

func TestPublishFails(t *testing.T) {
	f502 := func(w http.ResponseWriter, _ *http.Request, name string, _ int) bool {
		if name == "project" {
			return false
		}
		http.Error(w, "", http.StatusBadGateway)
		return true
	}
	for name, c := range map[string]struct {
		tree   map[string]string
		before func(w http.ResponseWriter, r *http.Request, name string, nth int) bool
		setup  func(f *fakeAPI)
		change func(*Options)
		want   string
		quiet  bool // nothing may be sent
	}{
		"too large": {tree: map[string]string{"big": "12345"}, change: func(o *Options) { o.MaxFileBytes = 4 }, want: "over the limit of 4 B", quiet: true},
		"too many": {tree: map[string]string{"a": "", "b": "", "c": ""}, setup: func(f *fakeAPI) { f.claims["max_file_count_allowed"] = 2 },
			want: "3 files are more than the 2"},
		"a worker":       {tree: map[string]string{"_worker.js": "export default {}"}, want: "wrangler pages deploy", quiet: true},
		"worker modules": {tree: map[string]string{"_worker.js/index.js": "export default {}"}, want: "wrangler pages deploy", quiet: true},
		"functions": {tree: map[string]string{"a": ""}, change: func(o *Options) { o.FunctionsDir = writeTreeIn(o.Dir, "fn/a.ts", "export function onRequest() {}") },
			want: "a.ts has functions", quiet: true},
		"server down for good": {tree: map[string]string{"a": ""}, before: f502, want: "502", quiet: false},
		"token refused for good": {tree: map[string]string{"a": "x"}, before: func(w http.ResponseWriter, _ *http.Request, name string, _ int) bool {
			if name != "upload" {
				return false
			}
			fail(w, 401, client.CodeUploadToken, "expired")
			return true
		}, want: "refuses the upload tokens that it gives"},
		"one file too large for a proxy": {tree: map[string]string{"a": "x"}, before: func(w http.ResponseWriter, _ *http.Request, name string, _ int) bool {
			if name != "upload" {
				return false
			}
			http.Error(w, "", http.StatusRequestEntityTooLarge)
			return true
		}, want: "client_max_body_size"},
		"refused": {tree: map[string]string{"a": "x"}, before: func(w http.ResponseWriter, _ *http.Request, name string, _ int) bool {
			if name != "deploy" {
				return false
			}
			fail(w, 400, 8000011, "no good because")
			return true
		}, want: "no good because"},
		"failed deployment": {tree: map[string]string{"a": "x"}, before: func(w http.ResponseWriter, _ *http.Request, name string, _ int) bool {
			if name != "deploy" {
				return false
			}
			succeed(w, map[string]any{"id": "dep", "latest_stage": map[string]string{"name": "deploy", "status": "failure"}})
			return true
		}, want: "deployment dep failed"},
		"no deployment in the answer": {tree: map[string]string{"a": "x"}, before: func(w http.ResponseWriter, _ *http.Request, name string, _ int) bool {
			if name != "deploy" {
				return false
			}
			succeed(w, nil)
			return true
		}, want: "holds no deployment"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeAPI(t)
			f.before = c.before
			if c.setup != nil {
				c.setup(f)
			}
			_, _, err := publishTo(t, f, writeTree(t, c.tree), c.change)
			f.stop()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if len(f.forms) != 0 || c.quiet && len(f.count) != 0 {
				t.Errorf("%d deployments, calls %v", len(f.forms), f.count)
			}
		})
	}
}

func writeTreeIn(dir, name, text string) string {
	path := filepath.Join(filepath.Dir(dir), filepath.FromSlash(name))
	_ = os.MkdirAll(filepath.Dir(path), 0o755)
	_ = os.WriteFile(path, []byte(text), 0o644)
	return filepath.Dir(path)
}

func TestFunctionsAreLeftOutOnRequest(t *testing.T) {
	f := newFakeAPI(t)
	dir := writeTree(t, map[string]string{"_worker.js": "x", "a": "y", "_routes.json": "{}"})
	res, rec, err := publishTo(t, f, dir, func(o *Options) { o.StaticOnly = true })
	if err != nil || res.Files != 1 || !strings.Contains(strings.Join(rec.steps, "\n"), "_worker.js is left out") {
		t.Errorf("%+v, %v, said %q", res, err, rec.steps)
	}
}

// A file that changes between the look and the upload must stop the deployment, not be retried for a minute.
func TestPublishNoticesAChange(t *testing.T) {
	f := newFakeAPI(t)
	dir := writeTree(t, map[string]string{"a.html": "one"})
	f.before = func(_ http.ResponseWriter, _ *http.Request, name string, _ int) bool {
		if name == "missing" {
			if err := os.WriteFile(filepath.Join(dir, "a.html"), []byte("two"), 0o600); err != nil {
				t.Error(err)
			}
		}
		return false
	}
	_, _, err := publishTo(t, f, dir, nil)
	f.stop()
	if !errors.Is(err, ErrChanged) || f.count["upload"] > 1 || len(f.stored) != 0 {
		t.Errorf("got %v after %d uploads with %d files stored", err, f.count["upload"], len(f.stored))
	}
}

func TestPublishStopsWhenCancelled(t *testing.T) {
	f := newFakeAPI(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.before = func(w http.ResponseWriter, _ *http.Request, name string, _ int) bool {
		if name != "upload" {
			return false
		}
		cancel()
		http.Error(w, "", http.StatusBadGateway)
		return true
	}
	api, err := client.New(client.Options{API: f.url, Token: "secret", Account: "acc"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Publish(ctx, Options{API: api, Project: "site", Dir: writeTree(t, map[string]string{"a": "x"}), Report: &recorder{}, Wait: sleep})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTokensAreRenewedInTime(t *testing.T) {
	f := newFakeAPI(t)
	f.claims["iat"], f.claims["exp"] = 1000, 1600 // by a clock that is not ours
	api, err := client.New(client.Options{API: f.url, Token: "secret", Account: "acc"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(5_000_000, 0)
	tk := &tokens{api: api, project: "site", now: func() time.Time { return now }}
	get := func() string {
		got, err := tk.get(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return got.jwt
	}
	first := get()
	now = now.Add(299 * time.Second)
	if get() != first {
		t.Error("renewed too early")
	}
	now = now.Add(2 * time.Second)
	if get() == first {
		t.Error("not renewed at half its life")
	}
}

func TestReadTokenRefuses(t *testing.T) {
	for _, jwt := range []string{"", "opaque", "a.b", "a.!.c", "a.bm90IGpzb24.c"} {
		if _, err := readToken(jwt); err == nil {
			t.Errorf("%q was taken for a JWT", jwt)
		}
	}
}

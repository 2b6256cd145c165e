package publish

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/assets/manifest"
	"berth/cmd/berth/client"
)

// fakeAPI is as much of the API as publishing uses, with faults to order.
type fakeAPI struct {
	t    *testing.T
	url  string
	stop func() // waits for the calls that it still works on

	// before sees each call before it is answered, with how many of its name came before; it may answer itself.
	before func(w http.ResponseWriter, r *http.Request, name string, nth int) (answered bool)

	mu       sync.Mutex // guards all below
	count    map[string]int
	projects map[string]bool
	stored   map[string][]byte
	received int          // items uploaded, again or not
	forms    []formFields // deployments created
	refused  []string     // upload tokens that are no good any more
	tokens   int
	claims   map[string]any
}

type formFields map[string]string

func newFakeAPI(t *testing.T) *fakeAPI {
	f := &fakeAPI{
		t: t, count: map[string]int{}, projects: map[string]bool{"site": true}, stored: map[string][]byte{},
		claims: map[string]any{"max_file_count_allowed": 20000},
	}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.url, f.stop = srv.URL, srv.Close
	return f
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/client/v4")
	name := map[string]string{
		"GET /accounts/acc/pages/projects/site":              "project",
		"POST /accounts/acc/pages/projects":                  "create project",
		"GET /accounts/acc/pages/projects/site/upload-token": "token",
		"POST /pages/assets/check-missing":                   "missing",
		"POST /pages/assets/upload":                          "upload",
		"POST /pages/assets/upsert-hashes":                   "upsert",
		"POST /accounts/acc/pages/projects/site/deployments": "deploy",
	}[r.Method+" "+path]
	if name == "" {
		fail(w, 404, 7003, "no endpoint "+r.Method+" "+path)
		return
	}
	f.mu.Lock()
	nth := f.count[name]
	f.count[name]++
	before := f.before
	f.mu.Unlock()
	if before != nil && before(w, r, name, nth) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer(w, r, name)
}

func (f *fakeAPI) answer(w http.ResponseWriter, r *http.Request, name string) {
	if strings.HasPrefix(r.URL.Path, "/client/v4/pages/assets/") {
		for _, bad := range f.refused {
			if r.Header.Get("Authorization") == "Bearer "+bad {
				fail(w, 401, client.CodeUploadToken, "upload token expired")
				return
			}
		}
	} else if r.Header.Get("Authorization") != "Bearer secret" {
		fail(w, 401, client.CodeAuth, "authentication error")
		return
	}
	switch name {
	case "project":
		if !f.projects["site"] {
			fail(w, 404, client.CodeProjectMissing, "no such project")
			return
		}
		succeed(w, map[string]string{"name": "site"})
	case "create project":
		f.projects["site"] = true
		succeed(w, map[string]string{"name": "site"})
	case "token":
		f.tokens++
		f.claims["n"] = f.tokens
		claims, _ := json.Marshal(f.claims)
		succeed(w, map[string]string{"jwt": "h." + base64.RawURLEncoding.EncodeToString(claims) + ".s"})
	case "missing":
		f.missing(w, r)
	case "upload":
		f.upload(w, r)
	case "upsert":
		succeed(w, nil)
	case "deploy":
		f.deploy(w, r)
	}
}

func (f *fakeAPI) missing(w http.ResponseWriter, r *http.Request) {
	var in struct{ Hashes []string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		fail(w, 400, 1, err.Error())
		return
	}
	lacking := []string{}
	for _, h := range in.Hashes {
		if _, ok := f.stored[h]; !ok {
			lacking = append(lacking, h)
		}
	}
	succeed(w, lacking)
}

func (f *fakeAPI) upload(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || int64(len(body)) != r.ContentLength {
		fail(w, 400, 1, fmt.Sprintf("body: %v", err))
		return
	}
	var items []struct {
		Key, Value string
		Metadata   struct{ ContentType string }
		Base64     bool
	}
	if err := json.Unmarshal(body, &items); err != nil {
		f.t.Errorf("upload body: %v: %.200s", err, body)
		fail(w, 400, 1, err.Error())
		return
	}
	for _, it := range items {
		raw, err := base64.StdEncoding.DecodeString(it.Value)
		if err != nil || !it.Base64 || it.Metadata.ContentType == "" {
			f.t.Errorf("upload item %s: %v, base64 %v, type %q", it.Key, err, it.Base64, it.Metadata.ContentType)
		}
		f.stored[it.Key] = raw
		f.received++
	}
	succeed(w, nil)
}

func (f *fakeAPI) deploy(w http.ResponseWriter, r *http.Request) {
	reader, err := r.MultipartReader()
	if err != nil {
		fail(w, 400, 1, err.Error())
		return
	}
	got := formFields{}
	for {
		part, err := reader.NextPart()
		if err != nil {
			break
		}
		text, _ := io.ReadAll(part)
		got[part.FormName()] = string(text)
	}
	var listing map[string]string
	if err := json.Unmarshal([]byte(got["manifest"]), &listing); err != nil {
		fail(w, 400, 1, "manifest: "+err.Error())
		return
	}
	for path, key := range listing {
		raw, ok := f.stored[key]
		if actual, _ := manifest.ComputeAssetKey(bytes.NewReader(raw), manifest.Extension(path)); !ok || actual.String() != key {
			delete(f.stored, key)
			fail(w, 400, 8000011, path+" was never uploaded")
			return
		}
	}
	f.forms = append(f.forms, got)
	succeed(w, map[string]any{"id": "dep", "url": "http://dep.site.test", "latest_stage": map[string]string{"name": "deploy", "status": "success"}})
}

func succeed(w http.ResponseWriter, result any) {
	_ = json.NewEncoder(w).Encode(map[string]any{"success": true, "errors": []any{}, "messages": []any{}, "result": result})
}

func fail(w http.ResponseWriter, status, code int, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"success": false, "messages": []any{}, "result": nil,
		"errors": []any{map[string]any{"code": code, "message": message}}})
}

// recorder is a Reporter that remembers.
type recorder struct {
	mu    sync.Mutex
	steps []string
	files int
	bytes int64
	total amount
}

func (r *recorder) Step(line string) { r.locked(func() { r.steps = append(r.steps, line) }) }
func (r *recorder) Uploading(files int, bytes int64) {
	r.locked(func() { r.files, r.bytes, r.total = 0, 0, amount{files, bytes} })
}
func (r *recorder) Sent(files int, bytes int64) {
	r.locked(func() { r.files += files; r.bytes += bytes })
}
func (r *recorder) Uploaded() {}

func (r *recorder) locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// publishTo publishes dir to the fake, without real waiting.
func publishTo(t *testing.T, f *fakeAPI, dir string, change func(*Options)) (Result, *recorder, error) {
	t.Helper()
	api, err := client.New(client.Options{API: f.url, Token: "secret", Account: "acc", UserAgent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{}
	o := Options{API: api, Project: "site", Dir: dir, Report: rec, Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	if change != nil {
		change(&o)
	}
	res, err := Publish(t.Context(), o)
	return res, rec, err
}

// writeTree makes the files below a new directory. A name that ends in "/" is an empty directory; content "-> x" is a
// symbolic link.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		var err error
		switch {
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			if err = os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				break
			}
			if target, ok := strings.CutPrefix(content, "-> "); ok {
				err = os.Symlink(target, path)
			} else {
				err = os.WriteFile(path, []byte(content), 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/assets/blob"
	"berth/router/hostkey"
	"berth/store"
)

// testService is a real control plane over a real store and blob directory, on a loopback listener.
type testService struct {
	*Service
	url   string
	admin string // text of the server admin's token
	clock *testClock
	names *testResolver
	log   *logBuffer
}

// testClock stands still until told to move.
type testClock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// testResolver answers TXT look-ups from a map.
type testResolver struct {
	mu    sync.Mutex // guards texts
	texts map[string][]string
	asked chan string // gets each name, if not nil
}

func (r *testResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if r.asked != nil {
		r.asked <- name
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if texts, ok := r.texts[name]; ok {
		return texts, ctx.Err()
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (r *testResolver) set(name string, texts ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts[name] = texts
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// testParts are what newTestService makes a Service of; a test may change them before.
type testParts struct {
	deps Deps
	opts Options
}

// newTestService starts a bootstrapped service. change, if not nil, may alter its parts.
func newTestService(t testing.TB, change func(*testParts)) *testService {
	t.Helper()
	dir := fastDir(t)
	ts := &testService{
		clock: &testClock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)},
		names: &testResolver{texts: make(map[string][]string)},
		log:   &logBuffer{},
	}
	// In memory and small: what is durable is for the store's own tests, and most time here would be its fsyncs and caches.
	db, err := store.OpenFS(vfs.NewMem(), "db", store.Options{MinFreeBytes: -1, CacheBytes: 1 << 20, MemTableBytes: 1 << 20, Now: ts.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	blobs, err := blob.OpenDir(filepath.Join(dir, "blobs"), blob.Options{Now: ts.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	parts := testParts{
		deps: Deps{
			Store: db, Blobs: blobs, Hasher: hostkey.NewHasher(hostkey.Secret{1}), Resolver: ts.names, Now: ts.clock.Now,
			Log:        slog.New(slog.NewTextHandler(ts.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			SealingKey: [32]byte{2}, UploadKey: [32]byte{3},
		},
		opts: Options{DataDir: dir},
	}
	if change != nil {
		change(&parts)
	}
	if ts.Service, err = New(parts.deps, parts.opts); err != nil {
		t.Fatal(err)
	}
	if err := ts.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	ts.SetReady(true)
	token, err := os.ReadFile(filepath.Join(dir, AdminTokenFile))
	if err != nil {
		t.Fatal(err)
	}
	ts.admin = strings.TrimSpace(string(token))
	ts.restart(t)
	return ts
}

// fastDir is a temporary directory, in memory where the machine has such a place: making a blob directory durable takes
// longer than most tests.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "berth-test-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// restart listens anew, for endpoints that were added by Extra.
func (s *testService) restart(t testing.TB) {
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	s.url = server.URL
}

// answer is one answer of the API, taken apart.
type answer struct {
	Status int
	Header http.Header
	Raw    string

	Success    bool
	Errors     []envelopeError
	Messages   []string
	Result     json.RawMessage
	ResultInfo *resultInfo `json:"result_info"`
}

func (a answer) code() int {
	if len(a.Errors) == 0 {
		return 0
	}
	return a.Errors[0].Code
}

func (a answer) message() string {
	if len(a.Errors) == 0 {
		return ""
	}
	return a.Errors[0].Message
}

// into decodes the result.
func (a answer) into(t testing.TB, dst any) {
	t.Helper()
	if err := json.Unmarshal(a.Result, dst); err != nil {
		t.Fatalf("result %s: %v", a.Result, err)
	}
}

// api is a small client.
type api struct {
	t     testing.TB
	s     *testService
	token string // sent unless do is given another
}

func (s *testService) api(t testing.TB) *api { return &api{t: t, s: s, token: s.admin} }

// as is the same client with another token.
func (a *api) as(token string) *api { return &api{t: a.t, s: a.s, token: token} }

// do makes one call. body may be nil, a string, []byte, an io.Reader, or anything that is to be JSON. path is below
// /client/v4. Whatever the server answers must be an envelope.
func (a *api) do(method, path string, body any) answer {
	a.t.Helper()
	req := a.request(method, apiPrefix+path, body)
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.send(req)
}

func (a *api) request(method, path string, body any) *http.Request {
	a.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	case []byte:
		r = bytes.NewReader(b)
	case io.Reader:
		r = b
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			a.t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.s.url+path, r)
	if err != nil {
		a.t.Fatal(err)
	}
	return req
}

func (a *api) send(req *http.Request) answer {
	a.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.parse(res, raw)
}

// parse checks that an answer is what every client can take: no null where an array is due.
func (a *api) parse(res *http.Response, raw []byte) answer {
	a.t.Helper()
	ans := answer{Status: res.StatusCode, Header: res.Header, Raw: string(raw)}
	if err := json.Unmarshal(raw, &ans); err != nil {
		a.t.Fatalf("%s %s: %s is no envelope: %v", res.Request.Method, res.Request.URL.Path, raw, err)
	}
	if ans.Errors == nil || ans.Messages == nil || ans.Success == (len(ans.Errors) > 0) || res.Header.Get("Content-Type") != "application/json" {
		a.t.Fatalf("%s %s: bad envelope %s", res.Request.Method, res.Request.URL.Path, raw)
	}
	return ans
}

// must makes a call that must succeed.
func (a *api) must(method, path string, body any) answer {
	a.t.Helper()
	ans := a.do(method, path, body)
	if !ans.Success {
		a.t.Fatalf("%s %s: %d %s", method, path, ans.Status, ans.Raw)
	}
	return ans
}

// refused makes a call that must be refused so.
func (a *api) refused(method, path string, body any, status, code int) answer {
	a.t.Helper()
	ans := a.do(method, path, body)
	if ans.Success || ans.Status != status || ans.code() != code {
		a.t.Fatalf("%s %s: got %d %s, want %d with code %d", method, path, ans.Status, ans.Raw, status, code)
	}
	return ans
}

const projectsPath = "/accounts/default/pages/projects"

// project makes a project of account default.
func (a *api) project(name string) {
	a.t.Helper()
	a.must("POST", projectsPath, map[string]any{"name": name, "production_branch": "main"})
}

// mint makes a token of account default and returns its text.
func (a *api) mint(scope string, projects ...string) string {
	a.t.Helper()
	var made TokenObject
	a.must("POST", "/accounts/default/berth/tokens", TokenRequest{Name: "test", Scope: scope, Projects: projects}).into(a.t, &made)
	return made.Token
}

// uploader is a client with an upload token of a project.
func (a *api) uploader(project string) *api {
	a.t.Helper()
	var got struct{ JWT string }
	a.must("GET", projectsPath+"/"+project+"/upload-token", nil).into(a.t, &got)
	return a.as(got.JWT)
}

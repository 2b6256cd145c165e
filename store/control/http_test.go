package control

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/store"
)

func TestUnroutedAnswersInEnvelope(t *testing.T) {
	s := newTestService(t, nil)
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/client/v4", 404, ""},
		{"GET", "/client/v4/nothing", 404, ""},
		{"PUT", "/client/v4/user", 405, "GET, HEAD"},
		{"POST", "/healthz", 405, "GET, HEAD"},
		{"GET", "/client/v4/accounts/../user", 404, ""},
		{"GET", "/client/v4/./user", 404, ""},
		{"GET", "/client/v4/accounts/default/pages/projects/a/b/c", 404, ""},
		{"DELETE", "/client/v4/pages/assets/upload", 405, "POST"},
	} {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			a := s.api(t)
			req := a.request(tt.method, "/", nil)
			req.URL.Opaque = "//" + req.URL.Host + tt.path // the path as it is
			ans := a.send(req)
			if ans.Status != tt.status || ans.code() != codeRoute || ans.Header.Get("Allow") != tt.allow {
				t.Errorf("got %d %s Allow %q, want %d with %d, Allow %q", ans.Status, ans.Raw, ans.Header.Get("Allow"), tt.status, codeRoute, tt.allow)
			}
		})
	}
}

func TestDuplicateSlashesCollapse(t *testing.T) {
	a := newTestService(t, nil).api(t)
	a.project("docs")
	for _, path := range []string{"//user", "/user/", "/accounts//default/pages///projects/docs"} {
		a.must("GET", path, nil)
	}
	a.must("POST", "//accounts/default/pages/projects", map[string]any{"name": "other"}) // a redirect would lose the body
}

func TestProbes(t *testing.T) {
	s := newTestService(t, nil)
	get := func(path string) string {
		res, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.Status + " " + string(b)
	}
	ready := get("/readyz")
	s.SetReady(false)
	got := []string{get("/healthz"), ready, get("/readyz")}
	want := []string{"200 OK ok\n", "200 OK ready\n", "503 Service Unavailable not ready\n"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// extraService has endpoints that fail in all ways.
func extraService(t *testing.T, change func(*testParts)) *testService {
	t.Helper()
	dir := newTestService(t, change)
	fail := func(err error) func(context.Context, Principal, *http.Request) (any, error) {
		return func(context.Context, Principal, *http.Request) (any, error) { return nil, err }
	}
	dir.Extra("GET /test/panic", NeedNothing, func(context.Context, Principal, *http.Request) (any, error) { panic("a bug") })
	dir.Extra("GET /test/internal", NeedNothing, fail(errors.New("the private cause")))
	dir.Extra("GET /test/full", NeedNothing, fail(fmt.Errorf("write: %w", syscall.ENOSPC)))
	dir.Extra("GET /test/storefull", NeedNothing, fail(fmt.Errorf("update: %w", store.ErrDiskFull)))
	dir.Extra("GET /test/null", NeedServer, fail(nil))
	dir.Extra("GET /test/who", NeedAnyToken, func(_ context.Context, p Principal, _ *http.Request) (any, error) { return p.Token.Name, nil })
	dir.restart(t)
	return dir
}

func TestFailuresAreWordedForTheCaller(t *testing.T) {
	s := extraService(t, nil)
	a := s.api(t)
	for path, want := range map[string]struct{ status, code int }{
		"/test/panic":     {500, codeInternal},
		"/test/internal":  {500, codeInternal},
		"/test/full":      {507, codeDiskFull},
		"/test/storefull": {507, codeDiskFull},
	} {
		ans := a.refused("GET", path, nil, want.status, want.code)
		if strings.Contains(ans.Raw, "private") || strings.Contains(ans.Raw, "a bug") {
			t.Errorf("%s shows its cause: %s", path, ans.Raw)
		}
	}
	for _, want := range []string{"the private cause", "a bug", "goroutine"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if ans := a.must("GET", "/test/null", nil); string(ans.Result) != "null" {
		t.Errorf("result is %s, want null", ans.Result)
	}
	if ans := a.must("GET", "/test/who", nil); string(ans.Result) != `"first server admin"` {
		t.Errorf("the endpoint saw %s", ans.Result)
	}
	a.as("").refused("GET", "/test/null", nil, 401, codeAuth)
}

// What a caller sent comes back in part only.
func TestRefusalsAreShort(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	ans := a.postForm("docs", field{"manifest", `{"/a":` + strings.Repeat("1", 60000) + `}`})
	if ans.Status != 400 || len(ans.Raw) > 2*maxMessage || !strings.Contains(ans.message(), "number 1111") {
		t.Errorf("%d bytes: %.200s", len(ans.Raw), ans.Raw)
	}
}

func TestTooManyCallsAtOnce(t *testing.T) {
	s := newTestService(t, func(p *testParts) { p.opts.MaxConcurrentCalls = 1 })
	entered, leave := make(chan struct{}), make(chan struct{})
	s.Extra("GET /test/wait", NeedServer, func(context.Context, Principal, *http.Request) (any, error) {
		close(entered)
		<-leave
		return nil, nil
	})
	s.restart(t)
	a := s.api(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.must("GET", "/test/wait", nil)
	}()
	<-entered
	ans := a.refused("GET", projectsPath, nil, 503, codeBusy)
	if ans.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	a.as("").refused("GET", projectsPath, nil, 401, codeAuth) // a stranger is refused as such, and takes no slot
	close(leave)
	<-done
	a.must("GET", projectsPath, nil)
}

// dial opens a bare connection to the service.
func (s *testService) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestSlowBodyIsRefused(t *testing.T) {
	s := newTestService(t, func(p *testParts) { p.opts.BodyTimeout = 50 * time.Millisecond })
	s.api(t).project("docs")
	for _, tt := range []struct{ path, token, sent string }{
		{projectsPath, s.admin, `{"name":`},
		{"/pages/assets/upload", s.api(t).uploader("docs").token, `[{"key":"197ec927d7737a1bb74582fc907d8184","value":"Y29u`},
	} {
		c := s.dial(t)
		fmt.Fprintf(c, "POST /client/v4%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n%s", tt.path, tt.token, tt.sent)
		got := make([]byte, 4096)
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(got)
		if err != nil || !strings.HasPrefix(string(got[:n]), "HTTP/1.1 408 ") || !strings.Contains(string(got[:n]), strconv.Itoa(codeSlow)) {
			t.Errorf("%s: got %q, %v; want 408", tt.path, got[:n], err)
		}
	}
}

// A handler may work longer than the body's timeout once it has the body: no deadline may outlive the reading.
func TestBodyDeadlineEndsWithTheBody(t *testing.T) {
	const timeout = 20 * time.Millisecond
	s := newTestService(t, func(p *testParts) { p.opts.BodyTimeout = timeout })
	s.Extra("POST /test/work", NeedNothing, func(ctx context.Context, _ Principal, r *http.Request) (any, error) {
		if _, err := io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.New("the client seemed gone")
		case <-time.After(5 * timeout):
			return "done", nil
		}
	})
	s.restart(t)
	s.api(t).must("POST", "/test/work", `{"x":1}`)
}

// endless is a body that never ends.
type endless struct{ b byte }

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.b
	}
	return len(p), nil
}

func TestBodiesOverTheLimit(t *testing.T) {
	s := newTestService(t, func(p *testParts) { p.opts.MaxJSONBytes, p.opts.MaxUploadBytes = 1<<10, 1<<20 })
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	for _, tt := range []struct {
		name, path string
		client     *api
		body       func() io.Reader
		length     int64
	}{
		{"json announced", "/accounts/default/berth/tokens", a, func() io.Reader { return io.LimitReader(endless{' '}, 1<<20) }, 1 << 20},
		{"json chunked", "/accounts/default/berth/tokens", a, func() io.Reader { return io.LimitReader(endless{' '}, 1<<20) }, -1},
		{"upload announced 10 GB", "/pages/assets/upload", up, func() io.Reader { return io.LimitReader(endless{' '}, 10<<30) }, 10 << 30},
		{"upload chunked", "/pages/assets/upload", up, func() io.Reader { return io.LimitReader(endless{' '}, 2<<20) }, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := tt.client.request("POST", apiPrefix+tt.path, tt.body())
			req.ContentLength = tt.length
			req.Header.Set("Authorization", "Bearer "+tt.client.token)
			ans := tt.client.send(req)
			if ans.Status != 413 || ans.code() != codeTooLarge || !strings.Contains(ans.message(), "limit") {
				t.Errorf("got %d %s", ans.Status, ans.Raw)
			}
		})
	}
}

// A refused client that is still sending must get to read why, and may go on using the connection.
func TestRefusalOfAnUnreadBody(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t).as("berth_0000000000000000_" + strings.Repeat("0", 64))
	for range 3 {
		ans := a.do("POST", "/pages/assets/upload", io.LimitReader(endless{'['}, 8<<20))
		if ans.Status != 401 || ans.code() != codeUploadToken {
			t.Fatalf("got %d %s", ans.Status, ans.Raw)
		}
	}
}

// talk sends the head of a request that nobody may make and returns the answer's first bytes.
func talk(t *testing.T, c net.Conn, head string, within time.Duration) string {
	t.Helper()
	if _, err := io.WriteString(c, "POST /client/v4/pages/assets/upload HTTP/1.1\r\nHost: x\r\n"+head+"\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4096)
	n, err := c.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	return string(got[:n])
}

// A stranger is told so before it sends a long body, and may send all of it without a reset that could cost it the
// answer. The connection is then closed: what comes after a body that was not read must never be taken for a request.
func TestStrangerWithALongBody(t *testing.T) {
	const length = 16 << 20
	c := newTestService(t, nil).dial(t)
	got := talk(t, c, fmt.Sprintf("Content-Length: %d\r\n", length), 20*time.Second)
	if !strings.HasPrefix(got, "HTTP/1.1 401 ") || !strings.Contains(got, "\r\nConnection: close\r\n") {
		t.Errorf("got %q", got)
	}
	if n, err := io.CopyN(c, endless{'x'}, length); err != nil {
		t.Fatalf("reset after %d bytes: %v", n, err)
	}
	if rest, err := io.ReadAll(c); err != nil {
		t.Errorf("then %q, %v", rest, err)
	}
}

// A stranger that announces a body and sends none holds nothing for long.
func TestStrangerWithoutItsBody(t *testing.T) {
	s := newTestService(t, func(p *testParts) { p.opts.BodyTimeout = 50 * time.Millisecond })
	for _, head := range []string{"Content-Length: 1000\r\n", "Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"} {
		c := s.dial(t)
		if got := talk(t, c, head, 10*time.Second); !strings.HasPrefix(got, "HTTP/1.1 401 ") {
			t.Errorf("%s: got %q", head, got)
		}
		if rest, err := io.ReadAll(c); err != nil {
			t.Errorf("%s: then %q, %v; want the connection closed", head, rest, err)
		}
	}
}

// Who asks before sending, or whose body nobody waits for, has the answer at once and not after the time of a drain.
func TestStrangerIsAnsweredAtOnce(t *testing.T) {
	s := newTestService(t, nil)
	for _, head := range []string{
		"Content-Length: 1000\r\nExpect: 100-continue\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 1000000\r\n",
	} {
		if got := talk(t, s.dial(t), head, drainTime-time.Second); !strings.HasPrefix(got, "HTTP/1.1 401 ") {
			t.Errorf("%s: got %q", head, got)
		}
	}
}

// wrangler's exit status is the code of a failed upload modulo 256: none may make it zero. Code 8000000 would be sent
// again besides.
func TestCodesNeverExitZero(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) == 0 || !strings.HasPrefix(v.Names[0].Name, "code") {
				return true
			}
			lit, ok := v.Values[0].(*ast.BasicLit)
			if !ok {
				return true
			}
			code, err := strconv.Atoi(lit.Value)
			if err != nil || code%256 == 0 {
				t.Errorf("%s: %s = %s makes wrangler exit with status 0", name, v.Names[0].Name, lit.Value)
			}
			found++
			return true
		})
	}
	if found < 10 {
		t.Errorf("only %d codes found: does this test still look at the right names?", found)
	}
}

package edge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/assets/catalog"
	"berth/router/functions"
	"berth/store"
)

// code stands in for a runtime: a handler behind a real connection, asked as package functions asks workerd.
type code struct {
	server *httptest.Server
	err    error
}

func newCode(t testing.TB, h http.HandlerFunc) *code {
	t.Helper()
	c := &code{server: httptest.NewServer(h)}
	t.Cleanup(c.server.Close)
	return c
}

func (c *code) Run(ctx context.Context, call *functions.Call) (*http.Response, error) {
	if c.err != nil {
		if call.Body != nil {
			call.Body.Stop()
		}
		return nil, c.err
	}
	header := http.Header(call.Header)
	header.Set("Seen-Url", call.URL)
	req := &http.Request{
		Method: call.Method, Host: call.Host, Header: header, ContentLength: call.Length, Close: true,
		URL: &url.URL{Scheme: "http", Host: strings.TrimPrefix(c.server.URL, "http://"), Path: "/"},
	}
	if call.Body != nil {
		req.Body = io.NopCloser(call.Body)
	}
	res, err := http.DefaultTransport.RoundTrip(req.WithContext(ctx))
	if err != nil && call.Body != nil {
		call.Body.Stop()
	}
	return res, err
}

// startCode serves a.example, whose every path is code's, and b.example, which has none.
func startCode(t *testing.T, opts Options, h http.HandlerFunc) (*running, *code) {
	t.Helper()
	w := newWorld()
	c := newCode(t, h)
	w.functions = c
	w.code = map[store.DeploymentNo]*catalog.Functions{w.add("a.example", text("file")): {}}
	w.add("b.example", text("static"))
	return start(t, w, opts), c
}

func echo(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).EnableFullDuplex()
	_, _ = io.Copy(w, r.Body)
}

// Both directions at once, through no buffer that could hold it all.
func TestFunctionEchoes(t *testing.T) {
	r, _ := startCode(t, Options{}, echo)
	content := bytes.Repeat([]byte("0123456789abcdef"), 256<<10)
	for name, body := range map[string]io.Reader{"length": bytes.NewReader(content), "chunked": io.MultiReader(bytes.NewReader(content))} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.addr+"/", body)
		req.Host = "a.example"
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sum := sha256.New()
		n, err := io.Copy(sum, res.Body)
		res.Body.Close()
		if err != nil || n != int64(len(content)) || [32]byte(sum.Sum(nil)) != sha256.Sum256(content) {
			t.Errorf("%s: %d bytes came back, %v", name, n, err)
		}
	}
}

func post(host string, length int, body string) string {
	return fmt.Sprintf("POST /p HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", host, length, body)
}

// A body that code has read to its end leaves the connection as it was.
func TestConnectionGoesOnAfterAWholeBody(t *testing.T) {
	r, _ := startCode(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.Method, b)
	})
	c := r.dial(t)
	for range 3 {
		if got := c.send(post("a.example", 2, "hi")).mustRead(); got.body != "POST hi" {
			t.Fatalf("%+v", got)
		}
		c.send("PUT / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
		if got := c.mustRead(); got.body != "PUT abc" {
			t.Fatalf("%+v", got)
		}
		if got := c.send(post("b.example", 2, "hi")).mustRead(); got.body != "static" {
			t.Fatalf("%+v", got)
		}
		if got := c.send(get("a.example", "/")).mustRead(); got.body != "GET " {
			t.Fatalf("%+v", got)
		}
	}
}

// A body of which more is to come when the answer is over ends the connection, and nothing of it is taken for a request.
func TestUnreadBodyEndsTheConnection(t *testing.T) {
	r, c := startCode(t, Options{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "early") })
	conn := r.dial(t).send(post("a.example", 1<<20, get("a.example", "/smuggled")))
	if got := conn.mustRead(); got.body != "early" {
		t.Errorf("%+v", got)
	}
	conn.mustEnd()
	c.err = functions.ErrBusy
	conn = r.dial(t).send(post("a.example", 1<<20, get("a.example", "/smuggled")))
	if got := conn.mustRead(); got.status != "503 Service Unavailable" {
		t.Errorf("%+v", got)
	}
	conn.mustEnd()
}

// The client stops sending in the middle: the answer, if there is one, must not wait for it, nor anything after it.
func TestBodyThatStalls(t *testing.T) {
	r, _ := startCode(t, Options{ReadTimeout: 100 * time.Millisecond}, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) })
	conn := r.dial(t).send(post("a.example", 100, "some"))
	if got := conn.mustRead(); got.status != "408 Request Timeout" {
		t.Errorf("%+v", got)
	}
	conn.mustEnd()
}

func TestFunctionBodyIsBounded(t *testing.T) {
	r, _ := startCode(t, Options{MaxFunctionBody: 1000, MaxBodyBytes: 100}, echo)
	for name, c := range map[string]struct{ request, status string }{
		"length":     {post("a.example", 1001, "x"), "413 Request Entity Too Large"},
		"chunked":    {"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3ea\r\n" + strings.Repeat("x", 1002) + "\r\n0\r\n\r\n", "413 Request Entity Too Large"},
		"for a file": {post("b.example", 101, "x"), "413 Request Entity Too Large"},
		"expected":   {"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n", "413 Request Entity Too Large"},
		"bad chunk":  {"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400 Bad Request"},
	} {
		conn := r.dial(t).send(c.request)
		got, err := conn.read(false)
		if name == "chunked" && strings.HasPrefix(got.status, "200") {
			// The echo had begun: it is cut off.
			if _, err := io.ReadAll(conn.br); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || got.status != c.status {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		conn.mustEnd()
	}
}

func TestFunctionFaults(t *testing.T) {
	r, c := startCode(t, Options{}, nil)
	for status, err := range map[string]error{
		"500 Internal Server Error": &functions.Thrown{Text: "secret"}, "503 Service Unavailable": functions.ErrUnavailable,
		"504 Gateway Timeout": functions.ErrTimeout, "502 Bad Gateway": errors.New("cut off"),
	} {
		c.err = err
		got := r.dial(t).send(get("a.example", "/")).mustRead()
		cc, _ := got.field("Cache-Control")
		if got.status != status || cc != "no-store" || strings.Contains(got.body, "secret") {
			t.Errorf("%v: %+v", err, got)
		}
	}
	c.err = nil
	if got := r.dial(t).send(get("b.example", "/")).mustRead(); got.body != "static" {
		t.Errorf("%+v", got)
	}
}

// What the code is told, and what of its answer reaches the client.
func TestFunctionFields(t *testing.T) {
	r, _ := startCode(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Berth-Deployment", "Connection", "X-Hop", "Expect", "Te", "Upgrade"} {
			if v, ok := r.Header[name]; ok && name != "Connection" {
				t.Errorf("the code sees %s: %v", name, v)
			}
		}
		h := w.Header()
		h["Set-Cookie"] = []string{"a=1", "b=2"}
		h["Berth-Fault"], h["Upgrade"], h["Keep-Alive"] = []string{"x"}, []string{"x"}, []string{"x"}
		h["Seen"] = []string{r.Header.Get("Seen-Url") + " " + r.Host + " " + r.Header.Get("Cf-Connecting-Ip") + r.Header.Get("Cf-Ray")}
		w.WriteHeader(http.StatusTeapot)
	})
	c := r.dial(t).send("GET http://a.example:81/x/%2e%2e/a%zz?b='c HTTP/1.1\r\nHost: A.example\r\nBerth-Deployment: 9\r\nConnection: x-hop\r\nX-Hop: 1\r\nTE: x\r\n" +
		"Cf-Connecting-IP: 9.9.9.9\r\nCF-Ray: 1\r\nUpgrade: websocket\r\n\r\n")
	got := c.mustRead()
	if seen, _ := got.field("Seen"); got.status != "418 I'm a teapot" || seen != "http://a.example:81/a%zz?b=%27c a.example:81 127.0.0.1" {
		t.Errorf("%+v", got)
	}
	all := strings.Join(got.fields, "\n")
	if strings.Count(all, "Set-Cookie: ") != 2 || strings.Contains(all, "Berth-") || strings.Contains(all, "Upgrade") || strings.Contains(all, "Keep-Alive") || strings.Count(all, "Date: ") != 1 {
		t.Errorf("%s", all)
	}
	head := r.dial(t).send("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n" + get("b.example", "/"))
	if first, err := head.read(true); err != nil || first.status != "418 I'm a teapot" {
		t.Errorf("HEAD: %+v, %v", first, err)
	}
	if got := head.mustRead(); got.body != "static" {
		t.Errorf("after HEAD: %+v", got)
	}
}

// The files that code asks for: as they are, and never from code again.
func TestServeAsset(t *testing.T) {
	r, _ := startCode(t, Options{}, func(http.ResponseWriter, *http.Request) { t.Error("code was asked for a file") })
	for name, c := range map[string]struct {
		method, url, body string
		status            int
	}{
		"file": {"GET", "http://a.example/x?y", "file", 200}, "head": {"HEAD", "https://a.example/", "", 200},
		"other name": {"GET", "http://b.example/", "file", 200}, "no URL": {"GET", "x", "Bad request\n", 400},
	} {
		w := httptest.NewRecorder()
		r.ServeAsset(w, httptest.NewRequest(c.method, "/assets", nil), 1, c.url)
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	if r.ServeAsset(w, httptest.NewRequest("GET", "/assets", nil), 99, "http://a.example/"); w.Code != 500 {
		t.Errorf("no such deployment: %d", w.Code)
	}
}

func TestDrainWaitsForFunctions(t *testing.T) {
	reached, release := make(chan bool), make(chan bool)
	r, _ := startCode(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		close(reached)
		<-release
		_, _ = io.WriteString(w, "late")
	})
	c := r.dial(t).send(get("a.example", "/"))
	<-reached
	drained := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		drained <- r.Shutdown(ctx)
	}()
	for !r.draining.Load() {
		runtime.Gosched()
	}
	close(release)
	if got := c.mustRead(); got.body != "late" {
		t.Errorf("%+v", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// One client cannot have all that functions can do at once; another one, and files, are answered meanwhile.
func TestFunctionsOfOneClient(t *testing.T) {
	reached, release := make(chan bool), make(chan bool)
	r, _ := startCode(t, Options{MaxFunctionsPerIP: 1, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
		func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or the connection ends with the answer
			if r.Header.Get("X-Slow") != "" {
				reached <- true
				<-release
			}
			_, _ = io.WriteString(w, "code")
		})
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let)
	from := func(host, client, more string) string {
		return "POST / HTTP/1.1\r\nHost: " + host + "\r\nX-Forwarded-For: " + client + "\r\nContent-Length: 2\r\n" + more + "\r\nhi"
	}
	slow := r.dial(t).send(from("a.example", "192.0.2.1", "X-Slow: 1\r\n"))
	<-reached
	other := r.dial(t)
	got := other.send(from("a.example", "192.0.2.1", "")).mustRead()
	retry, _ := got.field("Retry-After")
	if got.status != "429 Too Many Requests" || retry != "1" {
		t.Errorf("the second of a client: %+v", got)
	}
	if got := other.send(from("a.example", "192.0.2.2", "")).mustRead(); got.body != "code" {
		t.Errorf("another client: %+v", got)
	}
	if got := other.send(from("b.example", "192.0.2.1", "")).mustRead(); got.body != "static" {
		t.Errorf("a file for the first: %+v", got)
	}
	let()
	if got := slow.mustRead(); got.body != "code" {
		t.Errorf("the slow one: %+v", got)
	}
	if got := slow.send(from("a.example", "192.0.2.1", "")).mustRead(); got.body != "code" {
		t.Errorf("the next: %+v", got)
	}
}

// A body that breaks off between two pieces, or before the length that was announced, is none: code must not take it for a whole one.
func TestFunctionBodyThatBreaksOff(t *testing.T) {
	seen := make(chan error, 2)
	r, _ := startCode(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		seen <- err
	})
	for name, rest := range map[string]string{
		"between chunks": "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "before the trailer's end": "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
		"of a length": "Content-Length: 9\r\n\r\nabc",
	} {
		c := r.dial(t).send("POST / HTTP/1.1\r\nHost: a.example\r\n" + rest)
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := c.read(false); err == nil && got.status != "400 Bad Request" {
			t.Errorf("%s: %+v", name, got)
		}
		c.mustEnd()
		if err := <-seen; err == nil {
			t.Errorf("%s: code took it for whole", name)
		}
	}
}

//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// functionFlags turn functions on.
func functionFlags(t *testing.T, more ...string) []string {
	t.Helper()
	found, _ := filepath.Glob("../../../testdata/wrangler/node_modules/@cloudflare/workerd-*/bin/workerd")
	if len(found) == 0 {
		t.Fatal("workerd is not installed: run .ci/need wrangler")
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{"--functions", path}, more...)
}

// The code that most tests here deploy: the path says what it does.
const testWorker = `
export default { async fetch(request, env, ctx) {
  const url = new URL(request.url);
  switch (url.pathname) {
  case "/throw": throw new Error("thrown on purpose");
  case "/loop": for (;;);
  case "/hang": await scheduler.wait(600000); return new Response("late");
  case "/echo": return new Response(request.body, { headers: { "x-length": request.headers.get("content-length") } });
  case "/size": { let n = 0; for await (const piece of request.body) n += piece.length; return new Response(String(n)); }
  case "/ignore": return new Response("not read");
  case "/seen": return Response.json({ url: request.url, method: request.method, headers: Object.fromEntries(request.headers), env: Object.keys(env).sort(), cf: request.cf });
  case "/fetch": try { return new Response("got " + (await fetch(url.searchParams.get("u"))).status); } catch (e) { return new Response("refused"); }
  case "/asset": return env.ASSETS.fetch(new Request(url.searchParams.get("u"), { headers: { "berth-deployment": url.searchParams.get("d") ?? "0", "berth-url": "http://other.` + domain + `/" } }));
  case "/drip": { const { readable, writable } = new TransformStream(); const w = writable.getWriter();
    ctx.waitUntil((async () => { for (const s of ["one ", "two ", "three"]) { await w.write(new TextEncoder().encode(s)); await scheduler.wait(50); } await w.close(); })());
    return new Response(readable); }
  case "/grow": globalThis.kept ??= []; for (let i = 0; i < 40; i++) globalThis.kept.push(new Uint8Array(8 << 20).fill(1)); return new Response("grown " + globalThis.kept.length);
  }
  return env.ASSETS.fetch(request);
} };`

// deployWorker deploys testWorker and some files by wrangler, and returns the production host.
func (s *server) deployWorker(t *testing.T, project string, files map[string]string) string {
	t.Helper()
	w := newWrangler(t, s, "")
	w.site(map[string]string{"site/index.html": "home of " + project, "site/_worker.js": testWorker, "site/_headers": "/*\n  X-Site: " + project + "\n"})
	w.site(files)
	s.berth("project", "create", project, "--production-branch", "main")
	w.run("pages", "deploy", "site", "--project-name", project, "--branch", "main")
	return project + "." + domain
}

func (s *server) send(t *testing.T, method, host, target string, body io.Reader, length int64) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.http+target, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.ContentLength = host, length
	res, err := edgeClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestFunctionBodiesAreStreamed(t *testing.T) {
	t.Parallel()
	s := startServer(t, functionFlags(t, "--max-function-body", "16MiB")...)
	host := s.deployWorker(t, "bodies", nil)
	content := make([]byte, 10<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	for name, length := range map[string]int64{"length": int64(len(content)), "chunked": -1} {
		res := s.send(t, http.MethodPost, host, "/echo", bytes.NewReader(content), length)
		sum := sha256.New()
		if n, err := io.Copy(sum, res.Body); err != nil || n != int64(len(content)) || [32]byte(sum.Sum(nil)) != sha256.Sum256(content) {
			t.Errorf("%s: %d bytes came back, %v", name, n, err)
		}
		if b, err := io.ReadAll(s.send(t, http.MethodPut, host, "/size", bytes.NewReader(content), length).Body); err != nil || string(b) != strconv.Itoa(len(content)) {
			t.Errorf("%s: size %q, %v", name, b, err)
		}
	}
	if a := s.raw("POST", fmt.Sprintf("POST /size HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\nx", host, 20<<20)); a.status != 413 {
		t.Errorf("20 MiB where 16 are allowed: %+v", a)
	}
	piece := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, content[:1<<20])
	if a := s.raw("POST", "POST /size HTTP/1.1\r\nHost: "+host+"\r\nTransfer-Encoding: chunked\r\n\r\n"+strings.Repeat(piece, 16)+"10\r\n0123456789abcdef\r\n"); a.status != 413 {
		t.Errorf("more than 16 MiB in chunks: %+v", a)
	}
	// What a function leaves unread must not be taken for the next request.
	smuggled := "GET /seen HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	c, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /ignore HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%sGET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host, len(smuggled), smuggled, host)
	if b, _ := io.ReadAll(c); !strings.Contains(string(b), "not read") || strings.Contains(string(b), "/seen") {
		t.Errorf("after a body that was not read: %q", b)
	}
	if a := s.get(host, "/drip"); a.body != "one two three" {
		t.Errorf("an answer in pieces: %+v", a)
	}
	// A client of HTTP/1.0 knows no chunks.
	if a := s.raw("GET", "GET /drip HTTP/1.0\r\nHost: "+host+"\r\n\r\n"); a.body != "one two three" || a.header.Get("Content-Length") != "13" {
		t.Errorf("HTTP/1.0: %+v", a)
	}
	// Bodies for files are read away, as without functions.
	if a := s.raw("POST", "POST / HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"); a.status != 405 || a.header.Get("X-Site") != "bodies" {
		t.Errorf("POST that code passes on to a file: %+v", a)
	}
}

// A function may answer before its request has come to it whole. Whether the rest still finds somebody to take it is a matter of luck,
// so each size is sent many times.
func TestAnswerBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	s := startServer(t, functionFlags(t, "--max-function-body", "16MiB")...)
	host := s.deployWorker(t, "early", nil)
	for _, c := range []struct{ size, times int }{{1, 200}, {100, 200}, {100 << 10, 50}, {4 << 20, 10}} {
		for i := range c.times {
			conn, err := net.Dial("tcp", s.http)
			if err != nil {
				t.Fatal(err)
			}
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				// The answer ends the connection, maybe before all of this is sent.
				_, _ = fmt.Fprintf(conn, "POST /ignore HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", host, c.size, strings.Repeat("x", c.size))
			}()
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("%d bytes, request %d: %v", c.size, i, err)
			}
			if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || string(b) != "not read" {
				t.Fatalf("%d bytes, request %d: %s %q, %v", c.size, i, res.Status, b, err)
			}
			conn.Close()
			<-sent
		}
	}
}

func TestFunctionsSeeTheRequestAndNothingElse(t *testing.T) {
	t.Parallel()
	s := startServer(t, functionFlags(t, "--trusted-proxy", "127.0.0.1/32")...)
	host := s.deployWorker(t, "one", nil)
	s.deployWorker(t, "two", map[string]string{"site/secret.txt": "of two"})
	seen := func(fields string) (got struct {
		URL, Method string
		Headers     map[string]string
		Env         []string
	}) {
		t.Helper()
		a := s.raw("GET", "GET /x/../seen?a=%zz&b='%20c HTTP/1.1\r\nHost: "+host+":8080\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n"+fields+"\r\n")
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatalf("%v in %+v", err, a)
		}
		return got
	}
	got := seen("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nBerth-Deployment: 2\r\nBerth-Url: http://x/\r\nCookie: a=1\r\nCookie: b=2\r\nUser-Agent: me\r\n")
	if want := "https://" + host + ":8080/seen?a=%zz&b=%27%20c"; got.URL != want || got.Method != "GET" {
		t.Errorf("URL %s, want %s", got.URL, want)
	}
	want := map[string]string{"host": host + ":8080", "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https", "x-real-ip": "203.0.113.9",
		"cf-connecting-ip": "203.0.113.9", "cookie": "a=1; b=2", "user-agent": "me"}
	if fmt.Sprint(got.Headers) != fmt.Sprint(want) {
		t.Errorf("fields %v, want %v", got.Headers, want)
	}
	if fmt.Sprint(got.Env) != "[ASSETS]" {
		t.Errorf("env %v", got.Env)
	}
	if got := seen("Cf-Connecting-Ip: 9.9.9.9\r\n"); got.Headers["cf-connecting-ip"] != "127.0.0.1" {
		t.Errorf("a client can say who it is: %v", got.Headers)
	}
	for _, u := range []string{"http://127.0.0.1:" + s.api[strings.LastIndexByte(s.api, ':')+1:] + "/healthz", "http://localhost/", "http://10.1.2.3/", "http://169.254.169.254/", "http://[::1]/", "http://berth/code", "http://0.0.0.0/"} {
		if a := s.get(host, "/fetch?u="+u); a.body != "refused" {
			t.Errorf("fetch of %s: %q", u, a.body)
		}
	}
	// Another deployment's files are out of reach, whatever a function asks for.
	for _, target := range []string{"/asset?d=2&u=http://two." + domain + "/secret.txt", "/asset?d=2&u=http://" + host + "/secret.txt"} {
		if a := s.get(host, target); a.body != "home of one" { // the fallback of a site without a 404.html
			t.Errorf("%s: %+v", target, a)
		}
	}
	if a := s.get(host, "/asset?u=http://whatever/index.html"); a.header.Get("X-Site") != "one" {
		t.Errorf("files by another name: %+v", a)
	}
}

// raw sends bytes on a connection of their own and reads the one answer.
func (s *server) raw(method, request string) answer {
	s.t.Helper()
	c, err := net.Dial("tcp", s.http)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		s.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%.80q: %v", request, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%.80q: %v", request, err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

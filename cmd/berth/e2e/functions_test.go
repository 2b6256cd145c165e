//go:build e2e

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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

func TestFunctionThatThrowsLoopsOrHangs(t *testing.T) {
	t.Parallel()
	s := startServer(t, functionFlags(t, "--function-timeout", "2s", "--max-functions", "4", "--functions-memory", "1GiB")...)
	host := s.deployWorker(t, "bad", nil)
	if a := s.get(host, "/throw"); a.status != 500 || a.body != "Internal server error\n" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Berth-Fault") != "" {
		t.Errorf("thrown: %+v", a)
	}
	for late := time.Now().Add(20 * time.Second); !strings.Contains(s.log.String(), "thrown on purpose"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("the server's log does not say what was thrown: %s", s.log)
		}
	}
	busy := 0
	statuses := make(chan answer, 8)
	for range cap(statuses) {
		go func() {
			a, err := s.tryGet(host, "/hang")
			if err != nil {
				a.body = err.Error()
			}
			statuses <- a
		}()
	}
	for range cap(statuses) {
		switch a := <-statuses; {
		case a.status == 503 && a.header.Get("Retry-After") != "":
			busy++
		case a.status != 504:
			t.Errorf("hung: %+v", a)
		}
	}
	if busy != 4 {
		t.Errorf("%d of 8 refused, want 4", busy)
	}
	before := s.workerd(t)
	if a := s.get(host, "/loop"); (a.status != 504 && a.status != 502) || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("looped: %+v", a)
	}
	if a := s.untilFunctionsAnswer(t, host); a.status != 200 {
		t.Errorf("after the loop: %+v", a)
	}
	if after := s.workerd(t); after == before {
		t.Errorf("process %d was not replaced", after)
	}
}

func TestFunctionsProcessKilled(t *testing.T) {
	t.Parallel()
	s := startServer(t, functionFlags(t, "--functions-memory", "600MiB")...)
	host := s.deployWorker(t, "killed", map[string]string{"site/_routes.json": `{"version":1,"include":["/*"],"exclude":["/static/*"]}`, "site/static/a.txt": "static"})
	s.wantBody(host, "/", 200, "home of killed")
	answers := make(chan answer)
	go func() {
		a, err := s.tryGet(host, "/hang")
		if err != nil {
			a.body = err.Error()
		}
		answers <- a
	}()
	s.untilInFlight(t, host)
	pid := s.workerd(t)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.wantBody(host, "/static/a.txt", 200, "static")
	if a := <-answers; a.status != 502 {
		t.Errorf("in flight while the process was killed: %+v", a)
	}
	if a := s.untilFunctionsAnswer(t, host); a.status != 200 {
		t.Errorf("next: %+v", a)
	}
	// Memory that a function keeps has the process replaced, too.
	pid = s.workerd(t)
	for late := time.Now().Add(40 * time.Second); s.workerd(t) == pid; {
		_, _ = s.tryGet(host, "/grow")
		if time.Now().After(late) {
			t.Fatalf("process %d was not replaced, however much it took", pid)
		}
	}
	s.untilFunctionsAnswer(t, host)
	// The process ends with the server, even if that is killed.
	pid = s.workerd(t)
	s.kill()
	for late := time.Now().Add(20 * time.Second); syscall.Kill(pid, 0) == nil && !zombie(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("process %d outlives its server", pid)
		}
	}
}

func zombie(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return bytes.Contains(b, []byte(") Z "))
}

// workerd is the process that runs the functions; 0 while there is none.
func (s *server) workerd(t *testing.T) int {
	t.Helper()
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range found {
		b, _ := os.ReadFile(path)
		at := bytes.LastIndexByte(b, ')')
		if at < 0 || !bytes.Contains(b[:at], []byte("(workerd")) {
			continue
		}
		var pid, parent int
		var state string
		_, _ = fmt.Sscan(string(b[at+1:]), &state, &parent)
		_, _ = fmt.Sscan(string(b), &pid)
		if parent == s.cmd.Process.Pid && state != "Z" {
			return pid
		}
	}
	return 0
}

// untilFunctionsAnswer asks until a request gets through: those that meet the process while it ends may fail.
func (s *server) untilFunctionsAnswer(t *testing.T, host string) (a answer) {
	t.Helper()
	for late := time.Now().Add(30 * time.Second); time.Now().Before(late); {
		if a, _ = s.tryGet(host, "/seen"); a.status == 200 {
			return a
		}
	}
	return a
}

// untilInFlight waits until a request that hangs has reached the code: those that came after it are answered then.
func (s *server) untilInFlight(t *testing.T, host string) {
	t.Helper()
	for range 20 {
		if a := s.get(host, "/seen"); a.status != 200 {
			t.Fatalf("%+v", a)
		}
	}
}

func TestFunctionsOfDeploymentsMove(t *testing.T) {
	t.Parallel()
	s := startServer(t, functionFlags(t)...)
	w := newWrangler(t, s, "")
	s.berth("project", "create", "moves", "--production-branch", "main")
	deploy := func(version string) string {
		w.site(map[string]string{
			"wrangler.toml":   "name = \"moves\"\npages_build_output_dir = \"./public\"\ncompatibility_date = \"2099-01-01\"\n[vars]\nWHAT = \"" + version + "\"\n[[kv_namespaces]]\nbinding = \"KV\"\nid = \"x\"\n",
			"public/a.txt":    version,
			"functions/m.js":  "import text from './a.txt'; import bytes from './b.bin'; import wasm from './c.wasm';\nexport const onRequest = (c) => new Response([text, bytes.byteLength, wasm instanceof WebAssembly.Module, c.env.WHAT, typeof c.env.KV])",
			"functions/a.txt": "text", "functions/b.bin": "\x00\x01\x02", "functions/c.wasm": "\x00asm\x01\x00\x00\x00",
		})
		return hostOf(urlIn(t, w.run("pages", "deploy", "--branch", "main")))
	}
	first := deploy("first")
	s.wantBody(first, "/m", 200, "text,3,true,first,undefined")
	second := deploy("second")
	host := "moves." + domain
	s.wantBody(host, "/m", 200, "text,3,true,second,undefined")
	s.wantBody(first, "/m", 200, "text,3,true,first,undefined")
	s.berth("deployment", "rollback", first[:8], "--project", "moves")
	s.wantBody(host, "/m", 200, "text,3,true,first,undefined")
	s.berth("deployment", "delete", second[:8], "--project", "moves", "--force")
	if a := s.get(second, "/m"); a.status != 404 {
		t.Errorf("a deleted deployment still runs: %+v", a)
	}
	var log struct{ Data []struct{ Line string } }
	b, err := json.Marshal(s.api1(t, "/client/v4/accounts/default/pages/projects/moves/deployments/"+s.idOf(t, first, "moves")+"/history/logs"))
	if err == nil {
		err = json.Unmarshal(b, &log)
	}
	wantIn(t, "log", fmt.Sprint(log, err), "Functions run: main module functionsWorker-", ", 4 modules", "finds undefined: KV (kv_namespace).")
	wantIn(t, "explain", s.berth("explain", "http://"+host+"/m"), "functions", `"/m"`)
}

// idOf is the ID of the deployment that a host belongs to.
func (s *server) idOf(t *testing.T, host, project string) string {
	t.Helper()
	var shown struct{ ID string }
	lastJSON(t, s.berth("deployment", "show", host[:8], "--project", project, "--json"), &shown)
	return shown.ID
}

// api1 is the result of one call of the API.
func (s *server) api1(t *testing.T, path string) any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.api+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.adminToken())
	res, err := edgeClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var envelope struct{ Result any }
	if err := json.NewDecoder(res.Body).Decode(&envelope); err != nil {
		t.Fatal(err)
	}
	return envelope.Result
}

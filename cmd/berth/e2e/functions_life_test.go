//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

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
	counts := s.metrics()
	for series, least := range map[string]float64{
		`berth_function_failures_total{why="thrown"}`: 1, `berth_function_failures_total{why="busy"}`: 4, `berth_function_failures_total{why="timeout"}`: 4,
		"berth_function_restarts_total": 1, "berth_function_calls_total": 11, `berth_requests_total{class="5xx"}`: 10,
	} {
		if counts[series] < least {
			t.Errorf("%s is %g, want %g or more", series, counts[series], least)
		}
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

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// DeployConfig measures `berth deploy` of a large site: the first time, and again with one file changed.
type DeployConfig struct {
	Berth string // the binary
	Files int    // default 20000
	Size  int    // bytes of each, default 4096
	Seed  uint64
}

// DeployReport says how long it took and what it cost the server. Server is the time that API calls spent inside the
// server, added up over calls that may overlap.
type DeployReport struct {
	Files, Size           int
	First, Second         time.Duration
	FirstCPU, SecondCPU   time.Duration
	FirstSrv, SecondSrv   time.Duration
	FirstSent, SecondSent int
	Calls                 []Call // of the second deploy
	PeakRSS               int64
}

// Call is one API request of a deploy.
type Call struct {
	Method, Path string
	Took         time.Duration
}

func (r DeployReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d files of %d bytes\n  first deploy   %v, %d uploaded, server CPU %v\n", r.Files, r.Size, r.First.Round(time.Millisecond), r.FirstSent, r.FirstCPU)
	fmt.Fprintf(&b, "  one changed    %v, %d uploaded, server CPU %v, inside API calls %v\n", r.Second.Round(time.Millisecond), r.SecondSent, r.SecondCPU, r.SecondSrv.Round(time.Millisecond))
	for _, c := range r.Calls {
		fmt.Fprintf(&b, "    %-7v %s %s\n", c.Took.Round(100*time.Microsecond), c.Method, c.Path)
	}
	fmt.Fprintf(&b, "  server's peak resident memory %d MiB\n", r.PeakRSS>>20)
	return b.String()
}

// Deploy runs the workload.
func Deploy(ctx context.Context, c DeployConfig) (DeployReport, error) {
	if c.Files == 0 {
		c.Files = 20000
	}
	if c.Size == 0 {
		c.Size = 4096
	}
	rep := DeployReport{Files: c.Files, Size: c.Size}
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return rep, err
	}
	defer os.RemoveAll(dir)
	site := filepath.Join(dir, "site")
	if err := c.writeSite(site); err != nil {
		return rep, err
	}
	p, err := startBerth(ctx, c.Berth, dir)
	if err != nil {
		return rep, err
	}
	defer p.stop()
	tap, err := newCallTap(p)
	if err != nil {
		return rep, err
	}
	defer tap.Close()
	if rep.First, rep.FirstCPU, rep.FirstSent, err = tap.deploy(ctx, site); err != nil {
		return rep, err
	}
	_, rep.FirstSrv = tap.take()
	if err := os.WriteFile(filepath.Join(site, "d0", "f0.bin"), []byte("changed"), 0o644); err != nil {
		return rep, err
	}
	if rep.Second, rep.SecondCPU, rep.SecondSent, err = tap.deploy(ctx, site); err != nil {
		return rep, err
	}
	rep.Calls, rep.SecondSrv = tap.take()
	rep.PeakRSS, err = p.peakRSS()
	return rep, err
}

func (c DeployConfig) writeSite(dir string) error {
	rng := rand.NewChaCha8([32]byte{byte(c.Seed), byte(c.Seed >> 8)})
	content := make([]byte, c.Size)
	for i := range c.Files {
		sub := filepath.Join(dir, fmt.Sprintf("d%d", i%100))
		if i < 100 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return err
			}
		}
		_, _ = rng.Read(content)
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%d.bin", i)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// callTap is a proxy before the API that times every call.
type callTap struct {
	*httptest.Server
	p     *process
	mu    sync.Mutex
	calls []Call
}

func newCallTap(p *process) (*callTap, error) {
	target, err := url.Parse("http://" + p.api)
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	t := &callTap{p: p}
	t.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		proxy.ServeHTTP(w, r)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.calls = append(t.calls, Call{r.Method, strings.TrimPrefix(r.URL.Path, "/client/v4"), time.Since(started)})
	}))
	return t, nil
}

func (t *callTap) take() (calls []Call, total time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	calls, t.calls = t.calls, nil
	for _, c := range calls {
		total += c.Took
	}
	return calls, total
}

func (t *callTap) deploy(ctx context.Context, site string) (took, cpu time.Duration, sent int, err error) {
	before, err := t.p.cpu()
	if err != nil {
		return 0, 0, 0, err
	}
	started := time.Now()
	out, err := t.p.run(ctx, "deploy", site, "--project", "bench", "--branch", "main", "--json", "--api", t.URL)
	if err != nil {
		return 0, 0, 0, err
	}
	took = time.Since(started)
	after, err := t.p.cpu()
	if err != nil {
		return 0, 0, 0, err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var d struct {
		Uploaded int `json:"uploaded_files"`
	}
	err = json.Unmarshal([]byte(lines[len(lines)-1]), &d)
	return took, after - before, d.Uploaded, err
}

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	berthPath   = flag.String("berth", "../../../bin/berth", "the binary under test")
	crashRounds = flag.Int("crash-rounds", 20, "rounds of kill -9 in TestCrash")
	shotDir     = flag.String("screenshots", "", "keep the browser's screenshots in this folder")
)

const domain = "pages.localhost"

// server is a `berth serve` of its own directory.
type server struct {
	t       testing.TB
	dir     string // data directory
	args    []string
	cmd     *exec.Cmd
	log     *lockedBuffer
	http    string     // address of the edge
	api     string     // address of the API
	wait    chan error // gets the process's end, once
	stopped bool
}

// startServer starts berth on free ports and waits until it says that it is ready.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: filepath.Join(t.TempDir(), "data"), args: args}
	s.start()
	t.Cleanup(s.terminate)
	return s
}

func (s *server) start() {
	s.t.Helper()
	if err := s.tryStart(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) tryStart() error {
	ready := filepath.Join(s.t.TempDir(), "ready.json")
	s.log = &lockedBuffer{}
	args := append([]string{"serve", "--data", s.dir, "--http", "127.0.0.1:0", "--api", "127.0.0.1:0", "--ready-file", ready}, s.args...)
	s.cmd = exec.Command(*berthPath, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Env = append(os.Environ(), "BERTH_API=", "BERTH_API_TOKEN=", "CLOUDFLARE_API_TOKEN=")
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.stopped = false
	exited := make(chan error, 1)
	go func(cmd *exec.Cmd) { exited <- cmd.Wait() }(s.cmd)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for {
		select {
		case err := <-exited:
			s.stopped = true
			return fmt.Errorf("berth serve ended before it was ready: %v\n%s", err, s.log)
		case <-deadline:
			return fmt.Errorf("berth serve was not ready within a minute:\n%s", s.log)
		case <-tick.C:
			var addr struct{ HTTP, API string }
			b, err := os.ReadFile(ready)
			if err != nil || json.Unmarshal(b, &addr) != nil || addr.HTTP == "" {
				continue
			}
			s.http, s.api = addr.HTTP, addr.API
			s.wait = exited
			return nil
		}
	}
}

// terminate asks for a clean drain and insists on exit status 0.
func (s *server) terminate() {
	if s.stopped {
		return
	}
	s.stopped = true
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.wait:
		if err != nil {
			s.t.Errorf("berth serve after SIGTERM: %v\n%s", err, s.log)
		}
	case <-time.After(60 * time.Second):
		_ = s.cmd.Process.Kill()
		s.t.Errorf("berth serve did not stop within a minute of SIGTERM\n%s", s.log)
	}
}

// kill is kill -9.
func (s *server) kill() {
	s.stopped = true
	_ = s.cmd.Process.Kill()
	<-s.wait
}

func (s *server) adminToken() string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "admin.token"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// berth runs the command line against this server and wants it to succeed.
func (s *server) berth(args ...string) string {
	s.t.Helper()
	out, err := s.tryBerth(args...)
	if err != nil {
		s.t.Fatalf("berth %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s *server) tryBerth(args ...string) (string, error) {
	cmd := exec.Command(*berthPath, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "BERTH_API=http://" + s.api, "BERTH_DATA=" + s.dir}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// deployed is what `berth deploy --json` says on its last line, as far as these tests look at it.
type deployed struct {
	ID            string
	URL           string
	Aliases       []string
	Environment   string
	UploadedFiles int `json:"uploaded_files"`
	SkippedFiles  int `json:"skipped_files"`
}

func (s *server) deploy(dir, project, branch string) deployed {
	s.t.Helper()
	out := s.berth("deploy", dir, "--project", project, "--branch", branch, "--json")
	var d deployed
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &d); err != nil {
		s.t.Fatalf("last line of berth deploy --json: %v\n%s", err, out)
	}
	return d
}

// answer is an HTTP response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// edgeClient never follows redirects and never gives up on a slow machine before a minute.
var edgeClient = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
}

func (s *server) get(host, target string) answer {
	s.t.Helper()
	a, err := s.tryGet(host, target)
	if err != nil {
		s.t.Fatalf("GET %s%s: %v", host, target, err)
	}
	return a
}

func (s *server) tryGet(host, target string) (answer, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+s.http+target, nil)
	if err != nil {
		return answer{}, err
	}
	req.Host = host
	res, err := edgeClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b)}, err
}

// hostOf strips scheme and port of a printed URL.
func hostOf(url string) string {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		rest = url
	}
	rest, _, _ = strings.Cut(rest, "/")
	if h, _, err := net.SplitHostPort(rest); err == nil {
		return h
	}
	return rest
}

// lockedBuffer collects a process's output while a test may already read it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// exitStatus is a command's exit status, 0 for nil.
func exitStatus(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

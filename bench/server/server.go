// Package server runs the berth that a workload measures, as a process of its own.
package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"berth/bench/machine"
)

// Server is a berth that serves, on ports that the system chose.
type Server struct {
	Addr string // where it serves sites, host:port
	API  string // its URL
	Data string // its directory

	cmd   *exec.Cmd
	ended chan struct{} // closed when the process is no more
}

// startTimeout is for a server with a large store on a busy machine.
const startTimeout = 2 * time.Minute

// Start runs the program on a data directory, which is made if it does not exist, and waits until it is ready. dir is
// for its other files. More flags of berth serve may be given. The server ends with Stop or, hard, with ctx.
func Start(ctx context.Context, program, dir, data string, flags ...string) (*Server, error) {
	ready := filepath.Join(dir, "ready.json")
	s := &Server{Data: data, ended: make(chan struct{})}
	s.cmd = exec.CommandContext(ctx, program, append([]string{"serve", "--data", data, "--http", "127.0.0.1:0", "--api", "127.0.0.1:0",
		"--ready-file", ready, "--log-level", "warn"}, flags...)...)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	var failed error // read after ended
	go func() {
		failed = s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.await(ctx, ready); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start %s serve: %w", program, cmp.Or(failed, err))
	}
	return s, nil
}

// await waits for the file that the server writes when it serves.
func (s *Server) await(ctx context.Context, ready string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var at struct{ HTTP, API string }
		if b, err := os.ReadFile(ready); err == nil && json.Unmarshal(b, &at) == nil {
			s.Addr, s.API = at.HTTP, "http://"+at.API
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("it ended before it was ready")
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Stop ends the server and waits for it.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-s.ended
}

// Token is the administrator's.
func (s *Server) Token() (string, error) {
	b, err := os.ReadFile(filepath.Join(s.Data, "admin.token"))
	return strings.TrimSpace(string(b)), err
}

// Filled waits until the filter of host keys is in use: after its start a server reads all routes for it, beside its other work. There must
// be some routes.
func (s *Server) Filled(ctx context.Context) error {
	token, err := s.Token()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		keys, err := s.metric(ctx, token, "berth_key_filter_keys")
		if err != nil || keys > 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the filter of host keys: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// metric reads one of the server's counts.
func (s *Server) metric(ctx context.Context, token, series string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.API+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, fmt.Errorf("read the server's counts: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("read the server's counts: %s", res.Status)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("the server has no %s", series)
}

// Run runs a berth command against this server, and returns what it prints.
func (s *Server) Run(ctx context.Context, args ...string) ([]byte, error) {
	var said strings.Builder
	cmd := exec.CommandContext(ctx, s.cmd.Path, args...)
	cmd.Env, cmd.Stderr = append(os.Environ(), "BERTH_API="+s.API, "BERTH_DATA="+s.Data), &said
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("berth %s: %w\n%s", strings.Join(args, " "), err, said.String())
	}
	return out, nil
}

// CPU is what the kernel charged the server so far, user and system. Its children, such as those that encode, are
// not in it.
func (s *Server) CPU() (time.Duration, error) {
	pid := s.cmd.Process.Pid
	charged, err := machine.CPUTime(pid)
	return charged[pid], err
}

// PeakRSS is the highest resident size of the server, in bytes.
func (s *Server) PeakRSS() (int64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM for process %d", s.cmd.Process.Pid)
}

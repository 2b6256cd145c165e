// Package bench measures Berth: each workload is a Config and a Run, works on seeded corpora, runs both sides of a
// comparison in one invocation, and prints medians with their spread.
package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Sample is a series of measurements of one figure.
type Sample []float64

// Median is the middle value, 0 of none.
func (s Sample) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

// Range is the smallest and the largest value.
func (s Sample) Range() (least, most float64) {
	if len(s) == 0 {
		return 0, 0
	}
	return slices.Min(s), slices.Max(s)
}

// String is the median with the smallest and the largest value: on a shared machine the spread says how far to trust it.
func (s Sample) String() string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.4g (%.4g–%.4g)", s.Median(), slices.Min(s), slices.Max(s))
}

// process is a server under measurement.
type process struct {
	cmd  *exec.Cmd
	addr string // where it serves
	api  string // berth only
	data string // berth only
}

// startBerth runs the binary on a fresh directory below dir.
func startBerth(ctx context.Context, binary, dir string, args ...string) (*process, error) {
	p := &process{data: filepath.Join(dir, "data")}
	ready := filepath.Join(dir, "ready.json")
	p.cmd = exec.CommandContext(ctx, binary, append([]string{"serve", "--data", p.data, "--http", "127.0.0.1:0", "--api", "127.0.0.1:0",
		"--ready-file", ready}, args...)...)
	p.cmd.Stderr = os.Stderr
	var addr struct{ HTTP, API string }
	if err := p.startAndWait(ctx, ready, &addr); err != nil {
		return nil, err
	}
	p.addr, p.api = addr.HTTP, addr.API
	return p, nil
}

// startAndWait starts the process and waits for the JSON that it writes when it serves.
func (p *process) startAndWait(ctx context.Context, ready string, into any) error {
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.cmd.Path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if b, err := os.ReadFile(ready); err == nil && json.Unmarshal(b, into) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p.cmd.Path, ctx.Err())
		case <-tick.C:
		}
	}
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// run is a berth command against this server.
func (p *process) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.cmd.Path, args...)
	cmd.Env = append(os.Environ(), "BERTH_API=http://"+p.api, "BERTH_DATA="+p.data)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil {
		if e, ok := err.(*exec.ExitError); ok {
			exit = e
			return out, fmt.Errorf("berth %s: %w\n%s", strings.Join(args, " "), err, exit.Stderr)
		}
		return out, err
	}
	return out, nil
}

// cpu is what the kernel charged the process so far, user and system.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// The command's name, in parentheses, may hold spaces: count fields from behind it.
	_, rest, ok := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 13 {
		return 0, fmt.Errorf("process status %q is not understood", b)
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return time.Duration(user+system) * tick, cmp.Or(err1, err2)
}

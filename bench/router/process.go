package router

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a berth server over a corpus.
type process struct {
	cmd   *exec.Cmd
	http  string        // where it serves sites
	took  time.Duration // from before it was started until it said that it serves
	spent time.Duration // of the processors meanwhile
	log   string        // file
}

const startTimeout = 5 * time.Minute

// start runs `berth serve` and waits until it serves.
func start(ctx context.Context, binary, data, scratch string, args ...string) (*process, error) {
	ready := filepath.Join(scratch, "ready.json")
	if err := os.Remove(ready); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	p := &process{log: filepath.Join(scratch, "serve.log")}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	p.cmd = exec.CommandContext(ctx, binary, append([]string{"serve", "--data", data, "--http", "127.0.0.1:0", "--api", "127.0.0.1:0", "--ready-file", ready}, args...)...)
	p.cmd.Stderr, p.cmd.Stdout = log, io.Discard
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	for {
		text, err := os.ReadFile(ready)
		var status struct{ HTTP string }
		if err == nil && json.Unmarshal(text, &status) == nil {
			p.took, p.http = time.Since(began), status.HTTP
			p.spent, err = p.cpu()
			return p, err
		}
		if time.Since(began) > startTimeout || p.ended() {
			p.stop()
			said, _ := os.ReadFile(p.log)
			return nil, fmt.Errorf("start %s: it does not serve: %s", binary, said)
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// ended reports a process that has come to its end by itself.
func (p *process) ended() bool {
	stat, err := p.stat()
	return err != nil || stat[0] == "Z"
}

// stop ends the server and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// stat are the fields of /proc/PID/stat behind the command's name.
func (p *process) stat() ([]string, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat")
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name may hold spaces
	if f := strings.Fields(rest); len(f) > 13 {
		return f, nil
	}
	return nil, fmt.Errorf("process status %q is not understood", b)
}

// cpu is what the kernel charged the process so far.
func (p *process) cpu() (time.Duration, error) {
	f, err := p.stat()
	if err != nil {
		return 0, err
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(f[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return time.Duration(user+system) * tick, err
}

// memory reads fields such as VmRSS of the process, in bytes.
func (p *process) memory(fields ...string) (out []int64, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return nil, err
	}
	for _, field := range fields {
		_, rest, _ := strings.Cut(string(b), field+":")
		f := strings.Fields(rest)
		if len(f) == 0 {
			return nil, fmt.Errorf("no %s of the process", field)
		}
		kib, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, kib<<10)
	}
	return out, nil
}

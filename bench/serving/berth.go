package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"berth/bench"
	"berth/bench/machine"
	"berth/bench/peers"
)

// roomy is for 200,000 sites that are all asked for alike. What others keep in the kernel's page cache, which nobody bounds for them,
// Berth keeps in memory of its own.
var roomy = []string{"--memory=1536MiB", "--answer-cache=640MiB"}

func (c Config) startBerth(ctx context.Context, env *environment, binary, data string, more ...string) (*peers.Server, error) {
	ready := filepath.Join(env.dir, fmt.Sprintf("ready-%d.json", time.Now().UnixNano()))
	args := append([]string{"serve", "--data", data, "--http", "127.0.0.1:0", "--api", "127.0.0.1:0", "--max-conns-per-ip", "-1", "--max-conns", "20000",
		"--ready-file", ready, "--log-level", "warn"}, c.BerthArgs...)
	cmd := exec.Command(binary, append(args, more...)...)
	cmd.Stderr = os.Stderr
	p, err := machine.Start(cmd, env.server)
	if err != nil {
		return nil, err
	}
	s := &peers.Server{Process: p}
	if err := awaitReady(ctx, s, ready); err != nil {
		p.Stop()
		return nil, err
	}
	token, err := os.ReadFile(filepath.Join(data, "admin.token"))
	s.Token = strings.TrimSpace(string(token))
	return s, err
}

func awaitReady(ctx context.Context, s *peers.Server, ready string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var at struct{ HTTP, API string }
		if b, err := os.ReadFile(ready); err == nil && json.Unmarshal(b, &at) == nil {
			s.Addr, s.API = at.HTTP, at.API
			return nil
		}
		select {
		case <-s.Done():
			return fmt.Errorf("berth serve ended: %w", s.Wait())
		case <-ctx.Done():
			return fmt.Errorf("berth serve is not ready: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// profile asks a running Berth for a profile.
func profile(ctx context.Context, s *peers.Server, name string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.API+"/debug/pprof/"+name, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("profile %s: status %d: %s", name, resp.StatusCode, b)
	}
	return b, err
}

// mallocs is how many objects a running Berth has allocated so far.
func mallocs(ctx context.Context, s *peers.Server) (float64, error) {
	b, err := profile(ctx, s, "heap?debug=1")
	if err != nil {
		return 0, err
	}
	const name = "# Mallocs = "
	_, rest, ok := bytes.Cut(b, []byte(name))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.ParseFloat(string(line), 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("the heap's profile has no %q", name)
	}
	return n, nil
}

// allocations is how many a request takes, once everything it needs is in memory: by how many more a long turn makes than a short one,
// of the whole process. What opening the connections and asking for the figure take is in both, and cancels out.
func (c Config) allocations(ctx context.Context, env *environment, s *side, sc scenario) (per bench.Sample, err error) {
	short, long := c, c
	short.Slot, long.Slot = time.Second, 3*time.Second
	for range min(3, c.Rounds) {
		few, fewRequests, err := short.allocated(ctx, env, s, sc)
		if err != nil {
			return nil, err
		}
		many, manyRequests, err := long.allocated(ctx, env, s, sc)
		if err != nil {
			return nil, err
		}
		per = append(per, max(0, many-few)/float64(max(1, manyRequests-fewRequests)))
	}
	return per, nil
}

func (c Config) allocated(ctx context.Context, env *environment, s *side, sc scenario) (objects float64, requests int64, err error) {
	before, err := mallocs(ctx, s.running)
	if err != nil {
		return 0, 0, err
	}
	sl, err := c.turn(ctx, env, s, sc)
	if err != nil {
		return 0, 0, err
	}
	after, err := mallocs(ctx, s.running)
	return after - before, sl.Requests, err
}

package serving

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"

	"berth/bench/machine"
	"berth/bench/peers"
	"berth/bench/sites"
)

// field is what every server must send, so that none is quicker by saying less.
var fields = []string{"Date", "Content-Type", "Content-Length", "Etag", "Accept-Ranges", "Cache-Control", "Access-Control-Allow-Origin", "Referrer-Policy", "X-Content-Type-Options"}

// side is a server under measurement.
type side struct {
	name  string
	start func(ctx context.Context, size int) (*peers.Server, error)
	// constant says that it has one answer, of a size: it must be started for each.
	constant bool
	// mostHosts is for how many different hosts' files it can be asked without a pause; 0: for any number.
	mostHosts int
	running   *peers.Server
	size      int
	asked     int64 // requests that it was sent, so that the next turn goes on with other hosts
}

// sides are those that can be measured here, and what is to be said of the others.
func (c Config) sides(env *environment) (all []*side, skipped []string, err error) {
	add := func(s *side) {
		if slices.Contains(c.Sides, s.name) {
			all = append(all, s)
		}
	}
	add(&side{name: sideBerth, start: func(ctx context.Context, _ int) (*peers.Server, error) {
		return c.startBerth(ctx, env, c.Berth, env.data, "--pprof")
	}})
	if c.Other != "" && slices.Contains(c.Sides, sideOther) {
		data, err := env.copyData()
		if err != nil {
			return nil, nil, err
		}
		add(&side{name: sideOther, start: func(ctx context.Context, _ int) (*peers.Server, error) {
			return c.startBerth(ctx, env, c.Other, data) // it may not know --pprof
		}})
	}
	for _, p := range peers.All() {
		if _, err := p.Path(); err != nil {
			if slices.Contains(c.Sides, p.Name) {
				skipped = append(skipped, fmt.Sprintf("%s is not measured: %v", p.Name, err))
			}
			continue
		}
		most := 0
		if p.KeepsOpen {
			most = env.openFiles / 2
		}
		add(&side{name: p.Name, mostHosts: most, start: func(ctx context.Context, _ int) (*peers.Server, error) {
			dir, err := os.MkdirTemp(env.dir, p.Name+"-")
			if err != nil {
				return nil, err
			}
			return p.Start(ctx, peers.Setup{Dir: dir, Folders: env.folders, Sites: c.Sites, At: env.server})
		}})
	}
	for _, name := range []string{sideConstant, sideEpoll} {
		add(&side{name: name, constant: true, start: func(ctx context.Context, size int) (*peers.Server, error) {
			return c.startStandIn(ctx, env, name, size)
		}})
	}
	return all, skipped, nil
}

// ready starts the side if it does not run, or gives another answer than is wanted.
func (s *side) ready(ctx context.Context, size int) (err error) {
	if s.running != nil && (!s.constant || s.size == size) {
		return nil
	}
	s.stop()
	if s.running, err = s.start(ctx, size); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.size = size
	return nil
}

func (s *side) stop() {
	if s.running != nil {
		s.running.Stop()
		s.running = nil
	}
}

// startStandIn starts a server with one answer.
func (c Config) startStandIn(ctx context.Context, env *environment, kind string, size int) (*peers.Server, error) {
	addr, err := peers.FreeAddr()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.Self, "bench", "stand-in", kind, "--addr", addr, "--size", strconv.Itoa(size))
	cmd.Stderr = os.Stderr
	p, err := machine.Start(cmd, env.server)
	if err != nil {
		return nil, err
	}
	s := &peers.Server{Addr: addr, Process: p}
	if err := s.Await(ctx); err != nil {
		p.Stop()
		return nil, err
	}
	return s, nil
}

// verify asks for a file of some hosts. The answer must be that file's, with all the fields. It returns how long its head is.
func (c Config) verify(ctx context.Context, s *side, sc scenario) (head int, err error) {
	for _, i := range []int{0, len(sc.hosts) / 2, len(sc.hosts) - 1} {
		want := c.Sites.Content(i, sc.file)
		if s.constant {
			want = make([]byte, sc.file.Size)
		}
		if head, err = check(ctx, s.running.Addr, sc.hosts[i], sc.file, want); err != nil {
			return 0, fmt.Errorf("%s does not answer right for %s%s: %w", s.name, sc.hosts[i], sc.file.Name, err)
		}
	}
	return head, nil
}

func check(ctx context.Context, addr, host string, f sites.File, want []byte) (head int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+f.Name, nil)
	if err != nil {
		return 0, err
	}
	r.Host = host
	r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	t := &http.Transport{DisableKeepAlives: true}
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Equal(body, want) {
		return 0, fmt.Errorf("status %d and %d bytes, which are its %d: %v", resp.StatusCode, len(body), len(want), bytes.Equal(body, want))
	}
	for _, name := range fields {
		// Go takes the length out of the fields that it shows, and knows it all the same.
		if resp.Header.Get(name) == "" && (name != "Content-Length" || resp.ContentLength < 0) {
			return 0, fmt.Errorf("it sends no %s", name)
		}
	}
	head = len("HTTP/1.1 200 OK\r\n\r\n")
	for name, values := range resp.Header {
		for _, v := range values {
			head += len(name) + len(v) + 4
		}
	}
	return head, nil
}

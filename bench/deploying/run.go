package deploying

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"berth/bench/server"
)

// client is a command that deploys.
type client struct {
	config   Config
	home     string
	site     string
	wrangler bool
}

// clientRun is one run of it.
type clientRun struct {
	began, ended time.Time
	cpu          time.Duration
}

// deploy runs it against an API, with nothing of this process's environment that it could heed.
func (c client) deploy(ctx context.Context, api, token string) (clientRun, error) {
	args := []string{c.config.Berth, "deploy", c.site, "--project", "bench", "--branch", "main", "--json"}
	if c.wrangler {
		args = []string{c.config.Node, c.config.Wrangler, "pages", "deploy", c.site, "--project-name", "bench", "--branch", "main", "--commit-dirty=true"}
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = c.home
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "CI=true", "NO_COLOR=1",
		"BERTH_API=" + api, "BERTH_API_TOKEN=" + token,
		"CLOUDFLARE_API_BASE_URL=" + api + "/client/v4", "CLOUDFLARE_API_TOKEN=" + token, "CLOUDFLARE_ACCOUNT_ID=default",
		"WRANGLER_SEND_METRICS=false", "WRANGLER_SEND_ERROR_REPORTS=false", "WRANGLER_HIDE_BANNER=true", "npm_config_registry=http://127.0.0.1:9/",
	}
	run := clientRun{began: time.Now()}
	out, err := cmd.CombinedOutput()
	run.ended = time.Now()
	if err != nil {
		return run, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	run.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return run, nil
}

// target is a berth that is deployed to.
type target struct {
	*server.Server
	token string
}

func startTarget(ctx context.Context, program, dir string) (*target, error) {
	s, err := server.Start(ctx, program, dir, filepath.Join(dir, "data"))
	if err != nil {
		return nil, err
	}
	token, err := s.Token()
	if err == nil {
		_, err = s.Run(ctx, "project", "create", "bench")
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	return &target{s, token}, nil
}

func (s *target) first(ctx context.Context, client client, into *First) error {
	before, err := s.CPU()
	if err != nil {
		return err
	}
	run, err := client.deploy(ctx, s.API, s.token)
	if err != nil {
		return err
	}
	after, err := s.CPU()
	if err != nil {
		return err
	}
	live, err := s.live(ctx)
	into.add(run, live, after-before)
	return err
}

// live is when the newest deployment was made.
func (s *target) live(ctx context.Context) (time.Time, error) {
	out, err := s.Run(ctx, "deployment", "list", "--project", "bench", "--json")
	if err != nil {
		return time.Time{}, err
	}
	var list []struct {
		Created time.Time `json:"created_on"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return time.Time{}, err
	}
	if len(list) == 0 {
		return time.Time{}, errors.New("there is no deployment")
	}
	return list[0].Created, nil
}

// changed deploys through a tap, which tells the server's time from the client's.
func (s *target) changed(ctx context.Context, client client, into *Changed) error {
	tap, err := newCallTap(s.API)
	if err != nil {
		return err
	}
	defer tap.Close()
	before, err := s.CPU()
	if err != nil {
		return err
	}
	run, err := client.deploy(ctx, tap.URL, s.token)
	if err != nil {
		return err
	}
	after, err := s.CPU()
	if err != nil {
		return err
	}
	calls := tap.take()
	live, busy := untilLive(calls)
	if live.IsZero() {
		return errors.New("no deployment was made")
	}
	into.Live = append(into.Live, live.Sub(run.began).Seconds())
	into.Server = append(into.Server, busy.Seconds())
	into.Own = append(into.Own, (live.Sub(run.began) - busy).Seconds())
	into.CPU = append(into.CPU, (after - before).Seconds())
	into.Calls = calls
	return nil
}

package serving

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"berth/bench/load"
	"berth/bench/machine"
	"berth/bench/peers"
)

// environment is where the servers run: the sites, and the cores.
type environment struct {
	dir           string // of this run
	data, folders string
	cores         machine.Cores
	openFiles     int // that a process may have
	server        machine.Placement
	wrk           *load.Wrk
	own           load.Own
}

// generator is what asks for files.
type generator interface {
	Run(context.Context, load.Job) (load.Result, error)
}

func (env *environment) generator(name string) generator {
	if name == loadOwn {
		return env.own
	}
	return env.wrk
}

// prepare makes the sites, unless they are there from an earlier run.
func (c Config) prepare(ctx context.Context) (env *environment, cleanup func() error, err error) {
	env = &environment{}
	if env.cores, err = machine.TwoCores(); err != nil {
		return nil, nil, err
	}
	if env.openFiles, err = peers.MaxOpenFiles(); err != nil {
		return nil, nil, err
	}
	env.server = machine.Placement{Core: env.cores.Server, Nice: c.Nice}
	if c.Data != "" {
		if err := os.MkdirAll(c.Data, 0o755); err != nil {
			return nil, nil, err
		}
	}
	if env.dir, err = os.MkdirTemp(c.Data, "berth-bench-"); err != nil {
		return nil, nil, err
	}
	if env.dir, err = filepath.Abs(env.dir); err != nil {
		return nil, nil, err
	}
	cleanup = func() error { return os.RemoveAll(env.dir) }
	if err = os.Chmod(env.dir, 0o755); err == nil { // servers may run as another user
		at := machine.Placement{Core: env.cores.Load, Nice: c.Nice}
		env.own = load.Own{Self: c.Self, At: at}
		if slices.Contains(c.Load, loadWrk) {
			env.wrk, err = load.NewWrk(env.dir, at)
		}
	}
	if err == nil {
		err = c.makeSites(ctx, env)
	}
	if err != nil {
		return nil, nil, errors.Join(err, cleanup())
	}
	return env, cleanup, nil
}

func (c Config) makeSites(ctx context.Context, env *environment) error {
	home := env.dir
	if c.Data != "" {
		home = filepath.Join(filepath.Dir(env.dir), fmt.Sprintf("sites-%d-hot-%d-hosts-%d-seed-%d", c.Sites.Sites, c.Sites.Hot, c.Sites.Hosts, c.Sites.Seed))
	}
	env.data, env.folders = filepath.Join(home, "data"), filepath.Join(home, "folders")
	made := filepath.Join(home, "made")
	if _, err := os.Stat(made); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c.Progress(fmt.Sprintf("making %d sites among %d hosts", c.Sites.Sites, c.Sites.Hosts))
	if err := errors.Join(os.RemoveAll(env.data), os.RemoveAll(env.folders), os.MkdirAll(home, 0o755)); err != nil {
		return err
	}
	if err := c.Sites.WriteFolders(ctx, env.folders); err != nil {
		return err
	}
	if _, err := c.Sites.WriteData(ctx, env.data); err != nil {
		return err
	}
	return os.WriteFile(made, nil, 0o644)
}

// copyData makes a data directory for a second server, before the first one has opened its own: no two may have the same. Blobs are
// not copied, as they never change.
func (env *environment) copyData() (string, error) {
	dir := filepath.Join(env.dir, "data-of-other")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(env.data)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		how := "-a"
		if e.Name() == "blobs" {
			how = "-al"
		}
		if out, err := exec.Command("cp", how, filepath.Join(env.data, e.Name()), dir).CombinedOutput(); err != nil {
			return "", fmt.Errorf("copy the data directory: %w\n%s", err, out)
		}
	}
	// A lock is a file's, by whatever name.
	return dir, os.Remove(filepath.Join(dir, "blobs", "lock"))
}

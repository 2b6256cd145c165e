// Package deploying measures how long a large site takes to go live: the first time, beside what wrangler needs to hash its files
// and to send them to a server that only discards, and again with one file changed.
package deploying

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"berth/bench"
)

// Config says what is deployed, and by what. The sides take turns; each first deploy meets a server that is new, and the deploy
// of a change follows at once, while that server encodes the files of the first.
type Config struct {
	Berth    string // the binary
	Wrangler string // its wrangler.js; "": without
	Node     string // default node
	Files    int    // default 20000; wrangler takes no more
	Size     int    // bytes of each, default 4096
	Rounds   int    // A B A B …, default 5
	Seed     uint64
}

// What wrangler takes of a site.
const (
	maxFiles = 20_000
	maxSize  = 25 << 20
)

// The sides: a client and a server.
const (
	sideLimit        = "limit"          // wrangler, to a server that discards: the limit
	sideWrangler     = "wrangler"       // wrangler, to berth
	sideBerth        = "berth"          // berth deploy, to berth
	sideBerthDiscard = "berth, discard" // berth deploy, to the server that discards
)

// Report has a sample a side, in seconds.
type Report struct {
	Files, Size int
	First       []First
	Changed     []Changed
	PeakRSS     int64 // of a server, the highest of all
}

// First is a side's first deploys.
type First struct {
	Side   string
	Took   bench.Sample // from the command to its exit
	Live   bench.Sample // from the command to the time that the deployment bears, which it gets in the commit that makes it visible
	Client bench.Sample // processor time of the client
	Server bench.Sample // of the server; none where it is this process
}

// Changed is a side's deploys of a site of which one file changed.
type Changed struct {
	Side   string
	Live   bench.Sample
	Server bench.Sample // of Live, while a call was with the server
	Own    bench.Sample // of Live, the rest: the client's own
	CPU    bench.Sample // of the server
	Calls  []Call       // of the last
}

func (c Config) withDefaults() Config {
	if c.Node == "" {
		c.Node = "node"
	}
	if c.Files == 0 {
		c.Files = 20000
	}
	if c.Size == 0 {
		c.Size = 4096
	}
	if c.Rounds == 0 {
		c.Rounds = 5
	}
	return c
}

// Check tells all that is wrong with it. What is 0 has its default.
func (c Config) Check() error {
	c = c.withDefaults()
	var faults []error
	if c.Berth == "" {
		faults = append(faults, errors.New("no berth is named"))
	}
	if c.Files < 1 || c.Files > maxFiles {
		faults = append(faults, fmt.Errorf("%d files: must be 1 to %d", c.Files, maxFiles))
	}
	if c.Size < 1 || c.Size > maxSize {
		faults = append(faults, fmt.Errorf("files of %d bytes: must be 1 to %d", c.Size, maxSize))
	}
	if c.Rounds < 1 {
		faults = append(faults, fmt.Errorf("%d rounds: must be 1 or more", c.Rounds))
	}
	return errors.Join(faults...)
}

func (c Config) sides() []string {
	if c.Wrangler == "" {
		return []string{sideBerthDiscard, sideBerth}
	}
	return []string{sideLimit, sideWrangler, sideBerth, sideBerthDiscard}
}

// Run runs the workload.
func Run(ctx context.Context, c Config) (_ *Report, err error) {
	c = c.withDefaults()
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Berth, err = exec.LookPath(c.Berth); err != nil {
		return nil, err
	}
	for _, file := range []*string{&c.Berth, &c.Wrangler} { // commands run elsewhere
		if *file == "" {
			continue
		}
		if *file, err = filepath.Abs(*file); err != nil {
			return nil, err
		}
	}
	rep := &Report{Files: c.Files, Size: c.Size}
	for _, side := range c.sides() {
		rep.First = append(rep.First, First{Side: side})
		if !discards(side) {
			rep.Changed = append(rep.Changed, Changed{Side: side})
		}
	}
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	site := site{dir: filepath.Join(dir, "site"), files: c.Files, size: c.Size, seed: c.Seed}
	if err := site.write(); err != nil {
		return nil, err
	}
	for range c.Rounds {
		for i := range rep.First {
			if err := c.turn(ctx, dir, &site, rep, &rep.First[i]); err != nil {
				return nil, fmt.Errorf("deploy by %s: %w", rep.First[i].Side, err)
			}
		}
	}
	return rep, nil
}

// turn is one first deploy of one side and, where the server is ours, one after a change.
func (c Config) turn(ctx context.Context, dir string, site *site, rep *Report, first *First) (err error) {
	client := client{config: c, home: dir, site: site.dir, wrangler: first.Side == sideLimit || first.Side == sideWrangler}
	if discards(first.Side) {
		server := newDiscard()
		defer server.Close()
		run, err := client.deploy(ctx, server.URL, "no token")
		if err != nil {
			return err
		}
		first.add(run, server.lastLive(), 0)
		return server.complete(int64(c.Files) * int64(c.Size))
	}
	// It stays until the end of the run: for minutes ext4 passes over the inodes of deleted files, one by one, whenever a file is made, and
	// what comes next would pay for the deleting of what came before.
	own, err := os.MkdirTemp(dir, "server-")
	if err != nil {
		return err
	}
	server, err := startTarget(ctx, c.Berth, own)
	if err != nil {
		return err
	}
	defer server.Stop()
	if err := server.first(ctx, client, first); err != nil {
		return err
	}
	if err := site.change(); err != nil {
		return err
	}
	for i := range rep.Changed {
		if rep.Changed[i].Side == first.Side {
			err = errors.Join(err, server.changed(ctx, client, &rep.Changed[i]))
		}
	}
	peak, again := server.PeakRSS()
	rep.PeakRSS = max(rep.PeakRSS, peak)
	return errors.Join(err, again)
}

func discards(side string) bool { return side == sideLimit || side == sideBerthDiscard }

func (f *First) add(run clientRun, live time.Time, server time.Duration) {
	f.Took = append(f.Took, run.ended.Sub(run.began).Seconds())
	f.Live = append(f.Live, live.Sub(run.began).Seconds())
	f.Client = append(f.Client, run.cpu.Seconds())
	if server > 0 {
		f.Server = append(f.Server, server.Seconds())
	}
}

// Package cold measures the first request for a deployment that nobody has asked for since the server started.
package cold

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"berth/bench"
	"berth/store"
)

// Config says what is asked for, with the files of the data directory out of the page cache: once by its steps, in this process,
// and once through a server. Both have a small cache of sites, which others have filled: the memory of one that has run for a
// while. The very first requests take memory that the process never used, and are reported apart: in some virtual machines that is
// most of their time.
type Config struct {
	Berth string // the binary; "": by its steps only
	// Data is a data directory to measure in, a large one made before; deployments are added to it. "": one is made, with Hosts.
	Data   string
	Domain string // of Data, default pages.localhost
	Hosts  int    // default 1,000,000
	Files  int    // of each deployment, default 20000
	Rounds int    // deployments of each kind, each asked for once by its steps and once by HTTP; default 15
	Seed   uint64
}

// Of each half of the deployments so many are for filling the cache.
const (
	siteCache = 16 << 20
	filled    = 12
)

// The kinds of deployment.
const (
	kindPlain = "plain" // files alone
	kindCoded = "coded" // with early hints and with encoded forms of three quarters of its files
	kindRules = "rules" // that, with 2,100 redirects and 100 header rules
)

// Report has a sample a kind, in seconds.
type Report struct {
	Hosts, Files int
	Kinds        []Kind
}

// Kind is one kind of deployment.
type Kind struct {
	Kind  string
	HTTP  bench.Sample // from the request's first byte to the answer's last, by a server, over loopback
	Total bench.Sample // the steps together
	Steps []Step
	Fresh bench.Sample // Total of the first requests of the process
	Bare  bench.Sample // the bytes of the manifest read from the disk, and nothing else done
	Bytes int64        // of that manifest
}

// Step is a part of the work.
type Step struct {
	Name string
	Took bench.Sample
}

func (c Config) withDefaults() Config {
	if c.Hosts == 0 {
		c.Hosts = 1_000_000
	}
	if c.Files == 0 {
		c.Files = 20_000
	}
	if c.Rounds == 0 {
		c.Rounds = 15
	}
	if c.Domain == "" {
		c.Domain = "pages.localhost"
	}
	return c
}

// Check tells all that is wrong with it. What is 0 has its default.
func (c Config) Check() error {
	c = c.withDefaults()
	var faults []error
	for _, n := range []struct {
		what string
		is   int
	}{{"hosts", c.Hosts}, {"files", c.Files}, {"rounds", c.Rounds}} {
		if n.is < 1 {
			faults = append(faults, fmt.Errorf("%d %s: must be 1 or more", n.is, n.what))
		}
	}
	return errors.Join(faults...)
}

// Run runs the workload.
func Run(ctx context.Context, c Config) (_ *Report, err error) {
	c = c.withDefaults()
	if err := c.Check(); err != nil {
		return nil, err
	}
	rep := &Report{Files: c.Files}
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if c.Data == "" {
		c.Data = filepath.Join(dir, "data")
		if err := fillHosts(ctx, c.Data, c.Hosts); err != nil {
			return nil, fmt.Errorf("store %d hosts: %w", c.Hosts, err)
		}
	}
	for _, kind := range []string{kindPlain, kindCoded, kindRules} {
		k := Kind{Kind: kind}
		sites, err := c.addSites(ctx, kind)
		if err != nil {
			return nil, fmt.Errorf("add deployments: %w", err)
		}
		if err := c.bySteps(ctx, sites, &k); err != nil {
			return nil, fmt.Errorf("first requests by their steps: %w", err)
		}
		if c.Berth != "" {
			if err := c.byHTTP(ctx, dir, sites, &k); err != nil {
				return nil, fmt.Errorf("first requests by HTTP: %w", err)
			}
		}
		rep.Kinds = append(rep.Kinds, k)
	}
	rep.Hosts, err = c.countHosts()
	return rep, err
}

// fillHosts makes a data directory with so many routes.
func fillHosts(ctx context.Context, dir string, n int) (err error) {
	data, err := store.OpenDataDir(dir, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	hasher := hasherOf(data)
	const chunk = 20_000
	for from := 0; from < n; from += chunk {
		_, err := data.Store.Update(ctx, func(tx *store.Tx) error {
			for i := from; i < min(from+chunk, n); i++ {
				r := store.Route{Kind: store.RouteSite, Class: store.ClassDeployment, Project: 1 << 20, Deployment: store.DeploymentNo(1<<30 + i)}
				if err := tx.SetRoute(hasher.Key(otherHost(i)), r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return data.Store.Compact(ctx)
}

// countHosts is an estimate where the directory was made by others: their deployments.
func (c Config) countHosts() (n int, err error) {
	data, err := store.OpenDataDir(c.Data, store.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	for _, r := range data.Store.AllRoutes() {
		if r.Err != nil {
			return 0, r.Err
		}
		n++
	}
	return n, nil
}

// timed runs one step.
func timed(into *bench.Sample, f func() error) error {
	began := time.Now()
	err := f()
	*into = append(*into, time.Since(began).Seconds())
	return err
}

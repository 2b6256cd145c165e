package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/bench"
	"berth/bench/corpus"
	"berth/bench/router"
	"berth/migrate/report/plot"
)

const benchRouterLong = `Measures the routing of large servers: finding hosts in every state of the caches, hosts that nobody has, the same while
others write, starts and memory of a whole server, and how everything that touches deployments grows with their number.
Fourteen million deployments take 2 GB of disk, 3 GB while they are made.`

// routerBench is the flags of the workload router.
type routerBench struct {
	sizes, grow, growOne []int
	rounds, requests     int
	storeCache           int64
	seed                 uint64
	keep, berth          string
	serve, only          []string
}

func (r *routerBench) parts() []benchPart {
	return []benchPart{
		{"lookup", func(ctx context.Context) (bench.Report, error) {
			return router.Lookup(ctx, router.LookupConfig{Deployments: r.sizes, Dir: r.keep, Rounds: r.rounds, Seed: r.seed, StoreCache: r.storeCache})
		}},
		{"unknown", func(ctx context.Context) (bench.Report, error) {
			return router.Unknown(ctx, router.UnknownConfig{Deployments: slices.Max(r.sizes), Dir: r.keep, Rounds: r.rounds, Seed: r.seed})
		}},
		{"busy", func(ctx context.Context) (bench.Report, error) {
			return router.Busy(ctx, router.BusyConfig{Deployments: slices.Max(r.sizes), Dir: r.keep, Rounds: r.rounds, Seed: r.seed})
		}},
		{"growth", func(ctx context.Context) (bench.Report, error) {
			return router.Growth(ctx, router.GrowthConfig{Deployments: r.grow, One: r.growOne, Dir: r.keep, Seed: r.seed})
		}},
		{"server", func(ctx context.Context) (bench.Report, error) {
			return router.Server(ctx, router.ServerConfig{Berth: r.berth, Deployments: r.sizes, Dir: r.keep, Rounds: r.rounds, Requests: r.requests, Seed: r.seed, Args: r.serve})
		}},
	}
}

func (r *routerBench) partNames() (names []string) {
	for _, p := range r.parts() {
		names = append(names, p.name)
	}
	return names
}

func benchRouterFlags(a *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	r := &routerBench{}
	f.IntSliceVar(&r.sizes, "sizes", []int{1_000, 1_000_000}, "deployments; up to 14000000")
	f.IntSliceVar(&r.grow, "grow", []int{1_000, 10_000, 100_000, 1_000_000}, "deployments, for growth")
	f.IntSliceVar(&r.growOne, "grow-one", []int{1_000, 10_000, 50_000}, "deployments of one project, for growth")
	f.IntVar(&r.rounds, "rounds", 5, "measurements of each side")
	f.IntVar(&r.requests, "requests", 200_000, "different hosts to ask a server for")
	f.Var(byteSize[int64]{&r.storeCache}, "store-cache", "memory for the database's blocks in look-ups; default 64MiB")
	f.Uint64Var(&r.seed, "seed", 1, "of the corpora")
	f.StringVar(&r.keep, "keep", "", "`directory` to keep the corpora in, for the next run; default none")
	f.StringVar(&r.berth, "berth", thisProgram(), "`file` of the server to measure")
	f.StringArrayVar(&r.serve, "serve", nil, "`flag` more of that server, such as --serve=--memory=1GiB (repeatable)")
	f.StringSliceVar(&r.only, "only", nil, "`parts` to run, of "+strings.Join(r.partNames(), ", ")+"; default all")
	return func(ctx context.Context) (bench.Report, error) {
		if err := r.check(); err != nil {
			return nil, err
		}
		return runParts(ctx, a, r.parts(), r.only)
	}
}

func (r *routerBench) check() error {
	for _, name := range r.only {
		if !slices.Contains(r.partNames(), name) {
			return wrong("--only %s: there is no such part, only %s", name, strings.Join(r.partNames(), ", "))
		}
	}
	if r.rounds < 1 || r.requests < 1 {
		return wrong("--rounds and --requests must be 1 or more")
	}
	if r.storeCache != 0 && r.storeCache < 1<<20 {
		return wrong("--store-cache: want 1MiB or more")
	}
	for _, list := range []struct {
		flag string
		of   []int
	}{{"sizes", r.sizes}, {"grow", r.grow}, {"grow-one", r.growOne}} {
		for _, n := range list.of {
			if n < 100 || n > 100_000_000 {
				return wrong("--%s %d: want 100 to 100000000", list.flag, n)
			}
		}
		if len(list.of) == 0 {
			return wrong("--%s: name a number", list.flag)
		}
	}
	return nil
}

// runParts runs those parts of a workload that are asked for, or all.
func runParts(ctx context.Context, a *app, parts []benchPart, only []string) (bench.Report, error) {
	var all bench.Reports
	for _, p := range parts {
		if len(only) > 0 && !slices.Contains(only, p.name) {
			continue
		}
		began := time.Now()
		rep, err := p.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		a.note("%s took %v", p.name, time.Since(began).Round(time.Second))
		all = append(all, rep)
	}
	return all, nil
}

// newBenchCorpus makes a data directory to try things on.
func newBenchCorpus(a *app) *cobra.Command {
	var c corpus.Config
	var dir string
	cmd := a.verb("corpus", nil, "Make the data directory of a server with up to millions of deployments", "The same seed makes the same directory, but for the server's secrets. berth serve and berth fsck take it as one of their own.",
		func(ctx context.Context, _ []string) error {
			began := time.Now()
			made, err := corpus.Build(ctx, dir, c)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"data": dir, "domain": made.Domain, "hosts": made.Hosts()}, func(w io.Writer) {
				fmt.Fprintf(w, "%s hosts in %s after %v: serve them with berth serve --data %s --domain %s\n",
					plot.Whole(int64(made.Hosts())), dir, time.Since(began).Round(time.Millisecond), dir, made.Domain)
			})
		})
	f := cmd.Flags()
	f.StringVar(&dir, "data", "", "`directory` to make; it must be empty or not there")
	f.IntVar(&c.Deployments, "deployments", 1_000_000, "deployments, each with a host of its own")
	f.IntVar(&c.Projects, "projects", 0, "projects (default one for 1,400 deployments)")
	f.IntVar(&c.Sites, "sites", 1, "different sites that they are of")
	f.IntVar(&c.Files, "files", 3, "files of a site")
	f.IntVar(&c.FileBytes, "file-bytes", 1024, "size of a file")
	f.StringVar(&c.Domain, "domain", "pages.localhost", "base `domain`")
	f.Uint64Var(&c.Seed, "seed", 1, "of everything but the server's secrets")
	require(cmd, "data")
	return cmd
}

package main

import (
	"cmp"
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"berth/bench"
	"berth/bench/cold"
	"berth/bench/deploying"
)

const benchDeployLong = `Deploys a large site, and again with one file of it changed: by berth deploy and by wrangler, to Berth and to a server
that only discards. A wrangler that is not there is done without.`

func benchDeployFlags(a *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	c := deploying.Config{}
	f.StringVar(&c.Berth, "berth", "", "`file` of the program to measure; default this one")
	f.StringVar(&c.Wrangler, "wrangler", "testdata/wrangler/node_modules/wrangler/bin/wrangler.js", "`file` of wrangler's script")
	f.StringVar(&c.Node, "node", "node", "`program` that runs it")
	f.IntVar(&c.Files, "files", 20_000, "files of the site, which wrangler takes no more of")
	f.IntVar(&c.Size, "size", 4096, "`bytes` of each")
	f.IntVar(&c.Rounds, "rounds", 5, "deploys of each side")
	f.Uint64Var(&c.Seed, "seed", 0, "of the files' contents")
	return func(ctx context.Context) (bench.Report, error) {
		c.Berth = cmp.Or(c.Berth, thisProgram())
		if _, err := os.Stat(c.Wrangler); err != nil {
			a.note("goes on without wrangler: %v", err)
			c.Wrangler = ""
		}
		if err := fromHere(&c.Berth, &c.Wrangler); err != nil {
			return nil, err
		}
		return deploying.Run(ctx, c)
	}
}

const benchColdLong = `Asks for files of deployments that nobody asked for before, with nothing of the data directory in the page cache.`

func benchColdFlags(_ *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	c := cold.Config{}
	f.StringVar(&c.Berth, "berth", "", "`file` of the program to measure; default this one")
	f.StringVar(&c.Data, "data", "", "data `directory` to measure in, which gets some deployments more; default a new one")
	f.StringVar(&c.Domain, "domain", "pages.localhost", "its base domain")
	f.IntVar(&c.Hosts, "hosts", 1_000_000, "hosts in a new one")
	f.IntVar(&c.Files, "files", 20_000, "files of each deployment")
	f.IntVar(&c.Rounds, "rounds", 15, "deployments of each kind")
	f.Uint64Var(&c.Seed, "seed", 0, "of the files' contents")
	return func(ctx context.Context) (bench.Report, error) {
		c.Berth = cmp.Or(c.Berth, thisProgram())
		if err := fromHere(&c.Berth); err != nil {
			return nil, err
		}
		return cold.Run(ctx, c)
	}
}

// fromHere makes the paths hold in other directories, too: programs are run elsewhere.
func fromHere(paths ...*string) (err error) {
	for _, path := range paths {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return nil
}

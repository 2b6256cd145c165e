package main

import (
	"cmp"
	"context"

	"github.com/spf13/pflag"

	"berth/bench"
	"berth/bench/cold"
)

const benchColdLong = `Asks for deployments that nobody has asked for since the server started, with their files out of the page cache: by the
steps of the work, and by HTTP.`

func benchColdFlags(_ *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	c := cold.Config{}
	f.StringVar(&c.Berth, "berth", "", "`file` of the program to measure; default this one")
	f.StringVar(&c.Data, "data", "", "data `directory` to measure in, which gets some deployments more; default a new one")
	f.StringVar(&c.Domain, "domain", "pages.localhost", "of that directory's hosts")
	f.IntVar(&c.Hosts, "hosts", 1_000_000, "hosts in a new one")
	f.IntVar(&c.Files, "files", 20_000, "files of each deployment")
	f.IntVar(&c.Rounds, "rounds", 15, "deployments of each kind")
	f.Uint64Var(&c.Seed, "seed", 0, "of the deployments' contents")
	return func(ctx context.Context) (bench.Report, error) {
		c.Berth = cmp.Or(c.Berth, thisProgram())
		if err := c.Check(); err != nil {
			return nil, &usageError{err: err}
		}
		rep, err := cold.Run(ctx, c)
		if err != nil {
			return nil, err
		}
		return rep, nil
	}
}

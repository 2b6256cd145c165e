package main

import (
	"cmp"
	"context"

	"github.com/spf13/pflag"

	"berth/bench"
	"berth/bench/deploying"
)

const benchDeployLong = `Deploys a large site by berth deploy and by wrangler, beside what wrangler itself needs to hash it and send it to a server that
only discards; and again with one file of it changed, split into server and client.`

func benchDeployFlags(_ *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	c := deploying.Config{}
	f.StringVar(&c.Berth, "berth", "", "`file` of the program to measure; default this one")
	f.StringVar(&c.Wrangler, "wrangler", "", "`file` of wrangler's script, node_modules/wrangler/bin/wrangler.js; default without it")
	f.StringVar(&c.Node, "node", "node", "`program` that runs it")
	f.IntVar(&c.Files, "files", 20_000, "files of the site")
	f.IntVar(&c.Size, "size", 4096, "`bytes` of each")
	f.IntVar(&c.Rounds, "rounds", 5, "deploys of each side")
	f.Uint64Var(&c.Seed, "seed", 0, "of the files' contents")
	return func(ctx context.Context) (bench.Report, error) {
		c.Berth = cmp.Or(c.Berth, thisProgram())
		if err := c.Check(); err != nil {
			return nil, &usageError{err: err}
		}
		rep, err := deploying.Run(ctx, c)
		if err != nil {
			return nil, err
		}
		return rep, nil
	}
}

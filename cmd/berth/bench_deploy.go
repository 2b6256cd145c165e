package main

import (
	"cmp"
	"context"

	"github.com/spf13/pflag"

	"berth/bench"
	"berth/migrate/report/plot"
)

const benchDeployLong = `Deploys a large site, and again with one file of it changed.`

func benchDeployFlags(_ *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	c := bench.DeployConfig{}
	f.StringVar(&c.Berth, "berth", "", "`file` of the program to measure; default this one")
	f.IntVar(&c.Files, "files", 20_000, "files of the site")
	f.IntVar(&c.Size, "size", 4096, "`bytes` of each")
	f.Uint64Var(&c.Seed, "seed", 0, "of the files' contents")
	return func(ctx context.Context) (bench.Report, error) {
		c.Berth = cmp.Or(c.Berth, thisProgram())
		rep, err := bench.Deploy(ctx, c)
		return deployReport{rep}, err
	}
}

// deployReport is text alone.
type deployReport struct{ bench.DeployReport }

func (deployReport) Rows() []bench.Row      { return nil }
func (deployReport) Figures() []plot.Figure { return nil }

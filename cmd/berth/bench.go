package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/bench"
)

// workload is something that can be measured. flags declares its flags, and gives what runs it with what they say.
type workload struct {
	name, short, long string
	flags             func(a *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error)
}

// workloads are all of them, in the order in which they are run and shown.
func workloads() []workload {
	return []workload{
		{"serve", "What a request costs, beside nginx, lighttpd, Caddy and the floor of the machine", benchServeLong, benchServeFlags},
		{"deploy", "How long a large site takes to go live, first and again", benchDeployLong, benchDeployFlags},
		{"migrate", "The tables of the old design against route records", benchMigrateLong, benchMigrateFlags},
	}
}

func newBenchCommand(a *app) *cobra.Command {
	c := a.noun("bench", "Measure Berth on this machine, beside what it is compared with", `Each workload runs both sides of its comparison by turns, and prints every measurement in the format of
Go's benchmarks (benchstat reads it) and a table of medians with their spread.`)
	for _, w := range workloads() {
		c.AddCommand(newWorkloadCommand(a, w))
	}
	c.AddCommand(newStandInCommand(a))
	return c
}

func newWorkloadCommand(a *app, w workload) *cobra.Command {
	var run func(context.Context) (bench.Report, error)
	html := ""
	c := a.verb(w.name, nil, w.short, w.long, func(ctx context.Context, _ []string) error {
		began := time.Now()
		rep, err := run(ctx)
		if err != nil {
			return err
		}
		if err := writeBench(a.stdout, w.name, rep, time.Since(began)); err != nil || html == "" {
			return err
		}
		return writeBenchPage(html, "berth bench "+w.name, []bench.Report{rep})
	})
	run = w.flags(a, c.Flags())
	c.Flags().StringVar(&html, "html", "", "`file` to write the page with the plots to")
	return c
}

func writeBench(w io.Writer, name string, rep bench.Report, took time.Duration) error {
	if _, err := fmt.Fprintf(w, "goos: linux\npkg: berth/bench/%s\ncpu: %s\n", name, bench.Machine()); err != nil {
		return err
	}
	if err := bench.WriteRows(w, rep.Rows()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s(%s took %v)\n\n", rep, name, took.Round(time.Second))
	return err
}

func writeBenchPage(file, command string, reports []bench.Report) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return bench.WritePage(f, "Berth, measured", command, time.Now(), reports)
}

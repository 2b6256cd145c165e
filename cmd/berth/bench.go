package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/bench"
	"berth/bench/serving"
)

// workload is something that can be measured.
type workload struct {
	name, short, long string
	// flags declares its flags, and gives what runs it with what they say.
	flags func(a *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error)
	// full and quick are its flags in a run of all of them.
	full, quick string
}

// workloads are all of them, in the order in which they are run and shown.
func workloads() []workload {
	return []workload{
		{"serve", "What a request costs, beside nginx, lighttpd, Caddy and the floor of the machine", benchServeLong, benchServeFlags, "", "--sites 20000 --hosts 100000 --rounds 3 --headers browser"},
		{"idle", "Memory of connections that wait for their next request", benchIdleLong, benchIdleFlags, "", "--sites 20000 --hosts 100000 --rounds 1"},
		{"burst", "Ten times the load from one moment to the next", benchBurstLong, benchBurstFlags, "", "--sites 20000 --hosts 100000 --rounds 1"},
		{"hosts", "What a request costs, by the number of hosts deployed", benchHostsLong, benchHostsFlags, "", "--numbers 1000,10000,100000 --rounds 3"},
		{"deploy", "How long a large site takes to go live, first and again", benchDeployLong, benchDeployFlags, "", "--files 2000 --rounds 3"},
		{"cold", "The first request for a deployment, nothing of it in memory", benchColdLong, benchColdFlags, "--hosts 14000000", "--hosts 100000 --rounds 5"},
		{"router", "Finding hosts among millions, and how everything grows with their number", benchRouterLong, benchRouterFlags, "--sizes 1000,1000000,14000000 --grow 1000,10000,100000,1000000,10000000 --grow-one 1000,10000,50000,200000", "--sizes 1000,100000 --grow 1000,10000,100000 --grow-one 1000,10000 --rounds 2"},
		{"migrate", "The tables of the old design against route records", benchMigrateLong, benchMigrateFlags, "--backfill 400000,1000000 --whole 1000000,14000000", "--deployments 100000 --backfill 100000 --whole 100000 --rounds 3"},
	}
}

func newBenchCommand(a *app) *cobra.Command {
	c := a.noun("bench", "Measure Berth on this machine, beside what it is compared with", `Each workload runs both sides of its comparison by turns, and prints every measurement in the format of
Go's benchmarks (benchstat reads it) and a table of medians with their spread.`)
	for _, w := range workloads() {
		c.AddCommand(newWorkloadCommand(a, w))
	}
	profile := workload{name: "profile", short: "Where the time of a request goes, beside the floor of the machine", long: benchProfileLong, flags: benchProfileFlags}
	c.AddCommand(newWorkloadCommand(a, profile), newBenchAll(a), newBenchReport(a), newBenchCorpus(a), newStandInCommand(a))
	return c
}

// benchFiles is where results go.
type benchFiles struct{ results, html, markdown string }

func (b *benchFiles) addFlags(f *pflag.FlagSet) {
	f.StringVar(&b.html, "html", "", "`file` to write the page with the plots to")
	f.StringVar(&b.markdown, "markdown", "", "`file` to write the tables to")
}

func newWorkloadCommand(a *app, w workload) *cobra.Command {
	var run func(context.Context) (bench.Report, error)
	var files benchFiles
	var c *cobra.Command
	c = a.verb(w.name, nil, w.short, w.long, func(ctx context.Context, _ []string) error {
		began := time.Now()
		rep, err := run(ctx)
		if bad, ok := errors.AsType[*serving.ConfigError](err); ok {
			return &usageError{err: bad.Err}
		}
		if err != nil {
			return err
		}
		r, err := bench.NewResult(w.name, w.short, typed(c), began, rep)
		if err != nil {
			return err
		}
		if err := a.printResult(r); err != nil {
			return err
		}
		if files.results != "" {
			if err := r.Save(files.results); err != nil {
				return err
			}
		}
		return files.write([]bench.Result{r})
	})
	run = w.flags(a, c.Flags())
	files.addFlags(c.Flags())
	c.Flags().StringVar(&files.results, "results", "", "`directory` to keep the result in, for berth bench report")
	return c
}

// typed is the command as it could be typed again.
func typed(c *cobra.Command) string {
	words := []string{c.CommandPath()}
	c.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "html", "markdown", "results", "keep", "berth", "other", "wrangler", "node", "data": // where something is says nothing about the measurement
		default:
			words = append(words, "--"+f.Name+"="+f.Value.String())
		}
	})
	return strings.Join(words, " ")
}

// printResult prints measurements and tables, or all of it but the drawings as JSON.
func (a *app) printResult(r bench.Result) error {
	shown := r
	shown.Figures = nil
	var rows strings.Builder
	if err := bench.WriteRows(&rows, r.Rows); err != nil {
		return err
	}
	return a.print(shown, func(w io.Writer) {
		fmt.Fprintf(w, "goos: linux\npkg: berth/bench/%s\ncpu: %s\n%s\n%s\n%s(%s took %v)\n\n", r.Workload, r.Machine, rows.String(), r.Table, bench.GoalTable(r.Goals), r.Workload, r.Took.Round(time.Second))
	})
}

func (b *benchFiles) write(results []bench.Result) error {
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{b.html, func(w io.Writer) error { return bench.WriteResults(w, "Berth, measured", results) }},
		{b.markdown, func(w io.Writer) error { return bench.WriteMarkdown(w, benchIntro, results) }},
	} {
		if f.name == "" {
			continue
		}
		var text strings.Builder
		if err := f.write(&text); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(f.name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(f.name, []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

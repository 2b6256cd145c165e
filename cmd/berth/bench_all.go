package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/bench"
)

// benchIntro opens BENCHMARKS.md.
const benchIntro = `What Berth costs, measured on one machine beside what somebody would use instead. ` + "`make bench`" + ` does it again on yours, and
writes this page; [bench/README.md](bench/README.md) says how to read the figures and what they leave out. A figure of another machine
than yours says little, a ratio of two more.`

func workloadNames() (names []string) {
	for _, w := range workloads() {
		names = append(names, w.name)
	}
	return names
}

// newBenchAll runs every workload as a process of its own: none finds the memory of the one before.
func newBenchAll(a *app) *cobra.Command {
	var files benchFiles
	var quick bool
	var keep string
	var only, passed []string
	c := a.verb("all", nil, "Run every workload, and write one page about all", `Runs the workloads one after the other, keeps their results, and writes the page and the tables. A workload that fails
is told at the end, and does not stop the others.`, func(ctx context.Context, _ []string) (err error) {
		for _, name := range only {
			if !slices.Contains(workloadNames(), name) {
				return wrong("--only %s: there is no such workload, only %s", name, strings.Join(workloadNames(), ", "))
			}
		}
		if keep == "" {
			var done func() error
			if keep, done, err = besideResults(files.results); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, done()) }()
		}
		var failed []error
		for _, w := range workloads() {
			if len(only) > 0 && !slices.Contains(only, w.name) || ctx.Err() != nil {
				continue
			}
			if err := a.runWorkload(ctx, files.results, w.name, w.all(quick, keep, passed)); err != nil {
				failed = append(failed, fmt.Errorf("%s: %w", w.name, err))
			}
		}
		results, err := bench.Load(files.results, workloadNames())
		if err == nil {
			err = files.write(results)
		}
		return errors.Join(append(failed, err)...)
	})
	files.addFlags(c.Flags())
	c.Flags().StringVar(&files.results, "results", "", "`directory` to keep the results in")
	c.Flags().BoolVar(&quick, "quick", false, "minutes instead of two hours: less of everything, and wider spreads")
	c.Flags().StringSliceVar(&only, "only", nil, "`workloads` to run, of "+strings.Join(workloadNames(), ", ")+"; the others' earlier results are shown")
	c.Flags().StringArrayVar(&passed, "pass", nil, "`WORKLOAD:FLAG` more of a workload, such as serve:--nice=-20 (repeatable)")
	c.Flags().StringVar(&keep, "keep", "", "`directory` to keep the sites in, for the next run; default none")
	require(c, "results")
	return c
}

// besideResults is a directory for what several workloads need, until the last has ended.
func besideResults(results string) (dir string, done func() error, err error) {
	if err := os.MkdirAll(results, 0o755); err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(results, "sites-"); err != nil {
		return "", nil, err
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

// all are the workload's flags in a run of all.
func (w workload) all(quick bool, keep string, passed []string) []string {
	flags := w.full
	if quick {
		flags = w.quick
	}
	own := pflag.NewFlagSet(w.name, pflag.ContinueOnError)
	w.flags(nil, own)
	given := strings.Fields(flags)
	if own.Lookup("keep") != nil {
		given = append(given, "--keep="+keep)
	}
	return append(given, passedTo(w.name, passed)...)
}

func passedTo(name string, passed []string) (flags []string) {
	for _, p := range passed {
		if flag, ok := strings.CutPrefix(p, name+":"); ok {
			flags = append(flags, flag)
		}
	}
	return flags
}

func (a *app) runWorkload(ctx context.Context, results, name string, flags []string) error {
	a.note("== berth bench %s %s", name, strings.Join(flags, " "))
	cmd := exec.CommandContext(ctx, thisProgram(), append([]string{"bench", name, "--results", results}, flags...)...)
	cmd.Stdout, cmd.Stderr = a.stdout, a.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it takes its servers with it
	return cmd.Run()
}

func newBenchReport(a *app) *cobra.Command {
	var files benchFiles
	c := a.verb("report", nil, "Write the page and the tables of results that are there", "", func(context.Context, []string) error {
		results, err := bench.Load(files.results, workloadNames())
		if err != nil {
			return err
		}
		return files.write(results)
	})
	files.addFlags(c.Flags())
	c.Flags().StringVar(&files.results, "results", "", "`directory` with the results")
	require(c, "results")
	return c
}

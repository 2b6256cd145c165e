package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/bench"
	"berth/bench/migration"
)

// migrateFlags are those of the workload migrate.
type migrateFlags struct {
	deployments int
	sizes       []int
	backfill    []int
	rounds      int
	seed        uint64
	only        []string
	html        string
}

// part is one workload of several, by name.
type part struct {
	name string
	run  func(context.Context, *migrateFlags) (bench.Report, error)
}

func parts() []part {
	return []part{
		{"resolve", func(ctx context.Context, f *migrateFlags) (bench.Report, error) {
			return migration.Resolve(ctx, migration.ResolveConfig{Sizes: f.sizes, Rounds: f.rounds, Seed: f.seed})
		}},
		{"hitrate", func(ctx context.Context, f *migrateFlags) (bench.Report, error) {
			return migration.HitRate(ctx, migration.HitRateConfig{Seed: f.seed})
		}},
		{"storage", func(ctx context.Context, f *migrateFlags) (bench.Report, error) {
			return migration.Storage(ctx, migration.StorageConfig{Deployments: f.deployments, Seed: f.seed})
		}},
		{"backfill", func(ctx context.Context, f *migrateFlags) (bench.Report, error) {
			return migration.Backfill(ctx, migration.BackfillConfig{Entries: f.backfill, Rounds: min(f.rounds, 3), Seed: f.seed})
		}},
		{"shadow", func(ctx context.Context, f *migrateFlags) (bench.Report, error) {
			return migration.Shadow(ctx, migration.ShadowConfig{Rounds: f.rounds, Seed: f.seed})
		}},
	}
}

func parseMigrate(args []string) (*migrateFlags, error) {
	m, fs := &migrateFlags{}, flag.NewFlagSet("migrate", flag.ContinueOnError)
	fs.IntVar(&m.deployments, "deployments", 1_000_000, "deployments whose routing is stored")
	sizes := fs.String("sizes", "100,1000,10000,50000", "deployments in the project, for the time to find one")
	backfill := fs.String("backfill", "100000,400000", "entries that the backfill copies; up to 14000000")
	fs.IntVar(&m.rounds, "rounds", 5, "measurements of each side")
	fs.Uint64Var(&m.seed, "seed", 1, "of the corpora")
	only := fs.String("only", "", "workloads to run, of resolve, hitrate, storage, backfill, shadow; default all")
	fs.StringVar(&m.html, "html", "", "file to write the page with the plots to")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if *only != "" {
		m.only = strings.Split(*only, ",")
	}
	var err1, err2 error
	m.sizes, err1 = numbers("sizes", *sizes, 50_000)
	m.backfill, err2 = numbers("backfill", *backfill, 14_000_000)
	return m, errors.Join(err1, err2, m.check())
}

func (m *migrateFlags) check() error {
	var faults []error
	for _, name := range m.only {
		if !slices.ContainsFunc(parts(), func(p part) bool { return p.name == name }) {
			faults = append(faults, fmt.Errorf("--only: there is no workload %q", name))
		}
	}
	if m.rounds < 1 || m.deployments < 1 {
		faults = append(faults, errors.New("--rounds and --deployments must be 1 or more"))
	}
	return errors.Join(faults...)
}

func numbers(name, list string, most int) (out []int, err error) {
	for f := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("--%s: %q is no number from 1 to %d", name, f, most)
		}
		out = append(out, n)
	}
	return out, nil
}

// migrate prints each report when it is there: all of them take minutes.
func migrate(ctx context.Context, args []string) error {
	m, err := parseMigrate(args)
	if err != nil {
		return err
	}
	fmt.Printf("goos: linux\npkg: berth/bench/migration\ncpu: %s\n", bench.Machine())
	var reports []bench.Report
	for _, p := range parts() {
		if len(m.only) > 0 && !slices.Contains(m.only, p.name) {
			continue
		}
		began := time.Now()
		rep, err := p.run(ctx, m)
		if err != nil {
			return err
		}
		reports = append(reports, rep)
		if err := bench.WriteRows(os.Stdout, rep.Rows()); err != nil {
			return err
		}
		fmt.Printf("\n%s(%s took %v)\n\n", rep, p.name, time.Since(began).Round(time.Second))
	}
	if m.html == "" {
		return nil
	}
	return writePage(m.html, "berthbench migrate "+strings.Join(args, " "), reports)
}

func writePage(file, command string, reports []bench.Report) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return bench.WritePage(f, "From the tables to the hash, measured", command, time.Now(), reports)
}

package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"berth/bench"
	"berth/bench/migration"
)

const benchMigrateLong = `Compares the tables of the old design with route records: the time to find a deployment, the hit rates of caches of one
size, bytes on disk, the speed of the backfill, what a whole migration takes, and what shadow reads cost the requests that are served meanwhile.`

// migrateBench is the flags of the workload migrate.
type migrateBench struct {
	deployments     int
	sizes, backfill []int
	whole           []int
	own             bool
	rounds          int
	seed            uint64
	only            []string
}

// benchPart is one workload of several, by name.
type benchPart struct {
	name string
	run  func(context.Context) (bench.Report, error)
}

func (m *migrateBench) parts(a *app) []benchPart {
	return []benchPart{
		{"resolve", func(ctx context.Context) (bench.Report, error) {
			return migration.Resolve(ctx, migration.ResolveConfig{Sizes: m.sizes, Rounds: m.rounds, Seed: m.seed})
		}},
		{"hitrate", func(ctx context.Context) (bench.Report, error) {
			return migration.HitRate(ctx, migration.HitRateConfig{Seed: m.seed})
		}},
		{"storage", func(ctx context.Context) (bench.Report, error) {
			return migration.Storage(ctx, migration.StorageConfig{Deployments: m.deployments, Seed: m.seed})
		}},
		{"backfill", func(ctx context.Context) (bench.Report, error) {
			return migration.Backfill(ctx, migration.BackfillConfig{Entries: m.backfill, Rounds: min(m.rounds, 3), Seed: m.seed})
		}},
		{"whole", func(ctx context.Context) (bench.Report, error) {
			return migration.RunWholes(ctx, migration.WholeConfig{Own: m.own, Seed: m.seed, Tell: func(s string) { a.note("%s", s) }}, m.whole)
		}},
		{"shadow", func(ctx context.Context) (bench.Report, error) {
			return migration.Shadow(ctx, migration.ShadowConfig{Rounds: m.rounds, Seed: m.seed})
		}},
	}
}

func (m *migrateBench) partNames() (names []string) {
	for _, p := range m.parts(nil) {
		names = append(names, p.name)
	}
	return names
}

func benchMigrateFlags(a *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	m := &migrateBench{}
	f.IntVar(&m.deployments, "deployments", 1_000_000, "deployments whose routing is stored")
	f.IntSliceVar(&m.sizes, "sizes", []int{100, 1_000, 10_000, 50_000}, "deployments in the project, for the time to find one")
	f.IntSliceVar(&m.backfill, "backfill", []int{100_000, 400_000}, "entries that the backfill copies; up to 14000000")
	f.IntSliceVar(&m.whole, "whole", []int{200_000}, "deployments that are migrated from import to verify; up to 14000000")
	f.BoolVar(&m.own, "own", false, "in whole, tables name deployments by Berth's IDs: there is no file of names")
	f.IntVar(&m.rounds, "rounds", 5, "measurements of each side")
	f.Uint64Var(&m.seed, "seed", 1, "of the corpora")
	f.StringSliceVar(&m.only, "only", nil, "`parts` to run, of "+strings.Join(m.partNames(), ", ")+"; default all")
	return func(ctx context.Context) (bench.Report, error) {
		if err := m.check(); err != nil {
			return nil, err
		}
		return runParts(ctx, a, m.parts(a), m.only)
	}
}

func (m *migrateBench) check() error {
	for _, name := range m.only {
		if !slices.Contains(m.partNames(), name) {
			return wrong("--only %s: there is no such part, only %s", name, strings.Join(m.partNames(), ", "))
		}
	}
	if m.rounds < 1 || m.deployments < 1 {
		return wrong("--rounds and --deployments must be 1 or more")
	}
	for _, list := range []struct {
		flag string
		of   []int
		most int
	}{{"sizes", m.sizes, 50_000}, {"backfill", m.backfill, 14_000_000}, {"whole", m.whole, 14_000_000}} {
		for _, n := range list.of {
			if n < 1 || n > list.most {
				return wrong("--%s %d: want 1 to %d", list.flag, n, list.most)
			}
		}
	}
	return nil
}

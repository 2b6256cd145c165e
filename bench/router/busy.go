package router

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"berth/bench"
	"berth/bench/corpus"
	"berth/migrate/report/plot"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/store"
)

// BusyConfig measures what others' writes do to those who look hosts up. By turns nobody writes, and two do as fast as they can: one
// that loads routes, thousands to a commit, and one whose every commit is a value of 40 KB. One asks, by turns for hosts of the hot set
// and for any host from the store, a few at a time and then nothing for a while, as requests come; the time of an answer
// is the wall's, with whatever held it up. Other processes must leave the machine alone: see the README.
type BusyConfig struct {
	Deployments int           // default 1,000,000
	Dir         string        // where corpora are kept
	Rounds      int           // default 5
	Phase       time.Duration // of a round, with and without writers; default 4 s
	Seed        uint64
}

const (
	loadRoutes = 5_000
	largeValue = 40 << 10
	askAtOnce  = 16                     // questions of either kind before the pause
	askPause   = 300 * time.Microsecond // longer with the granularity of timers
)

// BusyReport is the result.
type BusyReport struct {
	Deployments int
	Kinds       []*BusyKind
	Loaded      int // routes, and large values, that were written meanwhile
	Large       int
}

// BusyKind is one who asks. Each sample has a figure a round, in nanoseconds.
type BusyKind struct {
	Kind  string
	Asked [2]int
	Half  [2]bench.Sample // median: idle, busy
	P999  [2]bench.Sample
}

// Busy runs the workload.
func Busy(ctx context.Context, c BusyConfig) (_ *BusyReport, err error) {
	if c.Deployments == 0 {
		c.Deployments = 1_000_000
	}
	if c.Rounds == 0 {
		c.Rounds = 5
	}
	if c.Phase == 0 {
		c.Phase = 4 * time.Second
	}
	dir, done, err := workDir(c.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	made, err := corpus.OpenOrBuild(ctx, corpusDir(dir, c.Deployments), corpus.Config{Deployments: c.Deployments, Seed: c.Seed})
	if err != nil {
		return nil, err
	}
	scratch := filepath.Join(dir, "busy")
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if made, err = clone(made, scratch); err != nil {
		return nil, err
	}
	w, err := openWorld(made, store.Options{}, hashed.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	run := &busyRun{BusyConfig: c, world: w, rep: &BusyReport{Deployments: c.Deployments, Kinds: []*BusyKind{{Kind: "hit"}, {Kind: "read"}}}}
	if err := run.choose(ctx); err != nil {
		return nil, err
	}
	for range c.Rounds {
		for phase, writers := range [][]func(context.Context) error{nil, {run.load, run.writeLarge}} {
			if err := run.phase(ctx, phase, writers); err != nil {
				return nil, err
			}
		}
	}
	return run.rep, nil
}

type busyRun struct {
	BusyConfig
	*world
	rep    *BusyReport
	hot    []string
	keys   []hostkey.Key
	asked  int
	loaded uint64
}

// choose picks what is asked for, and has the hot set in the cache.
func (r *busyRun) choose(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(r.BusyConfig.Seed, 11))
	for range 500_000 {
		r.keys = append(r.keys, r.hasher.Key(r.Host(rng.IntN(r.world.Deployments))))
	}
	a := asker{resolver: r.resolver}
	for range hotHosts {
		h := authority(r.Host(rng.IntN(r.world.Deployments)))
		r.hot = append(r.hot, h)
		if err := a.known(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// phase has one ask, and some write, for a while.
func (r *busyRun) phase(ctx context.Context, phase int, writers []func(context.Context) error) error {
	// What others wrote before is not compacted any more, or nobody would be idle. And the kernel has all tables in memory, however long ago
	// they were read: what it takes to read them again is the disk's, and no writer's doing.
	if err := errors.Join(r.settle(ctx), readPages(r.Corpus.Dir)); err != nil {
		return err
	}
	over, cancel := context.WithTimeout(ctx, r.Phase)
	defer cancel()
	var wg sync.WaitGroup
	faults := make(chan error, len(writers)+1)
	for _, write := range writers {
		wg.Go(func() { faults <- write(over) })
	}
	took, err := r.ask(over)
	wg.Wait()
	faults <- err
	close(faults)
	err = ctx.Err()
	for e := range faults {
		err = errors.Join(err, e)
	}
	for i, k := range r.rep.Kinds {
		s := sorted(took[i])
		k.Asked[phase] += len(s)
		k.Half[phase] = append(k.Half[phase], quantile(s, 0.5))
		k.P999[phase] = append(k.P999[phase], quantile(s, 0.999))
	}
	return err
}

// ask returns the times of hits and of reads.
func (r *busyRun) ask(ctx context.Context) (took [2][]float64, err error) {
	a := asker{resolver: r.resolver}
	kinds := [2]func(int) error{
		func(i int) error { return a.known(context.Background(), r.hot[i%len(r.hot)]) },
		func(i int) error { _, err := r.data.Store.LookupRoute(r.keys[(i+r.asked)%len(r.keys)]); return err },
	}
	for i := 0; ctx.Err() == nil; {
		for range askAtOnce {
			for k, ask := range kinds {
				began := time.Now()
				if err := ask(i); err != nil {
					return took, err
				}
				took[k] = append(took[k], float64(time.Since(began).Nanoseconds()))
			}
			i++
		}
		time.Sleep(askPause)
	}
	r.asked += len(took[0])
	return took, nil
}

// load sets routes of hosts that come to be, as fast as the store takes them.
func (r *busyRun) load(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(r.BusyConfig.Seed, r.loaded))
	for ctx.Err() == nil {
		_, err := r.data.Store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			for range loadRoutes {
				var k hostkey.Key
				for i := range k {
					k[i] = byte(rng.Uint32())
				}
				if err := tx.SetRoute(k, store.Route{Kind: store.RouteSite, Class: store.ClassDeployment, Project: 1, Deployment: 1}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("load routes: %w", err)
		}
		r.loaded += loadRoutes
		r.rep.Loaded += loadRoutes
	}
	return nil
}

// writeLarge changes the settings of one project after another.
func (r *busyRun) writeLarge(ctx context.Context) error {
	value := make([]byte, largeValue)
	rng := rand.NewChaCha8([32]byte{byte(r.BusyConfig.Seed)})
	for n := 1; ctx.Err() == nil; n++ {
		_, _ = rng.Read(value)
		_, err := r.data.Store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			p, err := tx.Project(store.ProjectNo(1 + n%r.Projects))
			if err != nil {
				return err
			}
			p.Settings = value
			return tx.PutProject(p)
		})
		if err != nil {
			return fmt.Errorf("write a large value: %w", err)
		}
		r.rep.Large++
	}
	return nil
}

// Rows are the measurements, a line a round.
func (r *BusyReport) Rows() (rows []bench.Row) {
	for _, k := range r.Kinds {
		for phase, name := range []string{"idle", "busy"} {
			for i := range k.P999[phase] {
				rows = append(rows, bench.Measured(fmt.Sprintf("Busy/deployments=%d/kind=%s/writers=%s", r.Deployments, k.Kind, name), k.Asked[phase]/len(k.P999[phase]),
					bench.In(k.Half[phase][i], "ns/op"), bench.In(k.P999[phase][i], "p99.9-ns")))
			}
		}
	}
	return rows
}

func (k *BusyKind) ratio() float64 { return k.P999[1].Median() / k.P999[0].Median() }

func (r *BusyReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Finding hosts while others write, %s deployments (medians of the rounds)\n", plot.Whole(int64(r.Deployments)))
	var s bench.Sheet
	s.Add("", "median, idle", "busy", "99.9 %, idle", "busy", "busy / idle")
	for _, k := range r.Kinds {
		s.Add(map[string]string{"hit": "from the cache", "read": "from the store"}[k.Kind], bench.NS(k.Half[0].Median()), bench.NS(k.Half[1].Median()),
			bench.NS(k.P999[0].Median()), bench.NS(k.P999[1].Median()), bench.Times(k.ratio()))
	}
	b.WriteString(s.String())
	fmt.Fprintf(&b, "  Written meanwhile: %s routes, %s values of 40 KB.\n", plot.Whole(int64(r.Loaded)), plot.Whole(int64(r.Large)))
	return b.String()
}

// Goals are one for each kind.
func (r *BusyReport) Goals() (goals []bench.Goal) {
	for _, k := range r.Kinds {
		what := "p99.9 of look-ups " + map[string]string{"hit": "from the cache", "read": "from the store"}[k.Kind] + " while others write, against idle"
		goals = append(goals, bench.Reaching(what, bench.AsFactor, 2, 1.2, bench.Sample{k.ratio()}))
	}
	return goals
}

// Figures are the quantiles.
func (r *BusyReport) Figures() []plot.Figure {
	bars := plot.Bars{Label: "99.9 % of questions are answered within", Unit: plot.Seconds}
	for i, k := range r.Kinds {
		for phase, name := range []string{"idle", "busy"} {
			bars.Bars = append(bars.Bars, plot.Bar{Name: map[string]string{"hit": "cache", "read": "store"}[k.Kind] + ", " + name,
				Parts: []float64{k.P999[phase].Median() / 1e9}, Note: "median " + bench.NS(k.Half[phase].Median()), Colour: i})
		}
	}
	return []plot.Figure{{ID: "busy", Title: "Finding hosts while others write", Note: "One loads routes, one writes values of 40 KB, both as fast as the store takes them.", Chart: bars}}
}

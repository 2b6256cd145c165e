package migration

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"berth/bench"
	"berth/migrate/report/plot"
	"berth/router"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// ResolveConfig measures how long it takes to find a deployment, by the number of deployments in its project. All is in memory: the
// table, or its compiled form, is in its cache, and the hosts asked for are in the other. The hosts asked for are spread over the
// table; both sides are asked for the same ones.
//
// What is measured is the time on the processor of the one who asks: what else runs on the machine does not count. Nor does what the
// garbage collector does on another core, in favour of the tables.
type ResolveConfig struct {
	Sizes  []int         // default 100, 1,000, 10,000, 50,000
	Rounds int           // A B A B …, default 5
	Slice  time.Duration // how long a side is measured in a round, at least three questions; default 100 ms
	Seed   uint64
}

// asked is how many hosts of a project are asked for, in turn. It is the same at each size, the smallest included: else what more hosts
// cost the processor's caches would pass for what more deployments cost.
const asked = 100

// The sides of the comparison.
const (
	sideEach   = "each"   // the tables, parsed for each request, as the old design did
	sideOnce   = "once"   // the tables, compiled when they are loaded
	sideHashed = "hashed" // a route record, cached
	sideStore  = "store"  // a route record, read from the store
)

// ResolveReport has nanoseconds per question, a figure a round.
type ResolveReport struct {
	Sizes []ResolveSize
}

// ResolveSize is the result for one size of the project.
type ResolveSize struct {
	Deployments int
	Sides       []ResolveSide
}

// ResolveSide is one side's.
type ResolveSide struct {
	Side string
	N    []int // questions in each round
	NS   bench.Sample
}

func (s *ResolveSize) median(side string) float64 {
	for _, x := range s.Sides {
		if x.Side == side {
			return x.NS.Median()
		}
	}
	return 0
}

// Resolve runs the workload.
func Resolve(ctx context.Context, c ResolveConfig) (*ResolveReport, error) {
	if len(c.Sizes) == 0 {
		c.Sizes = []int{100, 1_000, 10_000, 50_000}
	}
	if c.Rounds == 0 {
		c.Rounds = 5
	}
	if c.Slice == 0 {
		c.Slice = 100 * time.Millisecond
	}
	rep := &ResolveReport{}
	for _, n := range c.Sizes {
		size, err := c.size(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("resolve among %d deployments: %w", n, err)
		}
		rep.Sizes = append(rep.Sizes, size)
	}
	return rep, nil
}

// contender is a side with the place where its next round goes on.
type contender struct {
	ResolveSide
	resolver router.Resolver
	next     int
}

func (c ResolveConfig) size(ctx context.Context, n int) (out ResolveSize, err error) {
	out.Deployments = n
	corpus := newCorpus(c.Seed, []int{n})
	err = withStore(store.Options{}, func(s *store.Store, _ string) error {
		if err := corpus.fill(ctx, s, parts{records: true, tables: true, routes: true}); err != nil {
			return err
		}
		if err := s.Compact(ctx); err != nil {
			return err
		}
		sides, stop, err := contenders(s, corpus.hasher())
		if err != nil {
			return err
		}
		defer stop()
		var queries []router.Query
		for _, i := range stratified(min(n, asked), n) {
			queries = append(queries, router.Query{Host: corpus.host(0, i), Path: "/"})
		}
		if err := agree(ctx, sides, queries); err != nil {
			return err
		}
		for range c.Rounds {
			for _, side := range sides {
				if err := side.measure(ctx, queries, c.Slice); err != nil {
					return err
				}
			}
		}
		for _, side := range sides {
			out.Sides = append(out.Sides, side.ResolveSide)
		}
		return nil
	})
	return out, err
}

// contenders are the four sides over one store. The compiled tables get all the memory that they want.
func contenders(s *store.Store, hasher *hostkey.Hasher) (sides []*contender, stop func(), err error) {
	var closers []func()
	stop = func() {
		for _, c := range closers {
			c()
		}
	}
	for _, mode := range []legacy.Parse{legacy.Each, legacy.Once} {
		r, err := legacy.New(legacy.Deps{Store: s}, legacy.Options{Domain: domain, Parse: mode, CacheBytes: 8 << 30})
		if err != nil {
			stop()
			return nil, nil, err
		}
		closers = append(closers, r.Close)
		sides = append(sides, &contender{ResolveSide: ResolveSide{Side: mode.String()}, resolver: r})
	}
	for i, name := range []string{sideHashed, sideStore} {
		// A cache of one answer never has the next one: 0 is the default, 100,000.
		r, err := hashed.New(s, hasher, hashed.Options{RouteCache: i, UnknownCache: 1})
		if err != nil {
			stop()
			return nil, nil, err
		}
		closers = append(closers, r.Close)
		sides = append(sides, &contender{ResolveSide: ResolveSide{Side: name}, resolver: r})
	}
	return sides, stop, nil
}

// agree warms all sides up, and refuses to measure if they do not answer alike.
func agree(ctx context.Context, sides []*contender, queries []router.Query) error {
	for i := range min(5, len(queries)) {
		var want router.Decision
		for k, side := range sides {
			got, err := side.resolver.Resolve(ctx, &queries[i])
			if err != nil {
				return fmt.Errorf("%s: %s: %w", side.Side, queries[i].Host, err)
			}
			if k == 0 {
				want = got
			}
			if got != want {
				return fmt.Errorf("%s: %s answers %+v, %s %+v", queries[i].Host, side.Side, got, sides[0].Side, want)
			}
		}
	}
	for _, side := range sides {
		for i := range queries {
			if side.Side != sideHashed && side.Side != sideStore {
				break // a table is warm with its first question
			}
			if _, err := side.resolver.Resolve(ctx, &queries[i]); err != nil {
				return fmt.Errorf("%s: %s: %w", side.Side, queries[i].Host, err)
			}
		}
	}
	return nil
}

func (c *contender) measure(ctx context.Context, queries []router.Query, slice time.Duration) error {
	runtime.GC() // what the side before left behind is not this one's
	clock, err := bench.StartClock()
	if err != nil {
		return err
	}
	defer clock.Stop()
	n, took := 0, time.Duration(0)
	for step := 1; took < slice || n < 3; {
		for range step {
			if _, err := c.resolver.Resolve(ctx, &queries[c.next%len(queries)]); err != nil {
				return err
			}
			c.next++
		}
		n += step
		if took, err = clock.Read(); err != nil {
			return err
		}
		if took < slice/16 {
			step *= 2 // so that reading the clock costs nothing
		}
	}
	c.N, c.NS = append(c.N, n), append(c.NS, float64(took.Nanoseconds())/float64(n))
	return ctx.Err()
}

func (r *ResolveReport) Rows() (rows []bench.Row) {
	for _, size := range r.Sizes {
		for _, side := range size.Sides {
			for i, v := range side.NS {
				rows = append(rows, bench.Measured(fmt.Sprintf("Resolve/deployments=%d/side=%s", size.Deployments, side.Side), side.N[i], bench.In(v, "ns/op")))
			}
		}
	}
	return rows
}

func (r *ResolveReport) String() string {
	var b strings.Builder
	b.WriteString("Finding a deployment, by the deployments of its project (median of the rounds, least to most)\n")
	var s bench.Sheet
	s.Add("deployments", "each", "once", "hashed", "hashed, from the store", "each / hashed", "once / hashed")
	for i := range r.Sizes {
		size := &r.Sizes[i]
		row := []string{plot.Whole(int64(size.Deployments))}
		for _, side := range []string{sideEach, sideOnce, sideHashed, sideStore} {
			row = append(row, size.spread(side))
		}
		h := size.median(sideHashed)
		s.Add(append(row, bench.Times(size.median(sideEach)/h), bench.Times(size.median(sideOnce)/h))...)
	}
	b.WriteString(s.String())
	if n := len(r.Sizes); n > 1 {
		fmt.Fprintf(&b, "  hashed at %s deployments against %s: %s\n", plot.Whole(int64(r.Sizes[n-1].Deployments)), plot.Whole(int64(r.Sizes[0].Deployments)),
			bench.Times(r.Sizes[n-1].median(sideHashed)/r.Sizes[0].median(sideHashed)))
	}
	return b.String()
}

func (s *ResolveSize) spread(side string) string {
	for _, x := range s.Sides {
		if x.Side == side && len(x.NS) > 0 {
			sorted := sortedCopy(x.NS)
			return fmt.Sprintf("%s (%s–%s)", bench.NS(x.NS.Median()), bench.NS(sorted[0]), bench.NS(sorted[len(sorted)-1]))
		}
	}
	return "–"
}

func (r *ResolveReport) Figures() []plot.Figure {
	l := plot.Lines{X: plot.Axis{Label: "Deployments in the project", Log: true}, Y: plot.Axis{Label: "Time to find one, median", Unit: plot.Seconds, Log: true}}
	for i, side := range []struct{ key, name string }{{sideEach, "tables, parsed each time"}, {sideOnce, "tables, parsed once"}, {sideHashed, "hashed"}, {sideStore, "hashed, from the store"}} {
		s := plot.Series{Name: side.name, Dots: true, Colour: []int{1, 1, 0, 0}[i], Dashed: i%2 == 1}
		for k := range r.Sizes {
			s.Points = append(s.Points, plot.Point{X: float64(r.Sizes[k].Deployments), Y: r.Sizes[k].median(side.key) / 1e9})
		}
		l.Series = append(l.Series, s)
	}
	return []plot.Figure{{ID: "resolve", Title: "Finding a deployment", Note: "Everything is in memory on both sides. Lower is better.", Chart: l}}
}

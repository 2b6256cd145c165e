package migration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"berth/bench"
	"berth/migrate/report/plot"
	"berth/migrate/shadow"
	"berth/router"
	"berth/router/hashed"
	"berth/router/legacy"
	"berth/router/rollout"
	"berth/store"
)

// ShadowConfig measures what shadow reads of every request cost those who are answered: hashed answers, and the tables, compiled, are
// asked a second time. One goroutine asks as fast as it is answered, without and with shadow reads by turns; then it is done once
// more with tables that take their time, and what counts is how long the slowest answers took.
type ShadowConfig struct {
	Projects int           // default 200, of 50 deployments
	Rounds   int           // A B A B …, default 5
	Slice    time.Duration // of one measurement; default 300 ms
	Slow     time.Duration // how long the slow tables take; default 5 ms
	Seed     uint64
}

// ShadowReport has nanoseconds a request: the asker's own processor time, and that of the process.
type ShadowReport struct {
	Without, With       bench.Sample
	AllWithout, AllWith bench.Sample
	Second              float64 // processor time of one question to the tables
	Sampled, Dropped    uint64
	Diffs               uint64
	Slow                time.Duration
	Tail                [2]bench.Sample // p99.9 of the answers, without and with shadow reads of slow tables
	Curve               [2][]plot.Point // quantiles of those
}

// nowhere keeps no diffs. There are none.
type nowhere struct{}

func (nowhere) Put(context.Context, []shadow.Diff) error { return nil }

// slowed is a resolver that takes its time.
type slowed struct {
	router.Resolver
	by time.Duration
}

func (s slowed) Resolve(ctx context.Context, q *router.Query) (router.Decision, error) {
	wait := time.NewTimer(s.by)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return router.Decision{}, ctx.Err()
	}
	return s.Resolver.Resolve(ctx, q)
}

// Shadow runs the workload.
func Shadow(ctx context.Context, c ShadowConfig) (*ShadowReport, error) {
	if c.Projects == 0 {
		c.Projects = 200
	}
	if c.Rounds == 0 {
		c.Rounds = 5
	}
	if c.Slice == 0 {
		c.Slice = 300 * time.Millisecond
	}
	if c.Slow == 0 {
		c.Slow = 5 * time.Millisecond
	}
	sizes := make([]int, c.Projects)
	for i := range sizes {
		sizes[i] = 50
	}
	corpus, rep := newCorpus(c.Seed, sizes), &ShadowReport{Slow: c.Slow}
	err := withStore(store.Options{}, func(s *store.Store, _ string) error {
		if err := corpus.fill(ctx, s, parts{records: true, tables: true, routes: true}); err != nil {
			return err
		}
		return rep.measure(ctx, c, corpus, s)
	})
	if err != nil {
		return nil, fmt.Errorf("measure shadow reads: %w", err)
	}
	return rep, nil
}

func (r *ShadowReport) measure(ctx context.Context, c ShadowConfig, corpus *corpus, s *store.Store) error {
	fast, err := hashed.New(s, corpus.hasher(), hashed.Options{})
	if err != nil {
		return err
	}
	defer fast.Close()
	old, err := legacy.New(legacy.Deps{Store: s}, legacy.Options{Domain: domain, Parse: legacy.Once, CacheBytes: 8 << 30})
	if err != nil {
		return err
	}
	defer old.Close()
	var queries []router.Query
	for p := range corpus.sizes {
		for _, i := range stratified(5, corpus.sizes[p]) {
			queries = append(queries, router.Query{Host: corpus.host(p, i), Path: "/"})
		}
	}
	if r.Second, err = second(ctx, old, queries); err != nil {
		return err
	}
	rig := shadowRig{corpus: corpus, hashed: fast, queries: queries, config: c}
	if err := rig.throughput(ctx, old, r); err != nil {
		return err
	}
	return rig.latency(ctx, slowed{old, c.Slow}, r)
}

// second is what one more question costs: the tables, warm.
func second(ctx context.Context, old *legacy.Resolver, queries []router.Query) (float64, error) {
	side := contender{resolver: old}
	for range 2 {
		if err := side.measure(ctx, queries, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return side.NS[1], nil
}

// shadowRig is the served side.
type shadowRig struct {
	corpus  *corpus
	hashed  router.Resolver
	queries []router.Query
	config  ShadowConfig
}

// start returns the resolver that the edge would ask, in the phase in which hashed answers, with its workers.
func (g *shadowRig) start(ctx context.Context, old router.Resolver) (s *shadow.Shadow, stop func(), err error) {
	live, err := rollout.New(rollout.Deps{Hashed: g.hashed, Legacy: old, Hasher: g.corpus.hasher()},
		rollout.Options{Domain: domain, Config: rollout.Config{Mode: rollout.ModeCutover}})
	if err != nil {
		return nil, nil, err
	}
	if s, err = shadow.New(shadow.Deps{Live: live, Hashed: g.hashed, Legacy: old, Diffs: nowhere{}}, shadow.Options{}); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	return s, func() { cancel(); wg.Wait() }, nil
}

func (g *shadowRig) throughput(ctx context.Context, old router.Resolver, r *ShadowReport) error {
	s, stop, err := g.start(ctx, old)
	if err != nil {
		return err
	}
	defer stop()
	for round := range g.config.Rounds + 1 { // the first warms up
		for _, side := range []struct {
			percent  float64
			own, all *bench.Sample
		}{{0, &r.Without, &r.AllWithout}, {100, &r.With, &r.AllWith}} {
			if err := s.SetPercent(side.percent); err != nil {
				return err
			}
			used, err := bench.ProcessTime()
			if err != nil {
				return err
			}
			c := contender{resolver: s}
			if err := c.measure(ctx, g.queries, g.config.Slice); err != nil {
				return err
			}
			after, err := bench.ProcessTime()
			if err != nil {
				return err
			}
			if round > 0 {
				*side.own = append(*side.own, c.NS[0])
				*side.all = append(*side.all, float64((after-used).Nanoseconds())/float64(c.N[0]))
			}
		}
	}
	st := s.Stats()
	r.Sampled, r.Dropped, r.Diffs = st.Sampled, st.Dropped, st.Diffs()
	if r.Diffs > 0 || st.Compared() == 0 {
		return fmt.Errorf("%d of %d questions were answered differently", r.Diffs, st.Compared())
	}
	return nil
}

var errShadowed = errors.New("no question was sampled")

func (g *shadowRig) latency(ctx context.Context, old router.Resolver, r *ShadowReport) error {
	s, stop, err := g.start(ctx, old)
	if err != nil {
		return err
	}
	defer stop()
	var all [2]rollout.Histogram
	for range g.config.Rounds {
		for i, percent := range []float64{0, 100} {
			if err := s.SetPercent(percent); err != nil {
				return err
			}
			before := all[i].Latencies()
			if err := g.observe(ctx, s, &all[i]); err != nil {
				return err
			}
			r.Tail[i] = append(r.Tail[i], float64(all[i].Latencies().Since(before).Quantile(0.999).Nanoseconds()))
		}
	}
	if s.Stats().Sampled == 0 {
		return errShadowed
	}
	for i := range all {
		l := all[i].Latencies()
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999} {
			r.Curve[i] = append(r.Curve[i], plot.Point{X: q, Y: l.Quantile(q).Seconds()})
		}
	}
	return nil
}

// observe asks for a while and notes how long each answer took.
func (g *shadowRig) observe(ctx context.Context, s *shadow.Shadow, into *rollout.Histogram) error {
	end := time.Now().Add(g.config.Slice)
	for i := 0; ; i++ {
		began := time.Now()
		if began.After(end) {
			return ctx.Err()
		}
		if _, err := s.Resolve(ctx, &g.queries[i%len(g.queries)]); err != nil {
			return err
		}
		into.Observe(time.Since(began))
	}
}

func (r *ShadowReport) Rows() (rows []bench.Row) {
	for i, own := range []bench.Sample{r.Without, r.With} {
		name, all := []string{"0", "100"}[i], []bench.Sample{r.AllWithout, r.AllWith}[i]
		for k := range own {
			rows = append(rows, bench.Measured("Shadow/percent="+name, 1, bench.In(own[k], "ns/op"), bench.In(all[k], "cpu-ns/op")))
		}
		for _, v := range r.Tail[i] {
			rows = append(rows, bench.Measured("ShadowSlowTables/percent="+name, 1, bench.In(v, "p99.9-ns")))
		}
	}
	return rows
}

func signed(v float64) string {
	if v > 0 {
		return "+" + bench.NS(v)
	}
	return bench.NS(v)
}

func (r *ShadowReport) String() string {
	var b strings.Builder
	b.WriteString("Shadow reads of every request, hashed answers (median of the rounds)\n")
	var s bench.Sheet
	s.Add("", "without", "with", "")
	added := r.With.Median() - r.Without.Median()
	s.Add("the asker's own time a request", bench.NS(r.Without.Median()), bench.NS(r.With.Median()), signed(added))
	s.Add("processor time a request, all cores", bench.NS(r.AllWithout.Median()), bench.NS(r.AllWith.Median()), bench.Times(r.AllWith.Median()/r.AllWithout.Median()))
	s.Add("p99.9 of the answers, tables that take "+r.Slow.String(), bench.NS(r.Tail[0].Median()), bench.NS(r.Tail[1].Median()), bench.Times(r.Tail[1].Median()/r.Tail[0].Median()))
	b.WriteString(s.String())
	share := 0.0
	if r.Sampled > 0 {
		share = 100 * float64(r.Dropped) / float64(r.Sampled)
	}
	fmt.Fprintf(&b, "  A second question to the tables takes %s. The asker never waits: %.1f %% of the samples found the queue full; no answer differed.\n", bench.NS(r.Second), share)
	return b.String()
}

func (r *ShadowReport) Figures() []plot.Figure {
	own := plot.Bars{Label: "The asker's own time a request", Unit: plot.Seconds, Bars: []plot.Bar{
		{Name: "without shadow reads", Parts: []float64{r.Without.Median() / 1e9}}, {Name: "every request shadowed", Parts: []float64{r.With.Median() / 1e9}},
		{Name: "the tables, asked directly", Parts: []float64{r.Second / 1e9}, Colour: 1}}}
	tail := plot.Lines{X: plot.Axis{Label: "Share of the answers", Unit: plot.Quantile}, Y: plot.Axis{Label: "Time to answer, at most", Unit: plot.Seconds, Log: true},
		Series: []plot.Series{{Name: "without shadow reads", Points: r.Curve[0], Dots: true}, {Name: "every request shadowed", Points: r.Curve[1], Dots: true, Dashed: true, Colour: 2}}}
	return []plot.Figure{{ID: "shadow", Title: "Shadow reads of every request", Chart: own, Note: "What the one who is answered pays; the second question is asked by others."},
		{ID: "shadowtail", Title: "Nobody waits for slow tables", Chart: tail, Note: fmt.Sprintf("The side that is asked a second time takes %v for each question.", r.Slow)}}
}

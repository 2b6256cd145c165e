package migration

import (
	"context"
	"errors"
	"fmt"
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
	Asked, HTTP         Tail // of slow tables: the router's answers, and those of an edge over one connection
}

// Tail is how long answers took, without and with shadow reads.
type Tail struct {
	N     [2]uint64       // answers
	P999  [2]bench.Sample // p99.9 of each round
	Curve [2][]plot.Point // quantiles of all
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

// latency asks the router, and then an edge in front of it, while the tables take their time.
func (g *shadowRig) latency(ctx context.Context, old router.Resolver, r *ShadowReport) (err error) {
	s, stop, err := g.start(ctx, old)
	if err != nil {
		return err
	}
	defer stop()
	err = g.tail(ctx, s, &r.Asked, func(ctx context.Context, q *router.Query) error {
		_, err := s.Resolve(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	edge, err := serve(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, edge.close()) }()
	return g.tail(ctx, s, &r.HTTP, edge.ask)
}

// tail asks without and with shadow reads, by turns.
func (g *shadowRig) tail(ctx context.Context, s *shadow.Shadow, into *Tail, ask func(context.Context, *router.Query) error) error {
	var all [2]rollout.Histogram
	sampled := s.Stats().Sampled
	for range g.config.Rounds {
		for i, percent := range []float64{0, 100} {
			if err := s.SetPercent(percent); err != nil {
				return err
			}
			before := all[i].Latencies()
			if err := g.observe(ctx, ask, &all[i]); err != nil {
				return err
			}
			into.P999[i] = append(into.P999[i], float64(all[i].Latencies().Since(before).Quantile(0.999).Nanoseconds()))
		}
	}
	if s.Stats().Sampled == sampled {
		return errShadowed
	}
	for i := range all {
		l := all[i].Latencies()
		into.N[i] = l.Count
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999} {
			into.Curve[i] = append(into.Curve[i], plot.Point{X: q, Y: l.Quantile(q).Seconds()})
		}
	}
	return nil
}

// observe asks for a while and notes how long each answer took.
func (g *shadowRig) observe(ctx context.Context, ask func(context.Context, *router.Query) error, into *rollout.Histogram) error {
	end := time.Now().Add(g.config.Slice)
	for i := 0; ; i++ {
		began := time.Now()
		if began.After(end) {
			return ctx.Err()
		}
		if err := ask(ctx, &g.queries[i%len(g.queries)]); err != nil {
			return err
		}
		into.Observe(time.Since(began))
	}
}

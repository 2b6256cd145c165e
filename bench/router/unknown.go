package router

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"

	"berth/bench"
	"berth/bench/corpus"
	"berth/migrate/report/plot"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/store"
)

// UnknownConfig measures what hosts that do not exist cost, and what they cost those that do: with the filter of host keys in memory,
// and, on the other side, with that switched off, so that Pebble's tables settle them.
type UnknownConfig struct {
	Deployments int    // default 1,000,000
	Dir         string // where corpora are kept
	Rounds      int    // default 25
	Seed        uint64

	asked int // known hosts of the comparison of hit rates: 150,000 where no test says less
}

const (
	unknownEach = 10  // for each known host
	floodBatch  = 200 // known hosts of one measurement
	floodRounds = 60
	floodWarm   = 3      // of them warm up
	neighbours  = 20_000 // known hosts that are asked for beside the hot set
)

// UnknownReport is the result, of the two sides.
type UnknownReport struct {
	Deployments int
	Asked       int // known hosts, for a hit rate
	Sides       []*UnknownSide
}

// UnknownSide is one side's. Samples have a figure a measurement, in nanoseconds.
type UnknownSide struct {
	Side       string
	Unknown    bench.Sample // on the processor, for a host that nobody has
	Blocks     float64      // read of the database for each such host, from its cache or the disk, of any kind
	DataBlocks float64      // of those with records, at most
	FilterSize int64        // in memory
	// Known is what a host of the hot set costs on the processor of who asks for it, while another one reads unknownEach Host headers for
	// each: and does nothing with them; computes their keys, with a hasher of its own; asks for those hosts, which nobody has; and, the
	// same, for hosts that exist.
	Known   [4]bench.Sample
	HitRate [2]float64 // of known hosts, alone and with unknownEach others each
}

// slowdown is what a flood of unknown hosts costs a known one: against a neighbour who is as busy, with nothing that both share but the
// machine. What any busy neighbour costs, by the clock of the processor or its caches, is not the router's doing.
//
// Each round is compared with itself, the two being measured one after the other: this machine is faster in one minute than in the next.
func (s *UnknownSide) slowdown() (rounds bench.Sample) {
	each := floodRounds - floodWarm
	for at := 0; at+each <= min(len(s.Known[1]), len(s.Known[2])); at += each {
		rounds = append(rounds, s.Known[2][at:at+each].Median()/s.Known[1][at:at+each].Median()-1)
	}
	return rounds
}

// Unknown runs the workload.
func Unknown(ctx context.Context, c UnknownConfig) (_ *UnknownReport, err error) {
	if c.Deployments == 0 {
		c.Deployments = 1_000_000
	}
	if c.Rounds == 0 {
		c.Rounds = 25
	}
	if c.asked == 0 {
		c.asked = 150_000
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
	rep := &UnknownReport{Deployments: c.Deployments, Asked: c.asked}
	for side, filter := range map[string]int64{"memory": 0, "tables": -1} {
		r := &unknownRun{UnknownSide: &UnknownSide{Side: side}, UnknownConfig: c, rng: rand.New(rand.NewPCG(c.Seed, 31))}
		if err := r.run(ctx, made, store.Options{KeyFilterBytes: filter}); err != nil {
			return nil, fmt.Errorf("unknown hosts, filter in %s: %w", side, err)
		}
		rep.Sides = append(rep.Sides, r.UnknownSide)
	}
	if rep.Sides[0].Side != "memory" {
		rep.Sides[0], rep.Sides[1] = rep.Sides[1], rep.Sides[0]
	}
	return rep, nil
}

// unknownRun is one side under measurement.
type unknownRun struct {
	*UnknownSide
	UnknownConfig
	*world
	rng   *rand.Rand
	fresh int // unknown hosts that were asked for
}

func (r *unknownRun) run(ctx context.Context, made *corpus.Corpus, so store.Options) (err error) {
	if r.world, err = openWorld(made, so, hashed.Options{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.world.close()) }()
	if so.KeyFilterBytes == 0 {
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	if err := readPages(made.Dir); err != nil {
		return err
	}
	if err := r.alone(ctx); err != nil {
		return err
	}
	if err := r.together(ctx); err != nil {
		return err
	}
	return r.hitRates(ctx)
}

// next is a host that nobody has and nobody asked for.
func (r *unknownRun) next() string {
	r.fresh++
	return authority(r.Corpus.Unknown(r.fresh))
}

// alone asks for unknown hosts only.
func (r *unknownRun) alone(ctx context.Context) error {
	a := asker{resolver: r.resolver}
	hosts := make([]string, sliceHits)
	ask := func() error {
		for _, h := range hosts {
			if err := a.unknown(ctx, h); err != nil {
				return err
			}
		}
		return nil
	}
	var before store.Metrics
	for round := range r.Rounds + 1 {
		for i := range hosts {
			hosts[i] = r.next()
		}
		ns, err := timed(1, len(hosts), ask)
		if err != nil {
			return err
		}
		if round > 0 { // the first warms up
			r.UnknownSide.Unknown = append(r.UnknownSide.Unknown, ns...)
			continue
		}
		if before, err = r.data.Store.Metrics(); err != nil {
			return err
		}
	}
	after, err := r.data.Store.Metrics()
	asked := float64(r.Rounds * len(hosts))
	r.Blocks = float64(after.CacheHits+after.CacheMisses-before.CacheHits-before.CacheMisses) / asked
	// Whoever passed a table's filter reads one block of records there. Without a look at a table there was none.
	r.DataBlocks = min(r.Blocks, float64(after.TableFilterMisses-before.TableFilterMisses)/asked)
	if after.KeyFilterBytes > 0 {
		r.DataBlocks = r.Blocks // whom that filter let pass asks no other
	}
	r.FilterSize = after.KeyFilterBytes
	return err
}

// together measures hosts of the hot set while somebody else asks for others, or only reads their names.
func (r *unknownRun) together(ctx context.Context) error {
	a := asker{resolver: r.resolver}
	var hot, known []string
	for range hotHosts {
		hot = append(hot, authority(r.Host(r.rng.IntN(r.world.Deployments))))
	}
	for range neighbours {
		known = append(known, authority(r.Host(r.rng.IntN(r.world.Deployments))))
	}
	for range r.Rounds {
		unknown := make([]string, neighbours)
		for i := range unknown {
			unknown[i] = r.next()
		}
		b, own := asker{resolver: r.resolver}, hostkey.NewHasher(hostkey.Secret{1})
		read := func(h string) { _, _ = hostkey.Canonical(h) }
		hash := func(h string) {
			if host, err := hostkey.Canonical(h); err == nil {
				_ = own.Key(host)
			}
		}
		ask := func(h string) { _ = b.ask(ctx, h) } // that it answers right was seen before
		for side, other := range []func(i int){
			func(i int) { read(unknown[i%len(unknown)]) }, func(i int) { hash(unknown[i%len(unknown)]) },
			func(i int) { ask(unknown[i%len(unknown)]) }, func(i int) { ask(known[i%len(known)]) },
		} {
			ns, err := r.flooded(ctx, &a, hot, other)
			if err != nil {
				return err
			}
			r.Known[side] = append(r.Known[side], ns...)
		}
	}
	return nil
}

// flooded measures batches of the hot set. Before each it waits until the others are as many times ahead as they are to be.
func (r *unknownRun) flooded(ctx context.Context, a *asker, hot []string, other func(int)) (ns bench.Sample, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var flood sync.WaitGroup
	defer flood.Wait()
	defer cancel()
	var asked atomic.Int64
	flood.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			other(i)
			asked.Add(1)
		}
	})
	batch := func() error {
		for i := range floodBatch {
			if err := a.known(ctx, hot[i%len(hot)]); err != nil {
				return err
			}
		}
		return nil
	}
	for round := range floodRounds {
		for asked.Load() < int64(round*floodBatch*unknownEach) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		one, err := timed(1, floodBatch, batch)
		if err != nil {
			return nil, err
		}
		if round >= floodWarm {
			ns = append(ns, one...)
		}
	}
	return ns, nil
}

// hitRates asks two new routers for the same hosts, a few of them much more often than others, and one of them for unknown hosts, too.
func (r *unknownRun) hitRates(ctx context.Context) error {
	for side := range r.HitRate {
		resolver, err := hashed.New(r.data.Store, r.hasher, hashed.Options{})
		if err != nil {
			return err
		}
		a, rng := asker{resolver: resolver}, rand.New(rand.NewPCG(r.Seed, 32))
		zipf := rand.NewZipf(rng, 1.05, 1, uint64(r.world.Deployments-1))
		filled := uint64(0) // by known hosts
		for i := range r.asked {
			before := resolver.Stats().Fills
			if err := a.known(ctx, authority(r.Host(int(zipf.Uint64())))); err != nil {
				return err
			}
			filled += resolver.Stats().Fills - before
			for range side * unknownEach {
				if err := a.unknown(ctx, r.next()); err != nil {
					return err
				}
			}
			if i%1000 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
		}
		r.HitRate[side] = 1 - float64(filled)/float64(r.asked)
		resolver.Close()
	}
	return nil
}

// Rows are the measurements.
func (r *UnknownReport) Rows() (rows []bench.Row) {
	for _, s := range r.Sides {
		name := fmt.Sprintf("Unknown/deployments=%d/filter=%s", r.Deployments, s.Side)
		for _, v := range s.Unknown {
			rows = append(rows, bench.Measured(name+"/host=unknown", sliceHits, bench.In(v, "ns/op"), bench.In(s.Blocks, "blocks/op"), bench.In(s.DataBlocks, "datablocks/op")))
		}
		for side, with := range []string{"none", "hashes", "unknown", "known"} {
			rows = append(rows, bench.Measured(name+"/host=known/others="+with, floodBatch*len(s.Known[side]), bench.In(s.Known[side].Median(), "ns/op")))
		}
		for side, with := range []string{"none", "unknown"} {
			rows = append(rows, bench.Measured(name+"/hitrate/others="+with, r.Asked, bench.In(s.HitRate[side], "hits/op")))
		}
	}
	return rows
}

func (r *UnknownReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Hosts that nobody has, %s deployments (medians)\n", plot.Whole(int64(r.Deployments)))
	var s bench.Sheet
	s.Add("filter in", "unknown host", "blocks read", "with records", "known host", "busy neighbour", fmt.Sprintf("flooded with %d unknown", unknownEach), "with known", "hit rate", "with the unknown", "memory")
	for _, x := range r.Sides {
		s.Add(map[string]string{"memory": "memory", "tables": "Pebble's tables only"}[x.Side], bench.NS(x.Unknown.Median()), fmt.Sprintf("%.4f", x.Blocks), fmt.Sprintf("%.4f", x.DataBlocks),
			bench.NS(x.Known[0].Median()), bench.NS(x.Known[1].Median()), bench.NS(x.Known[2].Median()), bench.NS(x.Known[3].Median()), percent(x.HitRate[0]), percent(x.HitRate[1]), plot.Bytes.Format(float64(x.FilterSize)))
	}
	b.WriteString(s.String())
	return b.String()
}

// Goals are those of the filter in memory.
func (r *UnknownReport) Goals() []bench.Goal {
	if len(r.Sides) == 0 {
		return nil
	}
	x := r.Sides[0]
	return []bench.Goal{
		bench.Reaching("unknown hosts for which a block is read", bench.AsShare, 0.01, 0, bench.Sample{x.Blocks}),
		bench.Reaching("look-up of an unknown host", bench.AsTime, 1000, 300, x.Unknown),
		bench.Reaching(fmt.Sprintf("what known hosts lose in speed beside %d unknown each", unknownEach), bench.AsShare, 0.05, 0, x.slowdown()),
		bench.Reaching(fmt.Sprintf("what known hosts lose in hit rate beside %d unknown each", unknownEach), bench.AsShare, 0.05, 0, bench.Sample{max(x.HitRate[0]-x.HitRate[1], 0)}),
	}
}

// Figures compare the sides.
func (r *UnknownReport) Figures() []plot.Figure {
	bars := plot.Bars{Label: "Time for a host that nobody has", Unit: plot.Seconds}
	for i, s := range r.Sides {
		bars.Bars = append(bars.Bars, plot.Bar{Name: "filter in " + s.Side, Parts: []float64{s.Unknown.Median() / 1e9}, Note: fmt.Sprintf("%.4f blocks read", s.Blocks), Colour: i})
	}
	return []plot.Figure{{ID: "unknown", Title: "Hosts that nobody has", Note: "From the text of a Host header to the answer that there is none.", Chart: bars}}
}

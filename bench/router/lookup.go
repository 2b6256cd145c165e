package router

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"berth/bench"
	"berth/bench/corpus"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/store"
)

// LookupConfig measures finding a host by the number of hosts deployed. All sizes are open at once and measured by turns.
//
//   - hit: a hot set of 1,000 hosts, answered from the cache; unknown: hosts that do not exist, each asked for once. Both from the text
//     of a Host header on.
//   - warm: reads of the store among all hosts, the kernel having all pages; cached: the same among 1,000 hosts, which the store's own
//     cache of blocks has, too.
//   - dropped: the kernel having none of the pages, and the store's cache being too small for records: it has what leads to them.
type LookupConfig struct {
	Deployments []int  // default 1,000, 1,000,000 and 14,000,000
	Dir         string // where corpora are kept for the next time; "": nowhere
	Rounds      int    // default 9
	Seed        uint64
	StoreCache  int64 // of blocks, bytes, in all states but dropped; 0: what store.Options have by default

	leastDropped int // deployments from which on pages are dropped: of fewer the smallest cache of the store has all
}

const (
	hotHosts   = 1000
	sliceHits  = 20_000 // questions of one measurement
	sliceReads = 2_000
	dropReads  = 400
	fillReads  = 100_000 // after which the store's cache, as it is by default, has all that it has room for
	leadReads  = 3_000   // after which the store's cache has what leads to records
	smallCache = 8 << 20 // of the store, to hold little more
	usualCache = 64 << 20
)

// LookupReport is the result.
type LookupReport struct {
	Sizes []*LookupSize
}

// LookupSize is that of one size. Nanoseconds, unless said otherwise: of the processor in Hit, Unknown, Warm and Cached, a figure a
// measurement; of the wall in the others, a figure a read.
type LookupSize struct {
	Deployments, Hosts int
	RouteBytes         float64 // on disk, for each host

	Hit, Unknown, Warm, Cached bench.Sample
	WarmReads, BareWarm        []float64 // Bare: one block read from the file, without a database
	Dropped, BareDropped       []float64
	DroppedBlocks              float64 // read for each look-up
}

// Lookup runs the workload.
func Lookup(ctx context.Context, c LookupConfig) (_ *LookupReport, err error) {
	if len(c.Deployments) == 0 {
		c.Deployments = []int{1_000, 1_000_000, 14_000_000}
	}
	if c.Rounds == 0 {
		c.Rounds = 9
	}
	if c.leastDropped == 0 {
		c.leastDropped = 1_000_000
	}
	dir, done, err := workDir(c.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	rep := &LookupReport{}
	var runs []*lookupRun
	for _, n := range c.Deployments {
		made, err := corpus.OpenOrBuild(ctx, corpusDir(dir, n), corpus.Config{Deployments: n, Seed: c.Seed})
		if err != nil {
			return nil, err
		}
		runs = append(runs, &lookupRun{LookupSize: &LookupSize{Deployments: n, Hosts: made.Hosts()}, corpus: made, seed: c.Seed})
	}
	if err := c.inMemory(ctx, runs); err != nil {
		return nil, fmt.Errorf("look up in memory: %w", err)
	}
	for _, r := range runs {
		if r.Deployments < c.leastDropped {
			continue
		}
		for range c.Rounds {
			if err := r.dropped(ctx); err != nil {
				return nil, fmt.Errorf("look up without the page cache: %w", err)
			}
		}
	}
	for _, r := range runs {
		rep.Sizes = append(rep.Sizes, r.LookupSize)
	}
	return rep, nil
}

// lookupRun is one size under measurement.
type lookupRun struct {
	*LookupSize
	*world
	corpus *corpus.Corpus
	seed   uint64
	rng    *rand.Rand
	hot    []string
	fresh  int // unknown hosts that were asked for
}

func (r *lookupRun) open(so store.Options) (err error) {
	r.rng = rand.New(rand.NewPCG(r.seed, uint64(r.LookupSize.Deployments)))
	r.world, err = openWorld(r.corpus, so, hashed.Options{})
	return err
}

// inMemory measures all sizes by turns.
func (c LookupConfig) inMemory(ctx context.Context, runs []*lookupRun) (err error) {
	for _, r := range runs {
		if err := r.open(store.Options{CacheBytes: c.StoreCache}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.world.close()) }()
		if err := r.prepare(ctx, int(fillReads*max(1, c.StoreCache/usualCache))); err != nil {
			return err
		}
	}
	for range c.Rounds {
		for _, measure := range []func(*lookupRun, context.Context) error{(*lookupRun).hits, (*lookupRun).unknowns, (*lookupRun).cached, (*lookupRun).warm} {
			for _, r := range runs {
				if err := errors.Join(measure(r, ctx), ctx.Err()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *lookupRun) prepare(ctx context.Context, reads int) error {
	if err := errors.Join(r.settle(ctx), readPages(r.corpus.Dir)); err != nil {
		return err
	}
	du, err := r.data.Store.DiskUsage()
	if err != nil {
		return err
	}
	r.RouteBytes = float64(du.Routes) / float64(r.LookupSize.Hosts)
	// The store's cache takes memory from the system until it is full.
	for range reads {
		if _, err := r.data.Store.LookupRoute(r.keys(1)[0]); err != nil {
			return err
		}
	}
	for range hotHosts {
		r.hot = append(r.hot, authority(r.corpus.Host(r.rng.IntN(r.LookupSize.Deployments))))
	}
	return nil
}

func (r *lookupRun) hits(ctx context.Context) error {
	a := asker{resolver: r.resolver}
	ask := func(n int) func() error {
		return func() error {
			for i := range n {
				if err := a.known(ctx, r.hot[i%len(r.hot)]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if err := ask(sliceHits)(); err != nil { // warm up
		return err
	}
	ns, err := timed(5, sliceHits, ask(sliceHits))
	r.Hit = append(r.Hit, ns...)
	return err
}

func (r *lookupRun) unknowns(ctx context.Context) error {
	a := asker{resolver: r.resolver}
	hosts := make([]string, sliceHits)
	for i := range hosts {
		hosts[i] = authority(r.corpus.Unknown(r.fresh + i))
	}
	r.fresh += len(hosts)
	ns, err := timed(1, len(hosts), func() error {
		for _, h := range hosts {
			if err := a.unknown(ctx, h); err != nil {
				return err
			}
		}
		return nil
	})
	r.Unknown = append(r.Unknown, ns...)
	return err
}

// keys are n host keys of the corpus.
func (r *lookupRun) keys(n int) []hostkey.Key {
	ks := make([]hostkey.Key, n)
	for i := range ks {
		ks[i] = r.hasher.Key(r.corpus.Host(r.rng.IntN(r.LookupSize.Deployments)))
	}
	return ks
}

func (r *lookupRun) cached(context.Context) error {
	return r.reads(r.keys(hotHosts), 5, &r.Cached)
}

func (r *lookupRun) warm(context.Context) error {
	if err := r.reads(r.keys(sliceReads), 1, &r.Warm); err != nil {
		return err
	}
	took, err := r.single(r.keys(sliceReads))
	if err != nil {
		return err
	}
	r.WarmReads = append(r.WarmReads, took...)
	bare, err := bareReads(r.corpus.Dir, sliceReads, r.rng)
	r.BareWarm = append(r.BareWarm, bare...)
	return err
}

// reads measures reading keys so often; but if that is more than once, they are read before.
func (r *lookupRun) reads(keys []hostkey.Key, times int, into *bench.Sample) error {
	read := func() error {
		for _, k := range keys {
			if _, err := r.data.Store.LookupRoute(k); err != nil {
				return err
			}
		}
		return nil
	}
	if times > 1 {
		if err := read(); err != nil {
			return err
		}
	}
	ns, err := timed(times, len(keys), read)
	*into = append(*into, ns...)
	return err
}

// single measures each read.
func (r *lookupRun) single(keys []hostkey.Key) (took []float64, err error) {
	for _, k := range keys {
		began := time.Now()
		if _, err := r.data.Store.LookupRoute(k); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(began).Nanoseconds()))
	}
	return took, nil
}

// dropped is one round with a store of its own.
func (r *lookupRun) dropped(ctx context.Context) (err error) {
	r.seed++
	if err := r.open(store.Options{CacheBytes: smallCache}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.world.close()) }()
	if err := r.settle(ctx); err != nil {
		return err
	}
	if _, err := r.single(r.keys(leadReads)); err != nil {
		return err
	}
	before, err := r.data.Store.Metrics()
	if err != nil {
		return err
	}
	if err := dropPages(r.corpus.Dir); err != nil {
		return err
	}
	took, err := r.single(r.keys(dropReads))
	if err != nil {
		return err
	}
	after, err := r.data.Store.Metrics()
	if err != nil {
		return err
	}
	rounds := float64(len(r.Dropped) / dropReads)
	blocks := float64(after.CacheMisses-before.CacheMisses) / dropReads
	r.DroppedBlocks = (r.DroppedBlocks*rounds + blocks) / (rounds + 1)
	r.Dropped = append(r.Dropped, took...)
	if err := dropPages(r.corpus.Dir); err != nil {
		return err
	}
	bare, err := bareReads(r.corpus.Dir, dropReads, r.rng)
	r.BareDropped = append(r.BareDropped, bare...)
	return errors.Join(err, ctx.Err())
}

package legacy

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync/atomic"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
	"berth/store/cache"
)

// ErrClosed is what a closed Resolver answers: it no longer hears of commits, so anything else could be stale.
var ErrClosed = errors.New("legacy: resolver is closed")

// Resolver is a router.Resolver over the tables of the old design. It is safe for concurrent use.
//
// A search is not cached, as it never was: each request tests the patterns again, and in a Resolver that parses each time it parses
// them again too. Only that nothing matches is remembered, for a bounded number of questions.
type Resolver struct {
	store  *store.Store
	opts   Options
	log    *slog.Logger
	tables *cache.Cache[store.ProjectNo, *table]
	// These need no invalidation: what was true at a revision, or in a table as it was loaded once, stays so under that name.
	sites   *cache.Cache[siteKey, *site]
	targets *cache.Cache[targetKey, target]
	missed  *cache.Cache[missKey, struct{}]

	slots    *slots
	loads    atomic.Uint64 // the last table's gen
	revision atomic.Uint64 // of the last commit that the hook was told of
	counts   counts
	cancel   func()
	closed   atomic.Bool
}

type siteKey struct {
	revision uint64
	name     string
}

type targetKey struct {
	revision   uint64
	scriptHash string
}

// target is the deployment that a script_hash names; zero if there is none.
type target struct {
	no      store.DeploymentNo
	project store.ProjectNo
}

type missKey struct {
	gen     uint64
	subject string
}

// New returns a Resolver that follows the commits of the store until it is closed.
func New(deps Deps, o Options) (*Resolver, error) {
	if err := o.prepare(&deps); err != nil {
		return nil, err
	}
	r := &Resolver{store: deps.Store, opts: o, log: deps.Log, slots: newSlots(o.MaxParses, o.MaxWaiting)}
	if err := r.makeCaches(); err != nil {
		return nil, fmt.Errorf("legacy: make caches: %w", err)
	}
	r.cancel = deps.Store.OnCommit(r.committed)
	return r, nil
}

func (r *Resolver) makeCaches() error {
	var faults [4]error
	seed := maphash.MakeSeed()
	hash := func(n uint64, s string) uint64 { return maphash.String(seed, s) ^ n*0x9e3779b97f4a7c15 }
	r.tables, faults[0] = cache.New(cache.Options[store.ProjectNo, *table]{
		Hash: func(p store.ProjectNo) uint64 { return uint64(p) }, Weight: func(_ store.ProjectNo, t *table) int64 { return t.weight },
		Capacity: r.opts.CacheBytes,
	})
	r.sites, faults[1] = cache.New(cache.Options[siteKey, *site]{
		Hash: func(k siteKey) uint64 { return hash(k.revision, k.name) }, Capacity: int64(r.opts.SiteCache), Inline: true,
		Aside: func(s *site) bool { return len(s.candidates) == 0 }, AsideCapacity: int64(r.opts.UnknownCache),
	})
	r.targets, faults[2] = cache.New(cache.Options[targetKey, target]{
		Hash: func(k targetKey) uint64 { return hash(k.revision, k.scriptHash) }, Capacity: int64(r.opts.SiteCache), Inline: true,
	})
	r.missed, faults[3] = cache.New(cache.Options[missKey, struct{}]{
		Hash: func(k missKey) uint64 { return hash(k.gen, k.subject) }, Capacity: int64(r.opts.UnknownCache), Inline: true,
	})
	return errors.Join(faults[:]...)
}

// committed is the commit hook: the commit can be read now, and its writer does not know of it yet.
func (r *Resolver) committed(c store.Commit) {
	r.revision.Store(uint64(c.Revision))
	for _, p := range c.Tables {
		r.tables.Drop(p)
	}
}

// Resolve answers for q. Any error but router.ErrNoRoute says that it could not find out: the store failed, a table is
// damaged or larger than its bound, or too many others wait.
//
// No answer is older than the last commit that had returned to its writer before the call.
func (r *Resolver) Resolve(ctx context.Context, q *router.Query) (router.Decision, error) {
	t, err := r.trace(ctx, q)
	if err != nil {
		return router.Decision{}, err
	}
	if !t.Found {
		return router.Decision{}, router.ErrNoRoute
	}
	return t.Decision, nil
}

// trace asks the projects that may answer, one after another.
func (r *Resolver) trace(ctx context.Context, q *router.Query) (Trace, error) {
	if r.closed.Load() {
		return Trace{}, ErrClosed
	}
	at := r.revision.Load()
	s, err := r.site(ctx, at, q.Host)
	if err != nil {
		return Trace{}, err
	}
	var last Trace
	for i := range s.candidates {
		t, err := r.ask(ctx, at, &s.candidates[i], q)
		if err != nil || t.Found {
			return t, err
		}
		if t.Line != (Line{}) && last.Line == (Line{}) {
			last = t
		}
	}
	return last, nil
}

func (r *Resolver) site(ctx context.Context, at uint64, h hostkey.Host) (*site, error) {
	name, project := siteName(r.opts.Domain, h)
	if s, ok := r.sites.Get(siteKey{at, name}); ok {
		return s, nil
	}
	name = strings.Clone(name) // the query's bytes die with the request
	return r.sites.Load(ctx, siteKey{at, name}, func(context.Context) (*site, error) {
		return find(&r.store.Reader, h, project)
	})
}

// ask searches one project's table.
func (r *Resolver) ask(ctx context.Context, at uint64, c *candidate, q *router.Query) (Trace, error) {
	t, err := r.table(ctx, c.owner)
	if err != nil {
		return Trace{}, err
	}
	if len(t.chunks) == 0 {
		return Trace{}, t.fault
	}
	host, rest := subject(q)
	m, ok, err := r.search(ctx, c.owner, t, host+rest)
	if err != nil || !ok {
		return Trace{}, err
	}
	h, wild := q.Host, false
	if parent, is := m.wildcard(q.Host, rest); is {
		h, wild = parent, true
	}
	if c.custom && wild && h != c.parent {
		return Trace{}, nil // it is of a wildcard farther up, whose owner is asked in its turn
	}
	return r.answer(ctx, at, c.owner, &m, h, wild)
}

// subject is what patterns are tested against: host[:port]/path, the host as clients send it.
func subject(q *router.Query) (host, rest string) {
	host = string(q.Host)
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	rest = q.Path
	if rest == "" || rest[0] != '/' {
		rest = "/" + rest
	}
	if q.Port != "" {
		rest = ":" + q.Port + rest
	}
	return host, rest
}

func (r *Resolver) table(ctx context.Context, p owner) (*table, error) {
	if t, ok := r.tables.Get(p.no); ok {
		return t, nil
	}
	return r.tables.Load(ctx, p.no, func(ctx context.Context) (*table, error) {
		if err := r.slots.take(ctx); err != nil {
			return nil, err
		}
		defer r.slots.give()
		return r.load(ctx, p)
	})
}

// search returns the first entry that matches. Compiled patterns are tested without a slot: nothing is made for it.
func (r *Resolver) search(ctx context.Context, p owner, t *table, subject string) (match, bool, error) {
	if _, ok := r.missed.Get(missKey{t.gen, subject}); ok {
		return match{}, false, nil
	}
	if r.opts.Parse == Each {
		if err := r.slots.take(ctx); err != nil {
			return match{}, false, err
		}
		defer r.slots.give()
		r.counts.parses.Add(1)
	}
	m, ok, err := r.first(ctx, p, t, subject)
	if err == nil && !ok && len(subject) <= maxMissBytes {
		_, err = r.missed.Load(ctx, missKey{t.gen, strings.Clone(subject)}, func(context.Context) (struct{}, error) { return struct{}{}, nil })
	}
	return m, ok, err
}

// maxMissBytes bounds a question that is remembered to have no answer.
const maxMissBytes = 512

// answer makes a decision of the entry that matched. One that names no deployment of the project answers nobody.
func (r *Resolver) answer(ctx context.Context, at uint64, p owner, m *match, h hostkey.Host, wild bool) (Trace, error) {
	t := Trace{Project: p.no, Line: Line{Piece: m.piece, Index: m.index, Filter: m.Filter}}
	d, err := r.target(ctx, at, m.ScriptHash)
	if err != nil {
		return Trace{}, err
	}
	if d.no == 0 {
		r.counts.dangling.Add(1)
		return t, nil
	}
	route, err := routeTo(&r.store.Reader, r.opts.Domain, p, h, wild, d.no, d.project)
	if errors.Is(err, ErrForeign) {
		r.counts.dangling.Add(1)
		return t, nil
	}
	if err != nil {
		return Trace{}, err
	}
	t.Found = true
	t.Decision = router.Decision{Kind: route.Kind, Project: route.Project, Deployment: route.Deployment, Class: route.Class, Flags: route.Flags}
	return t, nil
}

func (r *Resolver) target(ctx context.Context, at uint64, scriptHash string) (target, error) {
	k := targetKey{at, scriptHash}
	if d, ok := r.targets.Get(k); ok {
		return d, nil
	}
	return r.targets.Load(ctx, k, func(context.Context) (target, error) {
		d, err := Target(&r.store.Reader, scriptHash)
		if errors.Is(err, store.ErrNotFound) {
			return target{}, nil
		}
		if err != nil {
			return target{}, fmt.Errorf("legacy: find the deployment of script_hash %q: %w", clip(scriptHash), err)
		}
		return target{d.No, d.Project}, nil
	})
}

// Close stops following commits. Later calls of Resolve return ErrClosed; those under way end as they would have.
func (r *Resolver) Close() {
	if !r.closed.Swap(true) {
		r.cancel()
		r.tables.DropAll()
	}
}

// Package hashed is the router that finds a deployment by the keyed hash of its host: one look into a cache, and on a
// cold host one point read of the store.
package hashed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
	"berth/store/cache"
)

// ErrClosed is what a closed Resolver answers: it no longer hears of commits, so anything else could be stale.
var ErrClosed = errors.New("hashed: resolver is closed")

// Store is what a Resolver reads; *store.Store is one. A lookup that begins after a commit's hooks have run must see that commit, and
// an absent record is store.ErrNotFound.
type Store interface {
	LookupRoute(hostkey.Key) (store.Route, error)
	LookupWildcard(hostkey.Key) (store.Route, error)
	// False says that the lookup would find nothing, and is much faster. True says nothing.
	MayHaveRoute(hostkey.Key) bool
	MayHaveWildcard(hostkey.Key) bool
	Wildcards() (n int, generation uint64)
	Epoch() store.Epoch
	OnCommit(func(store.Commit)) (cancel func())
}

// EntryBytes is about what an entry of the caches takes.
const EntryBytes = 160

// DefaultUnknownCache is Options.UnknownCache where nobody says otherwise.
const DefaultUnknownCache = 16_384

// Options bounds the caches, in entries of EntryBytes. The zero value is fit for use.
type Options struct {
	RouteCache   int // hosts that have a route record; default 200,000
	UnknownCache int // all other hosts that were asked for; default 16,384
}

const (
	defaultRouteCache = 200_000

	// memoHosts is for how many hosts the keys are remembered, in 128 bytes each. It is far less than the cache holds: with more the
	// processor's own caches would miss as long as hashing takes.
	memoHosts = 8192
	// memoEvery hits whose key had to be made one is remembered. Where many more hosts are hot than there is room for, remembering
	// each would be work for nothing.
	memoEvery = 4
)

// Resolver is a router.Resolver over a Store. It is safe for concurrent use.
//
// Answers are cached in two places that cannot push each other out. A host with a route record of its own goes to the
// first. Every answer for which a stranger can make up hosts without end goes to the second: unknown hosts, and those that only a
// wildcard answers for. Most unknown hosts come to neither: the store knows that it has none of their keys without a look.
type Resolver struct {
	store   Store
	hasher  *hostkey.Hasher
	memo    *hostkey.Memo
	answers *cache.Cache[hostkey.Key, answer]
	cancel  func()
	closed  atomic.Bool

	// What the last commit told of; only the commit hook uses them, and hooks run one at a time.
	wildcards uint64 // generation
	epoch     store.Epoch
}

// answer is what is cached under a key: a decision, zero if source is FromNothing, in 16 bytes. It holds nothing of the query.
type answer struct {
	deployment store.DeploymentNo
	project    store.ProjectNo
	kind       store.RouteKind
	class      store.Class
	flags      store.RouteFlags
	source     Source
}

func answerOf(d router.Decision, s Source) answer {
	return answer{deployment: d.Deployment, project: d.Project, kind: d.Kind, class: d.Class, flags: d.Flags, source: s}
}

func (a answer) decision() router.Decision {
	return router.Decision{Kind: a.kind, Project: a.project, Deployment: a.deployment, Class: a.class, Flags: a.flags}
}

// New returns a Resolver that follows the commits of s until it is closed.
func New(s Store, hasher *hostkey.Hasher, o Options) (*Resolver, error) {
	if err := o.prepare(s, hasher); err != nil {
		return nil, err
	}
	answers, err := cache.New(cache.Options[hostkey.Key, answer]{
		Hash:          keyHash,
		Capacity:      int64(o.RouteCache),
		Aside:         func(a answer) bool { return a.source != FromRecord },
		AsideCapacity: int64(o.UnknownCache),
		// A point read takes microseconds and cannot be interrupted: another goroutine would only cost a switch. And the query's host,
		// which the fill reads, is good only while its caller waits.
		Inline: true,
	})
	if err != nil {
		return nil, fmt.Errorf("hashed: make cache: %w", err)
	}
	r := &Resolver{store: s, hasher: hasher, memo: hostkey.NewMemo(memoHosts), answers: answers}
	_, r.wildcards = s.Wildcards()
	r.epoch = s.Epoch()
	r.cancel = s.OnCommit(r.committed)
	return r, nil
}

func (o *Options) prepare(s Store, hasher *hostkey.Hasher) error {
	var faults []error
	if s == nil || hasher == nil {
		faults = append(faults, errors.New("hashed: a store and a hasher are required"))
	}
	bound := func(name string, n *int, ifZero int) {
		if *n < 0 {
			faults = append(faults, fmt.Errorf("hashed: %s is %d: must be 0 (for %d) or more", name, *n, ifZero))
		}
		if *n == 0 {
			*n = ifZero
		}
	}
	bound("RouteCache", &o.RouteCache, defaultRouteCache)
	bound("UnknownCache", &o.UnknownCache, DefaultUnknownCache)
	return errors.Join(faults...)
}

// keyHash needs no mixing in: a key is the output of a keyed hash, and strangers cannot aim at a set of the cache.
func keyHash(k hostkey.Key) uint64 {
	return uint64(k[0]) | uint64(k[1])<<8 | uint64(k[2])<<16 | uint64(k[3])<<24 |
		uint64(k[4])<<32 | uint64(k[5])<<40 | uint64(k[6])<<48 | uint64(k[7])<<56
}

// Resolve answers for q.Host. An error other than router.ErrNoRoute says that the store could not be read; it is not cached.
// On a hit, and for most unknown hosts, nothing is allocated and no lock is taken. Nothing of q is kept.
//
// No answer is older than the last commit that had returned to its writer before the call. A call that runs
// while commits do may see any of them or none.
func (r *Resolver) Resolve(ctx context.Context, q *router.Query) (router.Decision, error) {
	if r.closed.Load() {
		return router.Decision{}, ErrClosed
	}
	key, remembered := r.memo.Get(q.Host)
	if !remembered {
		key = r.hasher.Key(q.Host)
	}
	a, hit := r.answers.Get(key)
	switch {
	case !hit && r.surelyUnknown(key, q.Host):
		return router.Decision{}, router.ErrNoRoute
	case !hit:
		var err error
		if a, err = r.load(ctx, key, q.Host); err != nil {
			return router.Decision{}, err
		}
	case !remembered && a.source == FromRecord && rand.IntN(memoEvery) == 0:
		r.memo.Put(q.Host, key)
	}
	if a.source == FromNothing {
		return router.Decision{}, router.ErrNoRoute
	}
	return a.decision(), nil
}

// surelyUnknown reports that neither the host nor a parent of it has a record. It reads nothing but memory, and leaves nothing
// there: a flood of made-up hosts takes no lock and pushes out nobody's answer.
func (r *Resolver) surelyUnknown(key hostkey.Key, host hostkey.Host) bool {
	if r.store.MayHaveRoute(key) {
		return false
	}
	if n, _ := r.store.Wildcards(); n == 0 {
		return true
	}
	for parent := range wildcardParents(host) {
		if r.store.MayHaveWildcard(r.hasher.Key(parent)) {
			return false
		}
	}
	return true
}

// load is apart from Resolve so that a hit does not pay for the closure.
func (r *Resolver) load(ctx context.Context, key hostkey.Key, host hostkey.Host) (answer, error) {
	return r.answers.Load(ctx, key, func(context.Context) (answer, error) {
		f, err := r.find(key, host)
		return answerOf(f.decision(), f.source), err
	})
}

// committed is the commit hook. It runs when the commit can be read and before its writer hears of it, so whatever is cached or being
// read now may be older than the commit, and whatever is read from here on is not.
func (r *Resolver) committed(c store.Commit) {
	if c.Epoch != r.epoch { // every record that there was is absent now
		r.epoch, r.wildcards = c.Epoch, c.WildcardGeneration
		r.answers.DropAll()
		return
	}
	for _, k := range c.Keys {
		r.answers.Drop(k)
	}
	// Which hosts a wildcard answers for cannot be listed: their keys are hashes. So every answer goes that was found by looking at
	// wildcards, and every read under way, which may be looking at them. Records of a host's own do not depend on wildcards.
	if c.WildcardGeneration != r.wildcards {
		r.wildcards = c.WildcardGeneration
		r.answers.DropAside()
	}
}

// Stats counts what the cache did; what is aside there are unknown hosts and those that a wildcard answers for.
func (r *Resolver) Stats() cache.Stats { return r.answers.Stats() }

// Close stops following commits. Later calls of Resolve return ErrClosed; those under way end as they would have.
func (r *Resolver) Close() {
	if !r.closed.Swap(true) {
		r.cancel()
		r.answers.DropAll()
	}
}

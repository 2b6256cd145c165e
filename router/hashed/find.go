package hashed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

// Source says what an answer was found by.
type Source uint8

const (
	FromNothing  Source = iota // the host is unknown
	FromRecord                 // a route record of its own
	FromWildcard               // the wildcard record of a parent
)

func (s Source) String() string {
	switch s {
	case FromNothing:
		return "none"
	case FromRecord:
		return "record"
	case FromWildcard:
		return "wildcard"
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// found is what the store says about a host.
type found struct {
	source Source
	route  store.Route
	key    hostkey.Key  // of the record
	parent hostkey.Host // whose wildcard it is, a view of the host asked for; "" for a record of its own
}

func (f found) decision() router.Decision {
	return router.Decision{
		Kind: f.route.Kind, Project: f.route.Project, Deployment: f.route.Deployment,
		Class: f.route.Class, Flags: f.route.Flags,
	}
}

// find reads the store: the host's own record, else the wildcard of its nearest parent that has one.
func (r *Resolver) find(key hostkey.Key, host hostkey.Host) (found, error) {
	route, err := r.store.LookupRoute(key)
	if err == nil {
		return found{source: FromRecord, route: route, key: key}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return found{}, fmt.Errorf("hashed: look up route %s: %w", key, err)
	}
	if n, _ := r.store.Wildcards(); n == 0 {
		return found{}, nil
	}
	for parent := range wildcardParents(host) {
		key := r.hasher.Key(parent)
		route, err := r.store.LookupWildcard(key)
		if err == nil {
			return found{source: FromWildcard, route: route, key: key, parent: parent}, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return found{}, fmt.Errorf("hashed: look up wildcard %s: %w", key, err)
		}
	}
	return found{}, nil
}

// wildcardParents yields the parents of a name that may have a wildcard, nearest first, at most hostkey.MaxWildcardLabels of
// them: a made-up host may have 127 labels, and each parent is a point read. An IP address has none.
func wildcardParents(host hostkey.Host) func(yield func(hostkey.Host) bool) {
	return func(yield func(hostkey.Host) bool) {
		labels := host.Labels()
		for parent, ok := host.Parent(); ok; parent, ok = parent.Parent() {
			labels--
			if labels <= hostkey.MaxWildcardLabels && !yield(parent) {
				return
			}
		}
	}
}

// Trace is how a host is answered, for people.
type Trace struct {
	Host hostkey.Host
	Key  hostkey.Key

	// What the store says.
	Source    Source
	Decision  router.Decision // zero if Source is FromNothing
	Record    store.Route
	RecordKey hostkey.Key
	Wildcard  hostkey.Host // the parent whose wildcard answered, if Source is FromWildcard

	// What the next request would be answered from the cache, if anything.
	Cached         bool
	CachedSource   Source
	CachedDecision router.Decision
}

// Stale reports whether the cache answers otherwise than the store. Unless a commit ran during Explain, that is a defect of Berth.
func (t Trace) Stale() bool {
	return t.Cached && (t.CachedSource != t.Source || t.CachedDecision != t.Decision)
}

// Explain answers as Resolve does, but reads both the cache and the store, and says how. An unknown host is not an error.
func (r *Resolver) Explain(_ context.Context, q *router.Query) (Trace, error) {
	if r.closed.Load() {
		return Trace{}, ErrClosed
	}
	host := hostkey.Host(strings.Clone(string(q.Host)))
	t := Trace{Host: host, Key: r.hasher.Key(host)}
	if a, ok := r.answers.Get(t.Key); ok {
		t.Cached, t.CachedSource, t.CachedDecision = true, a.source, a.decision()
	}
	f, err := r.find(t.Key, host)
	if err != nil {
		return Trace{}, err
	}
	t.Source, t.Decision, t.Record, t.RecordKey, t.Wildcard = f.source, f.decision(), f.route, f.key, f.parent
	return t, nil
}

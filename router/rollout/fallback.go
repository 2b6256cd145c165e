package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"berth/router"
	"berth/router/hostkey"
)

// ErrShed is the answer for a host that hashed does not know while too many such hosts are asked of the tables.
var ErrShed = errors.New("rollout: too many unknown hosts are asked of the tables")

// FallbackOptions bound what hosts that hashed does not know can cost. Such a host is either one that the migration missed, or
// made up by a stranger, and only the tables can tell, by being fetched, parsed and searched. So a host that they answered for once
// is asked of them from then on like any other, and all the others share these bounds; over them the answer is ErrShed, since a 404 might be
// one that the tables would not have given.
// The zero value is fit for use.
type FallbackOptions struct {
	Concurrent int           // first questions to the tables at once; default 4
	PerSecond  int           // and in a second, with a burst of as many; default 100
	Unknown    int           // addresses (host, port, path) that the tables do not know either, remembered; default 65,536
	Known      int           // hosts that they do know, remembered; default 65,536
	Forget     time.Duration // how long the former are; default 30 s
	Again      time.Duration // how long the latter are, until they are reported again; default 10 min
}

const maxRemembered = 1 << 22

func (o *FallbackOptions) prepare() error {
	var faults []error
	bound := func(name string, n *int, ifZero, most int) {
		if *n < 0 || *n > most {
			faults = append(faults, fmt.Errorf("rollout: Fallback.%s is %d: must be 0 (for %d) to %d", name, *n, ifZero, most))
		}
		*n = cmp.Or(*n, ifZero)
	}
	bound("Concurrent", &o.Concurrent, 4, 1<<16)
	bound("PerSecond", &o.PerSecond, 100, 1_000_000)
	bound("Unknown", &o.Unknown, 65_536, maxRemembered)
	bound("Known", &o.Known, 65_536, maxRemembered)
	if o.Forget < 0 || o.Again < 0 {
		faults = append(faults, errors.New("rollout: Fallback.Forget and Fallback.Again must not be negative"))
	}
	o.Forget = cmp.Or(o.Forget, 30*time.Second)
	o.Again = cmp.Or(o.Again, 10*time.Minute)
	return errors.Join(faults...)
}

// Missing is a host that the tables answer for and hashed does not.
type Missing struct {
	Host   hostkey.Host
	Port   string
	Path   string
	Legacy router.Decision
	Took   time.Duration // of the tables
}

// Fallback is what the tables said where hashed had no route.
type Fallback uint8

const (
	NotAsked Fallback = iota // nobody fell back
	Answered                 // the tables answered
	Agreed                   // they have no route either, now or a moment ago
	Shed                     // they were not asked: over the bound
	Failed                   // they could not be asked; their error is the answer
)

type fallback struct {
	legacy  router.Resolver
	hasher  *hostkey.Hasher
	now     func() time.Duration
	unknown *memory
	known   *memory
	pace    *pace
	running atomic.Int64
	most    int64
	reports chan Missing // nil: nobody wants them

	answered, hosts, agreed, remembered, shed, failed, unreported atomic.Uint64
}

func newFallback(legacy router.Resolver, hasher *hostkey.Hasher, now func() time.Duration, o FallbackOptions, reports chan Missing) *fallback {
	return &fallback{
		legacy: legacy, hasher: hasher, now: now, reports: reports,
		unknown: newMemory(o.Unknown, o.Forget, now), known: newMemory(o.Known, o.Again, now),
		pace: newPace(o.PerSecond, o.PerSecond, now), most: int64(o.Concurrent),
	}
}

// ask asks the tables, if the bounds allow. It is not the request path of any host that both sides know.
func (f *fallback) ask(ctx context.Context, q *router.Query) (router.Decision, Fallback, error) {
	key := f.hasher.Key(q.Host)
	if f.known.has(key) {
		return f.again(ctx, q)
	}
	// Patterns can depend on port and path: that the tables have nothing at one address of a host says nothing about another.
	asked := f.hasher.QuestionKey(q.Host, q.Port, q.Path)
	if f.unknown.has(asked) {
		f.remembered.Add(1)
		return router.Decision{}, Agreed, router.ErrNoRoute
	}
	defer f.running.Add(-1)
	if f.running.Add(1) > f.most || !f.pace.take() {
		f.shed.Add(1)
		return router.Decision{}, Shed, ErrShed
	}
	gen, began := f.unknown.forget.Load(), f.now()
	d, err := f.legacy.Resolve(ctx, q)
	if errors.Is(err, router.ErrNoRoute) {
		f.unknown.add(asked, gen)
	}
	if err == nil {
		f.known.add(key, f.known.forget.Load())
		f.report(Missing{Host: q.Host, Port: q.Port, Path: q.Path, Legacy: d, Took: f.now() - began})
	}
	return f.count(d, err)
}

// again asks for a host that the tables have answered for: it is no made-up one, so nothing but their own bounds holds it up.
func (f *fallback) again(ctx context.Context, q *router.Query) (router.Decision, Fallback, error) {
	return f.count(f.legacy.Resolve(ctx, q))
}

// count passes on what the tables said. If they could not say, a 404 might be one that they would not have given: the error is the answer.
func (f *fallback) count(d router.Decision, err error) (router.Decision, Fallback, error) {
	switch {
	case err == nil:
		f.answered.Add(1)
		return d, Answered, nil
	case errors.Is(err, router.ErrNoRoute):
		f.agreed.Add(1)
		return router.Decision{}, Agreed, router.ErrNoRoute
	}
	f.failed.Add(1)
	return router.Decision{}, Failed, fmt.Errorf("rollout: fall back to the tables: %w", err)
}

func (f *fallback) report(m Missing) {
	f.hosts.Add(1)
	if f.reports == nil {
		return
	}
	// The request's bytes die with it.
	m.Host, m.Port, m.Path = hostkey.Host(strings.Clone(string(m.Host))), strings.Clone(m.Port), strings.Clone(m.Path)
	select {
	case f.reports <- m:
	default:
		f.unreported.Add(1)
	}
}

// forget makes the tables be asked anew for what they did not know.
func (f *fallback) forget() { f.unknown.forget.Add(1) }

func (f *fallback) stats() FallbackStats {
	return FallbackStats{
		Answered: f.answered.Load(), Hosts: f.hosts.Load(), Agreed: f.agreed.Load(), Remembered: f.remembered.Load(),
		Shed: f.shed.Load(), Failed: f.failed.Load(), Unreported: f.unreported.Load(),
	}
}

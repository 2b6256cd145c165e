package shadow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"berth/router"
	"berth/router/hostkey"
	"berth/router/rollout"
)

// Live is what answers requests; *rollout.Switch is one.
type Live interface {
	router.Resolver
	Ask(ctx context.Context, q *router.Query) rollout.Answer
}

// Sink keeps diffs. Put is called by one goroutine, with at most one diff of a host.
type Sink interface {
	Put(ctx context.Context, diffs []Diff) error
}

// Deps are what a Shadow works on.
type Deps struct {
	Live           Live
	Hashed, Legacy router.Resolver
	Diffs          Sink
	// Line returns the table line that answers a question, for people; "" if there is none. nil: nobody is asked. It may be slow.
	Line func(context.Context, *router.Query) (string, error)
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: none
}

// Options bound a Shadow. The zero value samples nothing until SetPercent.
type Options struct {
	Percent    float64       // of the requests that are sampled, 0 to 100
	Queue      int           // samples that wait; default 1,024
	Workers    int           // that ask the other side; default 2
	Pending    int           // hosts with diffs that wait to be kept; default 256
	FlushEvery time.Duration // how often they are; default 2 s
}

// Shadow is a router.Resolver that answers as Live does. It is safe for concurrent use.
type Shadow struct {
	deps    Deps
	opts    Options
	below   atomic.Uint64 // a request is sampled if 32 random bits are below it
	queue   chan *sample
	counts  counts
	pending pending
}

// sample is a question that shares nothing with its request, and the answer that the request got.
type sample struct {
	query  router.Query
	answer rollout.Answer
}

// New returns a Shadow. Nothing is compared until Run.
func New(deps Deps, o Options) (*Shadow, error) {
	if err := o.prepare(&deps); err != nil {
		return nil, err
	}
	s := &Shadow{deps: deps, opts: o, queue: make(chan *sample, o.Queue)}
	s.pending.init(o.Pending)
	return s, s.SetPercent(o.Percent)
}

func (o *Options) prepare(deps *Deps) error {
	var faults []error
	if deps.Live == nil || deps.Hashed == nil || deps.Legacy == nil || deps.Diffs == nil {
		faults = append(faults, errors.New("shadow: Live, Hashed, Legacy and Diffs are required"))
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	bound := func(name string, n *int, ifZero, most int) {
		if *n < 0 || *n > most {
			faults = append(faults, fmt.Errorf("shadow: %s is %d: must be 0 (for %d) to %d", name, *n, ifZero, most))
		}
		*n = cmp.Or(*n, ifZero)
	}
	bound("Queue", &o.Queue, 1024, 1<<20)
	bound("Workers", &o.Workers, 2, 1024)
	bound("Pending", &o.Pending, 256, 1<<16)
	if o.FlushEvery < 0 {
		faults = append(faults, fmt.Errorf("shadow: FlushEvery is %v: must not be negative", o.FlushEvery))
	}
	o.FlushEvery = cmp.Or(o.FlushEvery, 2*time.Second)
	return errors.Join(append(faults, checkPercent(o.Percent))...)
}

func checkPercent(p float64) error {
	if !(p >= 0 && p <= 100) {
		return fmt.Errorf("shadow: %v%% of the requests: want 0 to 100", p)
	}
	return nil
}

const always = 1 << 32

// SetPercent changes the share of the requests that are sampled, at once.
func (s *Shadow) SetPercent(p float64) error {
	if err := checkPercent(p); err != nil {
		return err
	}
	s.below.Store(uint64(p / 100 * always))
	return nil
}

// Percent is the share in force, to the resolution that sampling has.
func (s *Shadow) Percent() float64 { return float64(s.below.Load()) / always * 100 }

// Resolve answers as Live does and, if it samples the request, remembers the question. It never waits. What it does not sample
// costs a load and a random number, and no allocation.
func (s *Shadow) Resolve(ctx context.Context, q *router.Query) (router.Decision, error) {
	if below := s.below.Load(); below == 0 || uint64(rand.Uint32()) >= below {
		return s.deps.Live.Resolve(ctx, q)
	}
	a := s.deps.Live.Ask(ctx, q)
	if a.Err == nil || ctx.Err() == nil { // what a client that left did not wait for says nothing about a side
		s.sampled(q, a)
	}
	return a.Decision, a.Err
}

func (s *Shadow) sampled(q *router.Query, a rollout.Answer) {
	s.counts.sampled.Add(1)
	if len(s.queue) == cap(s.queue) { // nothing to clone for; the queue itself decides if others come in between
		s.counts.dropped.Add(1)
		return
	}
	c := &sample{answer: a, query: cloneQuery(q)}
	select {
	case s.queue <- c:
	default:
		s.counts.dropped.Add(1)
	}
}

// cloneQuery is for what outlives the request, whose bytes are used again for another one.
func cloneQuery(q *router.Query) router.Query {
	path, _, _ := strings.Cut(q.Path, "?")
	return router.Query{
		Host: hostkey.Host(strings.Clone(string(q.Host))), Port: strings.Clone(q.Port), Path: strings.Clone(path),
	}
}

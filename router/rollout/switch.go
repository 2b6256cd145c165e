package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"berth/router"
	"berth/router/hostkey"
)

// Deps are what a Switch works on.
type Deps struct {
	Hashed, Legacy router.Resolver
	Hasher         *hostkey.Hasher // keyed with the same secret in all data centres, so that they pick the same sites
	// Missing is told of hosts that only the tables answer for, by Run, one at a time; each host once in FallbackOptions.Again. nil: nobody is.
	Missing func(context.Context, Missing)
}

// Options configure a Switch. Domain must be given.
type Options struct {
	Domain       hostkey.Host // the base domain: a host below it names its project
	Datacentre   string       // where this server is
	Config       Config       // what is in force until the first Set
	Fallback     FallbackOptions
	MissingQueue int // reports that wait for Deps.Missing; default 256
}

// Switch is a router.Resolver that has one of two others answer. It is safe for concurrent use.
type Switch struct {
	domain     string
	datacentre string
	hasher     *hostkey.Hasher
	plan       atomic.Pointer[plan]
	index      *Index
	hashed     side
	legacy     side
	fallback   *fallback
	missing    func(context.Context, Missing)
	base       time.Time // what monotonic times are counted from
}

// side is a router with its counts.
type side struct {
	resolver router.Resolver
	counts   *SideCounter
}

// New returns a Switch with an empty index of custom hosts.
func New(deps Deps, o Options) (*Switch, error) {
	if err := o.prepare(deps); err != nil {
		return nil, err
	}
	s := &Switch{
		domain: string(o.Domain), datacentre: o.Datacentre, hasher: deps.Hasher, index: NewIndex(), missing: deps.Missing, base: time.Now(),
		hashed: side{deps.Hashed, new(SideCounter)}, legacy: side{deps.Legacy, new(SideCounter)},
	}
	var reports chan Missing
	if deps.Missing != nil {
		reports = make(chan Missing, o.MissingQueue)
	}
	s.fallback = newFallback(deps.Legacy, deps.Hasher, s.elapsed, o.Fallback, reports)
	s.plan.Store(compile(o.Config, o.Datacentre, deps.Hasher))
	return s, nil
}

func (o *Options) prepare(deps Deps) error {
	var faults []error
	if deps.Hashed == nil || deps.Legacy == nil || deps.Hasher == nil {
		faults = append(faults, errors.New("rollout: two resolvers and a hasher are required"))
	}
	if h, err := hostkey.Canonical(string(o.Domain)); err != nil || h != o.Domain {
		faults = append(faults, fmt.Errorf("rollout: Domain %q is not a canonical host", clip(string(o.Domain))))
	}
	if o.MissingQueue < 0 || o.MissingQueue > 1<<20 {
		faults = append(faults, fmt.Errorf("rollout: MissingQueue is %d: must be 0 (for 256) to %d", o.MissingQueue, 1<<20))
	}
	o.MissingQueue = cmp.Or(o.MissingQueue, 256)
	return errors.Join(append(faults, o.Config.Validate(), o.Fallback.prepare())...)
}

// elapsed is monotonic: a clock that jumps neither ends a memory nor keeps it for ever.
func (s *Switch) elapsed() time.Duration { return time.Since(s.base) }

// Set puts a configuration in force, for every request that begins from now on. A faulty one changes nothing.
func (s *Switch) Set(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	s.plan.Store(compile(c, s.datacentre, s.hasher))
	s.fallback.forget()
	return nil
}

// Config returns what is in force.
func (s *Switch) Config() Config { return s.plan.Load().config.clone() }

// Index is where custom hosts find their site. Whoever knows them fills it.
func (s *Switch) Index() *Index { return s.index }

// Forget makes the tables be asked again for hosts that they did not know: they have changed. It costs nothing.
func (s *Switch) Forget() { s.fallback.forget() }

// Answer is a routing result and where it is from.
type Answer struct {
	Decision router.Decision
	Err      error
	Side     Side          // that was asked first
	Rule     Rule          // that chose it
	Fallback Fallback      // what came of asking the tables where hashed had no route
	Took     time.Duration // of Side alone
}

// Resolve answers as the side does that the host's site is on.
func (s *Switch) Resolve(ctx context.Context, q *router.Query) (router.Decision, error) {
	a := s.Ask(ctx, q)
	return a.Decision, a.Err
}

// Ask is Resolve for whoever wants to know who answered. It allocates nothing that the two sides do not.
func (s *Switch) Ask(ctx context.Context, q *router.Query) Answer {
	p := s.plan.Load()
	chosen := s.rule(p, q.Host)
	a := Answer{Side: chosen.side, Rule: chosen.rule}
	on := &s.legacy
	if a.Side == Hashed {
		on = &s.hashed
	}
	began := s.elapsed()
	a.Decision, a.Err = on.resolver.Resolve(ctx, q)
	a.Took = s.elapsed() - began
	if a.Err == nil {
		on.counts.Count(a.Took, false, false)
		return a
	}
	noRoute := errors.Is(a.Err, router.ErrNoRoute)
	if noRoute || ctx.Err() == nil {
		on.counts.Count(a.Took, noRoute, !noRoute)
	}
	if noRoute && a.Side == Hashed && p.config.Mode.fallsBack() {
		a.Decision, a.Fallback, a.Err = s.fallback.ask(ctx, q)
	}
	return a
}

// rule does not look for the site where the phase decides for all.
func (s *Switch) rule(p *plan, h hostkey.Host) ruling {
	if p.phase.side != 0 && len(p.named) == 0 {
		return p.phase
	}
	return p.rule(s.site(h))
}

// Kept says whether the site's name keeps it on the tables, whatever the percentage is: it is opted out, or pinned to them.
func (a Answer) Kept() bool { return a.Rule == ByOptOut || a.Rule == ByPin && a.Side == Legacy }

// Reason says which side answers for a host, and why.
type Reason struct {
	Site string // "": not known
	Side Side
	Rule Rule
	Mode Mode
}

// Why decides as Ask would.
func (s *Switch) Why(h hostkey.Host) Reason {
	p := s.plan.Load()
	site := s.site(h)
	r := p.rule(site)
	return Reason{Site: site, Side: r.side, Rule: r.rule, Mode: p.config.Mode}
}

// WhySite is Why for a site that is known by name.
func (s *Switch) WhySite(site string) Reason {
	p := s.plan.Load()
	r := p.rule(site)
	return Reason{Site: site, Side: r.side, Rule: r.rule, Mode: p.config.Mode}
}

// Run passes on the reports of missing hosts until ctx is done. Without it they are dropped, and counted.
func (s *Switch) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-s.fallback.reports:
			s.missing(ctx, m)
		}
	}
}

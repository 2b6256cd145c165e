package serving

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"berth/bench/load"
	"berth/bench/peers"
	"berth/bench/sites"
	"berth/migrate/report/plot"
)

// HostsReport is what a request costs by the number of hosts that are deployed.
type HostsReport struct {
	Config Config
	Hot    []Comparison // one: its sides are numbers of hosts
	Spread []Comparison
}

// spreadOver is how many hosts are asked for alike: more than there are places in the cache of routes.
const spreadOver = 200_000

// Hosts starts a server for each number of hosts, and asks them by turns: for a few hot hosts, and for hosts from everywhere alike.
func Hosts(ctx context.Context, c Config, numbers []int) (rep *HostsReport, err error) {
	c.Rounds, c.Load = or(c.Rounds, 5), []string{loadOwn}
	c.Sides = []string{sideBerth}
	c.Sites.Sites, c.Sites.Hot = or(c.Sites.Hot, 200), or(c.Sites.Hot, 200)
	if len(numbers) == 0 {
		numbers = []int{1_000, 10_000, 100_000, 1_000_000}
	}
	c.Sites.Hosts = slices.Min(numbers)
	if c, err = c.withDefaults(); err != nil {
		return nil, err
	}
	rep = &HostsReport{Config: c}
	var sides []*numbered
	defer func() {
		for _, s := range sides {
			s.stop()
			err = errors.Join(err, s.cleanup())
		}
	}()
	for _, n := range numbers {
		s, err := c.numbered(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("%d hosts: %w", n, err)
		}
		sides = append(sides, s)
	}
	for _, kind := range []struct {
		name string
		into *[]Comparison
	}{{hotHosts, &rep.Hot}, {spreadHosts, &rep.Spread}} {
		cmp, err := c.compareNumbers(ctx, sides, kind.name)
		if err != nil {
			return nil, err
		}
		*kind.into = append(*kind.into, cmp)
	}
	return rep, nil
}

// numbered is a server with a number of hosts.
type numbered struct {
	side
	sites   sites.Config
	env     *environment
	cleanup func() error
}

func (c Config) numbered(ctx context.Context, n int) (*numbered, error) {
	c.Sites.Hosts = n
	env, cleanup, err := c.prepare(ctx)
	if err != nil {
		return nil, err
	}
	s := &numbered{sites: c.Sites, env: env, cleanup: cleanup}
	s.side = side{name: plot.Whole(int64(n)), start: func(ctx context.Context, _ int) (*peers.Server, error) {
		return c.startBerth(ctx, env, c.Berth, env.data)
	}}
	if err := s.ready(ctx, 0); err != nil {
		return nil, errors.Join(err, cleanup())
	}
	return s, nil
}

// scenario is what the server is asked for.
func (s *numbered) scenario(kind string) scenario {
	sc := scenario{kind, loadOwn, nil, sites.Small(), load.Browser}
	for i := range s.sites.Sites {
		sc.hosts = append(sc.hosts, sites.Host(i))
	}
	if kind == hotHosts {
		return sc
	}
	others := s.sites.Others()
	for i := range min(others, spreadOver) {
		sc.hosts = append(sc.hosts, s.sites.OtherHost(i*(others/min(others, spreadOver))))
	}
	return sc
}

func (c Config) compareNumbers(ctx context.Context, sides []*numbered, kind string) (Comparison, error) {
	cmp := Comparison{Name: kind, Load: loadOwn, File: shortName(sites.Small()), Size: sites.Small().Size, Headers: string(load.Browser)}
	scenarios := make([]scenario, len(sides))
	for i, s := range sides {
		scenarios[i] = s.scenario(kind)
		cmp.Sides = append(cmp.Sides, Series{Side: s.name})
		cmp.Hosts = max(cmp.Hosts, len(scenarios[i].hosts))
		c.Progress(fmt.Sprintf("%s hosts of %s: warming up", kind, s.name))
		if err := c.warm(ctx, s.env, &s.side, scenarios[i]); err != nil {
			return cmp, fmt.Errorf("%s hosts: %w", s.name, err)
		}
	}
	for round := range c.Rounds {
		for k := range sides {
			i := (round + k) % len(sides)
			c.Progress(fmt.Sprintf("%s hosts of %s: round %d of %d", kind, sides[i].name, round+1, c.Rounds))
			sl, err := c.slot(ctx, sides[i].env, &sides[i].side, scenarios[i])
			if err != nil {
				return cmp, fmt.Errorf("%s hosts: %w", sides[i].name, err)
			}
			cmp.Sides[i].Slots = append(cmp.Sides[i].Slots, sl)
		}
	}
	return cmp, nil
}

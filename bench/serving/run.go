package serving

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"berth/bench/machine"
)

// Run runs the workload.
func Run(ctx context.Context, c Config) (rep *Report, err error) {
	if c, err = c.withDefaults(); err != nil {
		return nil, err
	}
	if c.Uniform && c.BerthArgs == nil {
		c.BerthArgs = roomy
	}
	env, cleanup, err := c.prepare(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare the sites: %w", err)
	}
	defer func() { err = errors.Join(err, cleanup()) }()
	rep = &Report{Config: c, Cores: env.cores}
	var sides []*side
	if sides, rep.Skipped, err = c.sides(env); err != nil {
		return nil, err
	}
	defer func() {
		for _, s := range sides {
			s.stop()
		}
	}()
	for _, sc := range c.scenarios() {
		able, unable := ableTo(sides, sc)
		for _, s := range unable {
			note := fmt.Sprintf("%s is not asked for %d sites alike: it keeps each file open for seconds, and may have %d open here.", s.name, len(sc.hosts), env.openFiles)
			if !slices.Contains(rep.Skipped, note) {
				rep.Skipped = append(rep.Skipped, note)
			}
		}
		cmp, err := c.compare(ctx, env, able, sc)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cmp.title(), err)
		}
		rep.Comparisons = append(rep.Comparisons, cmp)
	}
	return rep, nil
}

// ableTo parts the sides that can answer for so many hosts from those that cannot.
func ableTo(sides []*side, sc scenario) (able, unable []*side) {
	for _, s := range sides {
		if s.mostHosts > 0 && len(sc.hosts) > s.mostHosts {
			unable = append(unable, s)
			continue
		}
		able = append(able, s)
	}
	return able, unable
}

func (c Config) compare(ctx context.Context, env *environment, sides []*side, sc scenario) (Comparison, error) {
	cmp := Comparison{Name: sc.name, Load: sc.load, Hosts: len(sc.hosts), File: shortName(sc.file), Size: sc.file.Size, Headers: string(sc.headers)}
	for _, s := range sides {
		if err := s.ready(ctx, sc.file.Size); err != nil {
			return cmp, err
		}
		head, err := c.verify(ctx, s, sc)
		if err != nil {
			return cmp, err
		}
		if err := c.warm(ctx, env, s, sc); err != nil {
			return cmp, err
		}
		cmp.Sides = append(cmp.Sides, Series{Side: s.name, Head: head})
	}
	for round := range c.Rounds {
		c.Progress(fmt.Sprintf("%s: round %d of %d", cmp.title(), round+1, c.Rounds))
		for k := range sides {
			i := (round + k) % len(sides) // each goes first now and then
			sl, err := c.slot(ctx, env, sides[i], sc)
			if err != nil {
				return cmp, err
			}
			cmp.Sides[i].Slots = append(cmp.Sides[i].Slots, sl)
		}
	}
	if len(sides) == 0 || sides[0].name != sideBerth || sc.load != loadOwn {
		return cmp, nil
	}
	var err error
	cmp.Allocations, err = c.allocations(ctx, env, sides[0], sc)
	return cmp, err
}

// warm asks for each host once at least, and waits until the server has nothing left to do.
func (c Config) warm(ctx context.Context, env *environment, s *side, sc scenario) error {
	for left := int64(len(sc.hosts)); left > 0; {
		sl, err := c.turn(ctx, env, s, sc)
		if err != nil {
			return err
		}
		left -= sl.Requests
	}
	const (
		look  = 200 * time.Millisecond
		quiet = look / 50
		most  = 50
	)
	for range most {
		before, err := machine.CPUTime(s.running.Pid)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(look):
		}
		after, err := machine.CPUTime(s.running.Pid)
		if err != nil || after.Since(before) < quiet {
			return err
		}
	}
	return fmt.Errorf("%s has work to do ten seconds after its last request", s.name)
}

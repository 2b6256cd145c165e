package serving

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/bench"
	"berth/bench/load"
	"berth/bench/machine"
	"berth/bench/sites"
	"berth/migrate/report/plot"
)

// IdleReport is what a server holds for connections that wait for their next request, in bytes for each, a figure a round.
type IdleReport struct {
	Conns   int
	Rest    time.Duration // before memory was looked at
	Skipped []string
	Sides   []IdleSide
}

// IdleSide is one server's.
type IdleSide struct {
	Side string
	Each bench.Sample
}

// Idle measures what an idle keep-alive connection costs: c.Conns of them, default 10,000, each of which has been answered once. They
// rest for c.Slot, default 5 s, before memory is looked at: a garbage collector gives back what it can. Each round starts the servers
// anew.
func Idle(ctx context.Context, c Config) (rep *IdleReport, err error) {
	c.Conns, c.Rounds, c.Slot = or(c.Conns, 10_000), or(c.Rounds, 3), or(c.Slot, 5*time.Second)
	if len(c.Sides) == 0 {
		c.Sides = []string{sideBerth, sideOther, "nginx-map", "lighttpd", "caddy", sideConstant}
	}
	c.Load = []string{loadOwn}
	if c, err = c.withDefaults(); err != nil {
		return nil, err
	}
	env, cleanup, err := c.prepare(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare the sites: %w", err)
	}
	defer func() { err = errors.Join(err, cleanup()) }()
	rep = &IdleReport{Conns: c.Conns, Rest: c.Slot}
	var sides []*side
	if sides, rep.Skipped, err = c.sides(env); err != nil {
		return nil, err
	}
	for _, s := range sides {
		rep.Sides = append(rep.Sides, IdleSide{Side: s.name})
	}
	sc := scenario{hotHosts, loadOwn, c.hosts()[:c.Sites.Hot], sites.Small(), load.Browser}
	for round := range c.Rounds {
		for i, s := range sides {
			c.Progress(fmt.Sprintf("%d idle connections to %s: round %d of %d", c.Conns, s.name, round+1, c.Rounds))
			each, err := c.idle(ctx, env, s, sc)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			rep.Sides[i].Each = append(rep.Sides[i].Each, each)
		}
	}
	return rep, nil
}

func (c Config) idle(ctx context.Context, env *environment, s *side, sc scenario) (each float64, err error) {
	if err := s.ready(ctx, sc.file.Size); err != nil {
		return 0, err
	}
	defer s.stop()
	few := c
	few.Conns, few.Slot = 64, time.Second
	if err := few.warm(ctx, env, s, sc); err != nil {
		return 0, err
	}
	before, err := c.rested(ctx, s)
	if err != nil {
		return 0, err
	}
	held, err := load.Hold(ctx, load.Job{Addr: s.running.Addr, Path: sc.file.Name, Hosts: sc.hosts, Headers: sc.headers, Conns: c.Conns})
	if err != nil {
		return 0, err
	}
	defer held.Close()
	after, err := c.rested(ctx, s)
	if err != nil {
		return 0, err
	}
	if err := held.Ask(ctx); err != nil {
		return 0, fmt.Errorf("after their rest: %w", err)
	}
	return float64(after-before) / float64(c.Conns), nil
}

// rested is a server's memory once it had time to give back what it does not need.
func (c Config) rested(ctx context.Context, s *side) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(c.Slot):
	}
	m, err := machine.MemoryOf(s.running.Pid)
	return m.Private + m.Shared, err
}

// Rows are all rounds.
func (r *IdleReport) Rows() (rows []bench.Row) {
	for _, s := range r.Sides {
		for _, v := range s.Each {
			rows = append(rows, bench.Measured(fmt.Sprintf("Idle/conns=%d/side=%s", r.Conns, s.Side), r.Conns, bench.In(v, "B/conn")))
		}
	}
	return rows
}

func (r *IdleReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Memory of the server for each of %s idle keep-alive connections (median of the rounds, least to most)\n", plot.Whole(int64(r.Conns)))
	var s bench.Sheet
	s.Add("", "a connection", "")
	for _, x := range r.Sides {
		low, high := x.Each.Range()
		s.Add(x.Side, plot.Bytes.Format(x.Each.Median()), fmt.Sprintf("%s–%s", plot.Bytes.Format(low), plot.Bytes.Format(high)))
	}
	b.WriteString(s.String())
	return b.String()
}

// Figures are the medians.
func (r *IdleReport) Figures() []plot.Figure {
	bars := plot.Bars{Unit: plot.Bytes, Label: "Memory for an idle connection"}
	for _, s := range r.Sides {
		bars.Bars = append(bars.Bars, plot.Bar{Name: s.Side, Parts: []float64{max(0, s.Each.Median())}, Colour: colour(s.Side)})
	}
	return []plot.Figure{{ID: "idle", Title: "Idle keep-alive connections", Note: "Memory of the server's processes. Lower is better.", Chart: bars}}
}

// Goals are what was promised.
func (r *IdleReport) Goals() []bench.Goal {
	i := slices.IndexFunc(r.Sides, func(s IdleSide) bool { return s.Side == sideBerth })
	if i < 0 {
		return nil
	}
	return []bench.Goal{bench.Reaching(fmt.Sprintf("memory of each of %s idle keep-alive connections", plot.Whole(int64(r.Conns))), bench.AsSize, 12<<10, 6<<10, r.Sides[i].Each)}
}

// Notes say what is counted.
func (r *IdleReport) Notes() []string {
	return append([]string{fmt.Sprintf("By how much the memory of the server's processes grew (what is theirs alone and their part of what they share, as the kernel counts it), %v after each connection "+
		"was answered once; every connection then had to answer again. What the kernel keeps for a socket is not in it, and is the same for all.", r.Rest)}, r.Skipped...)
}

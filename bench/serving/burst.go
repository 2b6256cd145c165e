package serving

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"berth/bench"
	"berth/bench/load"
	"berth/bench/sites"
	"berth/migrate/report/plot"
)

// BurstReport is how servers bear ten times their load all of a sudden.
type BurstReport struct {
	Steady, Burst load.Phase
	Skipped       []string
	Sides         []BurstSide
}

// BurstSide is one server's. Recovered is how long after the burst requests were answered as before it, in nanoseconds.
type BurstSide struct {
	Side      string
	Rounds    []load.Played
	Calm      bench.Sample // p99 before the burst, the highest of its windows
	During    bench.Sample // p99 in the burst, the highest of its windows
	Recovered bench.Sample
	Errors    bench.Sample
}

// calm is for how long the load is steady before the burst, and after it.
const (
	calm     = 10 * time.Second
	burstFor = 10 * time.Second
	// margin is the burst's share of what Berth can answer: nobody bears more than he can answer.
	margin = 0.75
)

// Burst sends a steady load at random moments, ten times as much from one moment to the next for ten seconds, by ten times as many
// connections, and the steady load again. The burst is three quarters of what Berth can answer on this machine by so many connections.
func Burst(ctx context.Context, c Config) (rep *BurstReport, err error) {
	c.Rounds = or(c.Rounds, 3)
	if len(c.Sides) == 0 {
		c.Sides = []string{sideBerth, sideOther, "nginx-map"}
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
	rep = &BurstReport{}
	var sides []*side
	if sides, rep.Skipped, err = c.sides(env); err != nil {
		return nil, err
	}
	defer func() {
		for _, s := range sides {
			s.stop()
		}
	}()
	sc := scenario{hotHosts, loadOwn, c.hosts()[:c.Sites.Hot], sites.Small(), load.Browser}
	if err := c.paceBurst(ctx, env, sides, sc, rep); err != nil {
		return nil, err
	}
	for round := range c.Rounds {
		for i, s := range sides {
			c.Progress(fmt.Sprintf("burst to %s: round %d of %d", s.name, round+1, c.Rounds))
			if err := c.burst(ctx, env, s, sc, rep, &rep.Sides[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return rep, nil
}

// paceBurst warms the servers up and finds out how much the first can answer.
func (c Config) paceBurst(ctx context.Context, env *environment, sides []*side, sc scenario, rep *BurstReport) error {
	full := c
	full.Conns = 10 * c.Conns // those of the burst: more connections cost a server more for each request
	for i, s := range sides {
		if err := s.ready(ctx, sc.file.Size); err != nil {
			return err
		}
		if err := c.warm(ctx, env, s, sc); err != nil {
			return err
		}
		rep.Sides = append(rep.Sides, BurstSide{Side: s.name})
		if i > 0 {
			continue
		}
		var rates bench.Sample
		for range 3 {
			sl, err := full.slot(ctx, env, s, sc)
			if err != nil {
				return err
			}
			rates = append(rates, sl.Rate())
		}
		rep.Burst = load.Phase{Rate: margin * rates.Median(), Conns: full.Conns, For: burstFor}
		rep.Steady = load.Phase{Rate: rep.Burst.Rate / 10, Conns: c.Conns, For: calm}
	}
	return nil
}

func (c Config) burst(ctx context.Context, env *environment, s *side, sc scenario, rep *BurstReport, into *BurstSide) error {
	after := rep.Steady
	after.Conns = rep.Burst.Conns
	job := load.Job{Addr: s.running.Addr, Path: sc.file.Name, Hosts: sc.hosts, Headers: sc.headers, Conns: c.Conns, Spin: !env.cores.Shared()}
	p, err := env.own.Play(ctx, job, []load.Phase{rep.Steady, rep.Burst, after})
	if err != nil {
		return err
	}
	into.Rounds = append(into.Rounds, p)
	into.judge(p)
	return nil
}

// judge looks at the windows: the first second, in which everything is new, is left out.
func (b *BurstSide) judge(p load.Played) {
	before, during := time.Duration(0), time.Duration(0)
	var after []load.Window
	for _, w := range p.Windows {
		switch {
		case w.At >= calm+burstFor:
			after = append(after, w)
		case w.At >= calm:
			during = max(during, w.P99)
		case w.At >= time.Second:
			before = max(before, w.P99)
		}
	}
	b.Calm, b.During = append(b.Calm, float64(before)), append(b.During, float64(during))
	b.Recovered, b.Errors = append(b.Recovered, float64(recovery(after, before))), append(b.Errors, float64(p.Errors))
}

// recovery is until the end of the first window that is as good as before, and in the middle of its next four as well: that one of
// them is not, something else on the machine may have done.
func recovery(after []load.Window, before time.Duration) time.Duration {
	for i, w := range after {
		next := bench.Sample{}
		for _, n := range after[i:min(i+5, len(after))] {
			next = append(next, float64(n.P99))
		}
		if w.P99 <= before && next.Median() <= float64(before) {
			return time.Duration(i+1) * load.WindowLength
		}
	}
	return calm
}

// Rows are all rounds.
func (r *BurstReport) Rows() (rows []bench.Row) {
	for _, s := range r.Sides {
		for i, p := range s.Rounds {
			rows = append(rows, bench.Measured("Burst/side="+s.Side, int(p.Answered), bench.In(s.Calm[i], "calm-p99-ns"), bench.In(s.During[i], "burst-p99-ns"),
				bench.In(s.Recovered[i], "recovered-ns"), bench.In(s.Errors[i], "errors")))
		}
	}
	return rows
}

func (r *BurstReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.0f requests/s by %d connections, then %.0f by %d for %v, then %.0f again (median of the rounds, least to most)\n",
		r.Steady.Rate, r.Steady.Conns, r.Burst.Rate, r.Burst.Conns, r.Burst.For, r.Steady.Rate)
	var s bench.Sheet
	s.Add("", "highest p99 before", "", "in the burst", "", "as before after", "", "errors")
	for _, x := range r.Sides {
		row := []string{x.Side}
		for _, v := range []bench.Sample{x.Calm, x.During, x.Recovered} {
			low, high := v.Range()
			row = append(row, bench.NS(v.Median()), fmt.Sprintf("%s–%s", bench.NS(low), bench.NS(high)))
		}
		_, most := x.Errors.Range()
		s.Add(append(row, fmt.Sprintf("%.0f", most))...)
	}
	b.WriteString(s.String())
	return b.String()
}

// Figures are p99 over time, of each side's first round.
func (r *BurstReport) Figures() []plot.Figure {
	l := plot.Lines{X: plot.Axis{Label: "Time", Unit: plot.Seconds}, Y: plot.Axis{Label: "p99 of a quarter of a second", Unit: plot.Seconds, Log: true},
		Marks: []plot.Mark{{X: calm.Seconds(), Name: "ten times the load"}, {X: (calm + burstFor).Seconds(), Name: "as before"}}}
	for _, s := range r.Sides {
		if len(s.Rounds) == 0 {
			continue
		}
		line := plot.Series{Name: s.Side, Colour: colour(s.Side), Dashed: s.Side == sideOther}
		for _, w := range s.Rounds[0].Windows {
			line.Points = append(line.Points, plot.Point{X: w.At.Seconds(), Y: w.P99.Seconds()})
		}
		l.Series = append(l.Series, line)
	}
	return []plot.Figure{{ID: "burst", Title: "Ten times the load", Note: "From when a request was due until its answer was there. Lower is better.", Chart: l}}
}

// Goals are what was promised.
func (r *BurstReport) Goals() []bench.Goal {
	for _, s := range r.Sides {
		if s.Side == sideBerth {
			return []bench.Goal{
				bench.Reaching("burst of ten times the steady load for 10 s: errors", bench.AsNumber, 0, 0, s.Errors),
				bench.Reaching("burst: until p99 is as before it", bench.AsTime, float64(time.Second), 0, s.Recovered).Because("of 250 ms, no worse than the worst before the burst"),
			}
		}
	}
	return nil
}

// Notes say what is sent.
func (r *BurstReport) Notes() []string {
	return append([]string{fmt.Sprintf("Requests are due at random moments whether or not the server keeps up, and are timed from when they were due. The burst comes from one moment to the next, by new connections, "+
		"and is %.0f %% of what Berth can answer here: nobody can bear more than he can answer.", 100*margin)}, r.Skipped...)
}

package deploying

import (
	"fmt"
	"strings"
	"time"

	"berth/bench"
	"berth/migrate/report/plot"
)

// Ratios are by how much longer a side took than wrangler and the server that discards, in each round: until the deployment was live,
// and until the command ended. None without wrangler.
func (r *Report) Ratios(f First) (live, command bench.Sample) {
	for _, limit := range r.First {
		if limit.Side != sideLimit {
			continue
		}
		for i := range min(len(f.Live), len(limit.Live)) {
			live = append(live, f.Live[i]/limit.Live[i])
			command = append(command, f.Took[i]/limit.Took[i])
		}
	}
	return live, command
}

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "First deploy of %s files of %d bytes, seconds\n", plot.Whole(int64(r.Files)), r.Size)
	s := bench.Sheet{{"", "live", "command", "client CPU", "server CPU", "live / limit", "command / limit"}}
	for _, f := range r.First {
		live, command := r.Ratios(f)
		s.Add(f.Side, f.Live.String(), f.Took.String(), f.Client.String(), f.Server.String(), live.String(), command.String())
	}
	b.WriteString(s.String())
	fmt.Fprintf(&b, "One file of %s changed, seconds until live\n", plot.Whole(int64(r.Files)))
	s = bench.Sheet{{"", "live", "with the server", "client's own", "server CPU"}}
	for _, c := range r.Changed {
		s.Add(c.Side, c.Live.String(), c.Server.String(), c.Own.String(), c.CPU.String())
	}
	b.WriteString(s.String())
	for _, c := range r.Changed {
		fmt.Fprintf(&b, "  calls of %s, the last time\n", c.Side)
		for _, call := range c.Calls {
			fmt.Fprintf(&b, "    %-7v %s %s\n", call.Ended.Sub(call.Began).Round(100*time.Microsecond), call.Method, call.Path)
		}
	}
	fmt.Fprintf(&b, "Server's peak resident memory %s\n", plot.Bytes.Format(float64(r.PeakRSS)))
	return b.String()
}

// Rows has one a round and side.
func (r *Report) Rows() (rows []bench.Row) {
	for _, f := range r.First {
		for i := range f.Took {
			values := []bench.Value{bench.In(f.Live[i]*1e9, "ns/op"), bench.In(f.Took[i]*1e9, "command-ns"), bench.In(f.Client[i]*1e9, "client-cpu-ns")}
			if i < len(f.Server) {
				values = append(values, bench.In(f.Server[i]*1e9, "server-cpu-ns"))
			}
			rows = append(rows, bench.Measured("Deploy/what=first/side="+strings.ReplaceAll(f.Side, ", ", "-"), 1, values...))
		}
	}
	for _, c := range r.Changed {
		for i := range c.Live {
			rows = append(rows, bench.Measured("Deploy/what=changed/side="+c.Side, 1, bench.In(c.Live[i]*1e9, "ns/op"), bench.In(c.Server[i]*1e9, "server-ns"),
				bench.In(c.Own[i]*1e9, "client-ns"), bench.In(c.CPU[i]*1e9, "server-cpu-ns")))
		}
	}
	return rows
}

// Figures are one of first deploys and one of deploys of a change.
func (r *Report) Figures() []plot.Figure {
	first := plot.Bars{Label: "Seconds until live, median", Unit: plot.Seconds}
	for _, f := range r.First {
		colour := 0
		if discards(f.Side) {
			colour = 2
		}
		first.Bars = append(first.Bars, plot.Bar{Name: f.Side, Parts: []float64{f.Live.Median()}, Colour: colour})
	}
	changed := plot.Bars{Label: "Seconds until live, median", Unit: plot.Seconds, Parts: []plot.Key{{Name: "with the server", Colour: 0, Area: true}, {Name: "the client's own", Colour: 2, Area: true}}}
	for _, c := range r.Changed {
		changed.Bars = append(changed.Bars, plot.Bar{Name: c.Side, Parts: []float64{c.Server.Median(), c.Own.Median()}})
	}
	return []plot.Figure{
		{ID: "deployfirst", Title: fmt.Sprintf("First deploy of %s files", plot.Whole(int64(r.Files))), Chart: first,
			Note: "The limit is wrangler and a server that only discards."},
		{ID: "deploychanged", Title: fmt.Sprintf("One file of %s changed", plot.Whole(int64(r.Files))), Chart: changed},
	}
}

// Goals are about the time until the command ended: what counts against Berth is all of it.
func (r *Report) Goals() (goals []bench.Goal) {
	for _, f := range r.First {
		if discards(f.Side) {
			continue
		}
		_, command := r.Ratios(f)
		g := bench.Reaching(fmt.Sprintf("first deploy of %s files by %s, against wrangler and a server that discards", plot.Whole(int64(r.Files)), f.Side), bench.AsFactor, 1.3, 0, command)
		if len(command) == 0 {
			g = g.Because("without wrangler there is no limit; see --wrangler")
		}
		goals = append(goals, g)
	}
	return goals
}

package router

import (
	"fmt"
	"strings"

	"berth/bench"
	"berth/migrate/report/plot"
)

// Rows are the measurements.
func (r *LookupReport) Rows() (rows []bench.Row) {
	for _, s := range r.Sizes {
		row := func(kind string, n int, v float64) {
			rows = append(rows, bench.Measured(fmt.Sprintf("Lookup/deployments=%d/kind=%s", s.Deployments, kind), n, bench.In(v, "ns/op")))
		}
		for _, of := range []struct {
			kind string
			n    int
			ns   bench.Sample
		}{{"hit", sliceHits, s.Hit}, {"unknown", sliceHits, s.Unknown}, {"cached", hotHosts, s.Cached}, {"warm", sliceReads, s.Warm}} {
			for _, v := range of.ns {
				row(of.kind, of.n, v)
			}
		}
		for _, of := range []struct {
			kind string
			ns   []float64
		}{{"warm-wall", s.WarmReads}, {"warm-bare", s.BareWarm}, {"dropped", s.Dropped}, {"dropped-bare", s.BareDropped}} {
			if len(of.ns) > 0 {
				rows = append(rows, bench.Measured(fmt.Sprintf("Lookup/deployments=%d/kind=%s", s.Deployments, of.kind), len(of.ns),
					bench.In(quantile(sorted(of.ns), 0.5), "ns/op"), bench.In(quantile(sorted(of.ns), 0.99), "p99-ns")))
			}
		}
		rows = append(rows, bench.Measured(fmt.Sprintf("Lookup/deployments=%d/storage", s.Deployments), s.Hosts, bench.In(s.RouteBytes, "B/host")))
	}
	return rows
}

func (r *LookupReport) String() string {
	var b strings.Builder
	b.WriteString("Finding a host (medians)\n")
	var s bench.Sheet
	s.Add("deployments", "hit", "unknown host", "read, cached block", "read, warm pages", "the same, wall", "bare read", "read, no pages", "bare read", "blocks read", "disk for a route")
	for _, x := range r.Sizes {
		s.Add(plot.Whole(int64(x.Deployments)), bench.NS(x.Hit.Median()), bench.NS(x.Unknown.Median()), bench.NS(x.Cached.Median()), bench.NS(x.Warm.Median()),
			median(x.WarmReads), median(x.BareWarm), median(x.Dropped), median(x.BareDropped), number(x.DroppedBlocks, x.Dropped), fmt.Sprintf("%.1f B", x.RouteBytes))
	}
	b.WriteString(s.String())
	b.WriteString("  A bare read is one of 4 KiB from the same files, without a database: what is left if all else were free.\n")
	return b.String()
}

func median(v []float64) string {
	if len(v) == 0 {
		return "–"
	}
	return bench.NS(quantile(sorted(v), 0.5))
}

func number(v float64, of []float64) string {
	if len(of) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", v)
}

// Goals are those of the largest size, against the smallest where it is said so.
func (r *LookupReport) Goals() []bench.Goal {
	if len(r.Sizes) == 0 {
		return nil
	}
	few, many := r.Sizes[0], r.Sizes[len(r.Sizes)-1]
	among := " among " + plot.Whole(int64(many.Deployments)) + " hosts"
	goals := []bench.Goal{
		bench.Reaching("look-up"+among+", hit", bench.AsTime, 500, 250, many.Hit),
		bench.Reaching("the same, against "+plot.Whole(int64(few.Deployments))+" hosts", bench.AsFactor, 1.1, 0, bench.Sample{many.Hit.Median() / few.Hit.Median()}),
		bench.Reaching("look-up"+among+", store read, warm", bench.AsTime, 5000, 2000, many.Warm),
	}
	if len(many.Dropped) > 0 {
		goals = append(goals, bench.Reaching("look-up"+among+", store read, page cache dropped, median", bench.AsTime, 150e3, 60e3, bench.Sample{quantile(sorted(many.Dropped), 0.5)}))
	}
	return append(goals, bench.Reaching("routing storage for a host"+among+", compacted", bench.AsSize, 45, 36, bench.Sample{many.RouteBytes}))
}

// Figures are the times by the number of deployments.
func (r *LookupReport) Figures() []plot.Figure {
	l := plot.Lines{X: plot.Axis{Label: "Deployments", Log: true}, Y: plot.Axis{Label: "Time to find a host, median", Unit: plot.Seconds, Log: true}}
	for i, of := range []struct {
		name string
		ns   func(*LookupSize) float64
	}{
		{"from the cache", func(s *LookupSize) float64 { return s.Hit.Median() }},
		{"unknown host", func(s *LookupSize) float64 { return s.Unknown.Median() }},
		{"from the store, pages in memory", func(s *LookupSize) float64 { return s.Warm.Median() }},
		{"from the store, no pages", func(s *LookupSize) float64 { return quantile(sorted(s.Dropped), 0.5) }},
	} {
		line := plot.Series{Name: of.name, Dots: true, Colour: i}
		for _, s := range r.Sizes {
			line.Points = append(line.Points, plot.Point{X: float64(s.Deployments), Y: of.ns(s) / 1e9})
		}
		l.Series = append(l.Series, line)
	}
	return []plot.Figure{{ID: "lookup", Title: "Finding a host", Note: "Flat is good: a host costs the same however many there are.", Chart: l}}
}

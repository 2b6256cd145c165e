package report

import (
	"fmt"
	"math"
	"slices"
	"time"

	"berth/migrate/report/plot"
)

// The colours of the two sides, the same in every figure.
const (
	hashedColour = 0
	legacyColour = 1
)

func sideColour(side string) int {
	if side == "hashed" {
		return hashedColour
	}
	return legacyColour
}

// maxSpans, maxMarks and the like bound what a page draws, however much it is given: the newest stays.
const (
	maxSpans    = 200
	maxMarks    = 24
	maxClasses  = 12
	maxExamples = 50
	maxLog      = 200
	maxNames    = 100
)

func newest[T any](all []T, most int) []T { return all[max(0, len(all)-most):] }
func first[T any](all []T, most int) []T  { return all[:min(len(all), most)] }

func (d *Data) figures() []plot.Figure {
	return []plot.Figure{
		d.timeline(), d.progress(), d.rate(), d.percentiles(), d.latency(), d.diffs(), d.failures(), d.storage(), d.caches(), d.cacheUse(),
	}
}

func (d *Data) timeline() plot.Figure {
	t := plot.Timeline{Label: "Phase", Rows: first(d.Phases, maxClasses)}
	for _, s := range newest(d.Spans, maxSpans) {
		row := slices.Index(t.Rows, s.Phase)
		if row < 0 || s.From.IsZero() {
			continue
		}
		to, open := s.To, s.To.IsZero()
		if open {
			to = d.Generated
		}
		t.Spans = append(t.Spans, plot.Span{Row: row, From: plot.Unix(s.From), To: plot.Unix(to), Open: open, Note: join(s.Who, s.Why)})
	}
	return plot.Figure{ID: "phases", Title: "Phases", Chart: t, Empty: "No migration has begun.",
		Note: "A bar that is paler goes on. A step back is a bar farther up."}
}

func join(who, why string) string {
	if why == "" {
		return who
	}
	return who + ": " + why
}

func line(s Series) []plot.Point {
	out := make([]plot.Point, 0, len(s.Points))
	for _, p := range newest(s.Points, 2*SeriesPoints) {
		out = append(out, plot.Point{X: plot.Unix(p.At), Y: p.Value})
	}
	return out
}

func overTime() plot.Axis { return plot.Axis{Label: "Time", Unit: plot.Time} }

// marks are the beginnings of phases, for the figures over time.
func (d *Data) marks() []plot.Mark {
	var out []plot.Mark
	for _, s := range newest(d.Spans, maxMarks) {
		out = append(out, plot.Mark{X: plot.Unix(s.From), Name: s.Phase})
	}
	return out
}

func (d *Data) progress() plot.Figure {
	p := d.Progress
	note := fmt.Sprintf("%s of %s entries, %s records written, %s were there already.", plot.Whole(p.Done), plot.Whole(p.Total), plot.Whole(p.Written), plot.Whole(p.Present))
	return plot.Figure{ID: "progress", Title: "Copied", Note: note, Empty: "Nothing has been copied yet.", Chart: plot.Lines{
		X: overTime(), Y: plot.Axis{Label: "Entries that were looked at", Max: float64(p.Total)}, Marks: d.marks(),
		Series: []plot.Series{{Name: "entries", Points: line(p.DoneOver), Colour: hashedColour}},
	}}
}

func (d *Data) rate() plot.Figure {
	return plot.Figure{ID: "rate", Title: "Rate", Empty: "Nothing has been copied yet.", Chart: plot.Lines{
		X: overTime(), Y: plot.Axis{Label: "Entries a second"}, Marks: d.marks(),
		Series: []plot.Series{{Name: "entries a second", Points: line(d.Progress.RateOver), Colour: hashedColour}},
	}}
}

func (d *Data) percentiles() plot.Figure {
	l := plot.Lines{X: plot.Axis{Label: "Share of the answers", Unit: plot.Quantile}, Y: plot.Axis{Label: "Time to answer, at most", Unit: plot.Seconds, Log: true}}
	for _, side := range first(d.Latency, 2) {
		s := plot.Series{Name: fmt.Sprintf("%s (%s answers)", side.Side, plot.Whole(int64(side.Count))), Colour: sideColour(side.Side), Dots: true}
		for _, q := range first(side.Quantiles, 64) {
			s.Points = append(s.Points, plot.Point{X: q.Share, Y: q.Took.Seconds()})
		}
		l.Series = append(l.Series, s)
	}
	return plot.Figure{ID: "percentiles", Title: "Latency of both sides", Note: "Of finding the deployment, without serving it. Lower is better.", Chart: l,
		Empty: "No request has been answered since the start."}
}

func (d *Data) latency() plot.Figure {
	l := plot.Lines{X: overTime(), Y: plot.Axis{Label: "Time to answer", Unit: plot.Seconds, Log: true}, Marks: d.marks()}
	for _, side := range first(d.Latency, 2) {
		colour := sideColour(side.Side)
		l.Series = append(l.Series, plot.Series{Name: side.Side + ", median", Points: line(side.MedianOver), Colour: colour},
			plot.Series{Name: side.Side + ", p99", Points: line(side.P99Over), Colour: colour, Dashed: true})
	}
	return plot.Figure{ID: "latency", Title: "Latency over time", Chart: l, Empty: "No request has been answered since the start."}
}

func (d *Data) diffs() plot.Figure {
	colours := []int{3, 1, 4, 5, 2}
	l := plot.Lines{X: overTime(), Y: plot.Axis{Label: "Diffs, since the beginning of the epoch"}, Marks: d.marks()}
	for i, c := range first(d.Diffs.Classes, maxClasses) {
		l.Series = append(l.Series, plot.Series{Name: fmt.Sprintf("%s (%s)", c.Name, plot.Whole(int64(c.Count))), Points: line(c.Over),
			Colour: colours[i%len(colours)], Steps: true, Dashed: i >= len(colours)})
	}
	note := fmt.Sprintf("%s answers were compared, %s agree.", plot.Whole(int64(d.Diffs.Compared)), plot.Whole(int64(d.Diffs.Agree)))
	return plot.Figure{ID: "diffs", Title: "Where the sides disagree", Note: note, Chart: l, Empty: "Nothing has been compared yet."}
}

func (d *Data) failures() plot.Figure {
	b := plot.Bars{Label: "Entries without a record"}
	for _, f := range first(d.Failures, maxClasses) {
		note := ""
		if f.Retries > 0 {
			note = plot.Whole(f.Retries) + " to be retried"
		}
		b.Bars = append(b.Bars, plot.Bar{Name: f.Class, Parts: []float64{float64(f.Count)}, Note: note, Colour: 3})
	}
	return plot.Figure{ID: "failures", Title: "What could not be copied", Chart: b, Empty: "No entry has failed."}
}

func (d *Data) storage() plot.Figure {
	b := plot.Bars{Label: "Bytes on disk", Unit: plot.Bytes, Parts: []plot.Key{
		{Name: "tables", Colour: 1}, {Name: "their index", Colour: 5}, {Name: "route records", Colour: 0}}}
	for _, r := range []struct {
		name string
		Routing
	}{{"before", d.Storage.Before}, {"after", d.Storage.After}} {
		if !r.Measured {
			continue
		}
		note := ""
		if d.Storage.Deployments > 0 {
			note = fmt.Sprintf("%.1f B a deployment", float64(r.sum())/float64(d.Storage.Deployments))
		}
		b.Bars = append(b.Bars, plot.Bar{Name: r.name, Note: note, Parts: []float64{float64(r.Tables), float64(r.Index), float64(r.Routes)}})
	}
	return plot.Figure{ID: "storage", Title: "Storage for routing", Note: d.Storage.verdict(), Chart: b, Empty: "Measured when the tables are deleted."}
}

// verdict says by how much storage changed, whichever way.
func (s Storage) verdict() string {
	if !s.Before.Measured || !s.After.Measured || s.Before.sum() == 0 {
		return ""
	}
	change := 1 - float64(s.After.sum())/float64(s.Before.sum())
	if change < 0 {
		return fmt.Sprintf("%.1f %% more than before.", -100*change)
	}
	return fmt.Sprintf("%.1f %% less than before.", 100*change)
}

func (d *Data) caches() plot.Figure {
	l := plot.Lines{X: overTime(), Y: plot.Axis{Label: "Questions answered from the cache", Unit: plot.Share, Max: 1}, Marks: d.marks()}
	for _, c := range first(d.Caches, 2) {
		l.Series = append(l.Series, plot.Series{Name: c.Side, Points: line(c.HitRateOver), Colour: sideColour(c.Side)})
	}
	return plot.Figure{ID: "hitrate", Title: "Hit rates of the caches", Chart: l, Empty: "No request has been answered since the start."}
}

func (d *Data) cacheUse() plot.Figure {
	b := plot.Bars{Label: "Memory of the caches", Unit: plot.Bytes}
	for _, c := range first(d.Caches, 2) {
		hits := math.NaN()
		if n := c.Hits + c.Misses; n > 0 {
			hits = float64(c.Hits) / float64(n)
		}
		b.Bars = append(b.Bars, plot.Bar{Name: c.Side, Parts: []float64{float64(c.Bytes)}, Note: plot.Share.Format(hits) + " hits", Colour: sideColour(c.Side)})
	}
	return plot.Figure{ID: "caches", Title: "Caches", Chart: b, Empty: "There is nothing in the caches."}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

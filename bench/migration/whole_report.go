package migration

import (
	"fmt"
	"strings"
	"time"

	"berth/bench"
	"berth/migrate/report/plot"
)

// Rate is deployments a second.
func (r *WholeReport) rate(s WholeStep) float64 { return float64(r.Deployments) / s.Took.Seconds() }

func (r *WholeReport) each(d time.Duration) float64 {
	return float64(d.Nanoseconds()) / 1e3 / float64(r.Deployments)
}

// line tells of a step as soon as it is over.
func (r *WholeReport) line(s WholeStep) string {
	return fmt.Sprintf("%s: %v, %s a second, %.2f µs of processor time each, at most %s of memory, %s on disk", s.Name, s.Took.Round(time.Second/10),
		plot.Whole(int64(r.rate(s))), r.each(s.CPU), plot.Bytes.Format(float64(s.Peak)), plot.Bytes.Format(float64(s.Disk)))
}

// total sums up what is the migration's: all but the preparation.
func (r *WholeReport) total() (t WholeStep) {
	t.Name = "import, backfill and verify"
	for _, s := range r.Steps {
		if s.Name != stepPrepare {
			t.Took, t.CPU = t.Took+s.Took, t.CPU+s.CPU
			t.Peak, t.Disk = max(t.Peak, s.Peak), s.Disk
		}
	}
	return t
}

func (r *WholeReport) Rows() (rows []bench.Row) {
	for _, s := range append(r.Steps, r.total()) {
		name := strings.NewReplacer(" ", "-", ":", "", ",", "").Replace(s.Name)
		rows = append(rows, bench.Measured(fmt.Sprintf("Whole/deployments=%d/step=%s", r.Deployments, name), r.Deployments,
			bench.In(float64(s.Took.Nanoseconds())/float64(r.Deployments), "ns/op"), bench.In(r.rate(s), "entries/s"), bench.In(r.each(s.CPU), "cpu-µs/entry"),
			bench.In(float64(s.Peak), "peak-RSS-B"), bench.In(float64(s.Disk), "disk-B")))
	}
	return rows
}

func (r *WholeReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "A whole migration of %s deployments in %s projects, the largest of %s; one run\n", plot.Whole(int64(r.Deployments)), plot.Whole(int64(r.Projects)), plot.Whole(int64(r.Largest)))
	var s bench.Sheet
	s.Add("", "took", "deployments a second", "processor time each", "memory, at most", "on disk then")
	for _, x := range append(r.Steps, r.total()) {
		s.Add(x.Name, x.Took.Round(time.Second/10).String(), plot.Whole(int64(r.rate(x))), fmt.Sprintf("%.2f µs", r.each(x.CPU)),
			plot.Bytes.Format(float64(x.Peak)), plot.Bytes.Format(float64(x.Disk)))
	}
	b.WriteString(s.String())
	b.WriteString("  Every host agrees in the end. Not compacted. Processor time includes writing the exports, which are read as they are written.\n")
	return b.String()
}

func (r *WholeReport) Figures() []plot.Figure {
	took := plot.Bars{Label: "Time", Unit: plot.Seconds}
	memory := plot.Bars{Label: "Resident memory, at most", Unit: plot.Bytes}
	for _, s := range r.Steps {
		took.Bars = append(took.Bars, plot.Bar{Name: s.Name, Parts: []float64{s.Took.Seconds()}, Note: plot.Whole(int64(r.rate(s))) + " a second"})
		memory.Bars = append(memory.Bars, plot.Bar{Name: s.Name, Parts: []float64{float64(s.Peak)}, Colour: 2})
	}
	note := fmt.Sprintf("%s deployments in %s projects.", plot.Whole(int64(r.Deployments)), plot.Whole(int64(r.Projects)))
	return []plot.Figure{{ID: "whole", Title: "A whole migration", Note: note, Chart: took}, {ID: "wholememory", Title: "Memory of a whole migration", Note: note, Chart: memory}}
}

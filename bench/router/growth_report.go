package router

import (
	"fmt"
	"strings"

	"berth/bench"
	"berth/migrate/report/plot"
)

var operations = [...]string{opLookup, opDeploy, opFirst, opLast, opWalk, opProjects, opRemove, opSweep, opFsck, opDrop}

// sides of the comparison.
func (r *GrowthReport) sides() []growthSide {
	return []growthSide{{"many", "in projects of up to 1,400", r.Many}, {"one", "all in one project", r.One}}
}

type growthSide struct {
	key, name string
	sizes     []*GrowthSize
}

// Rows are the measurements.
func (r *GrowthReport) Rows() (rows []bench.Row) {
	for _, side := range r.sides() {
		for _, s := range side.sizes {
			for _, op := range operations {
				for i, v := range s.Took[op] {
					name := strings.NewReplacer(" ", "-", ",", "").Replace(op)
					rows = append(rows, bench.Measured(fmt.Sprintf("Growth/projects=%s/deployments=%d/op=%s", side.key, s.Deployments, name), 1, bench.In(v, "ns/op"), bench.In(s.Spent[op][i], "cpu-ns/op")))
				}
			}
		}
	}
	return rows
}

func (r *GrowthReport) String() string {
	var b strings.Builder
	for _, side := range r.sides() {
		if len(side.sizes) == 0 {
			continue
		}
		fmt.Fprintf(&b, "Processor time by the number of deployments, %s (medians)\n", side.name)
		var t bench.Sheet
		head := []string{""}
		for _, s := range side.sizes {
			head = append(head, plot.Whole(int64(s.Deployments)))
		}
		t.Add(append(head, "most / least")...)
		for _, op := range operations {
			row := []string{op}
			for _, s := range side.sizes {
				row = append(row, bench.NS(s.Spent[op].Median()))
			}
			first, last := side.sizes[0], side.sizes[len(side.sizes)-1]
			t.Add(append(row, bench.Times(last.Spent[op].Median()/first.Spent[op].Median()))...)
		}
		b.WriteString(t.String())
	}
	return b.String()
}

// Figures are a plot of each side.
func (r *GrowthReport) Figures() (out []plot.Figure) {
	for _, side := range r.sides() {
		l := plot.Lines{X: plot.Axis{Label: "Deployments", Log: true}, Y: plot.Axis{Label: "Processor time, median", Unit: plot.Seconds, Log: true}}
		for i, op := range operations {
			line := plot.Series{Name: op, Dots: true, Colour: i % plot.Colours, Dashed: i >= plot.Colours}
			for _, s := range side.sizes {
				line.Points = append(line.Points, plot.Point{X: float64(s.Deployments), Y: s.Spent[op].Median() / 1e9})
			}
			l.Series = append(l.Series, line)
		}
		out = append(out, plot.Figure{ID: "growth" + side.key, Title: "Growth, " + side.name, Note: "Flat is good.", Chart: l})
	}
	return out
}

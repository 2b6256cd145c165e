package cold

import (
	"fmt"
	"strings"

	"berth/bench"
	"berth/migrate/report/plot"
)

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "First request for a deployment of %s files among %s hosts, page cache dropped; milliseconds, median (least–most)\n",
		plot.Whole(int64(r.Files)), plot.Whole(int64(r.Hosts)))
	head := []string{""}
	for _, k := range r.Kinds {
		head = append(head, k.Kind)
	}
	s := bench.Sheet{head}
	row := func(name string, of func(k *Kind) bench.Sample) {
		cells := []string{name}
		for i := range r.Kinds {
			cells = append(cells, milliseconds(of(&r.Kinds[i])).String())
		}
		s.Add(cells...)
	}
	row("by HTTP", func(k *Kind) bench.Sample { return k.HTTP })
	row("steps together", func(k *Kind) bench.Sample { return k.Total })
	for i, step := range r.Kinds[0].Steps {
		row("  "+step.Name, func(k *Kind) bench.Sample { return k.Steps[i].Took })
	}
	row("the manifest's bytes, read and nothing more", func(k *Kind) bench.Sample { return k.Bare })
	row("steps together, first requests of a process", func(k *Kind) bench.Sample { return k.Fresh })
	b.WriteString(s.String())
	return b.String()
}

func milliseconds(s bench.Sample) (ms bench.Sample) {
	for _, v := range s {
		ms = append(ms, v*1e3)
	}
	return ms
}

// Rows has one a request.
func (r *Report) Rows() (rows []bench.Row) {
	for _, k := range r.Kinds {
		name := fmt.Sprintf("Cold/hosts=%d/files=%d/kind=%s", r.Hosts, r.Files, k.Kind)
		for i := range k.Total {
			rows = append(rows, bench.Measured(name+"/by=steps", 1, bench.In(k.Total[i]*1e9, "ns/op")))
		}
		for _, v := range k.Bare {
			rows = append(rows, bench.Measured(name+"/by=bare-read", 1, bench.In(v*1e9, "ns/op"), bench.In(float64(k.Bytes), "bytes")))
		}
		for _, v := range k.HTTP {
			rows = append(rows, bench.Measured(name+"/by=http", 1, bench.In(v*1e9, "ns/op")))
		}
	}
	return rows
}

// Figures is one, of the steps.
func (r *Report) Figures() []plot.Figure {
	bars := plot.Bars{Label: "Time of a first request by its steps, medians", Unit: plot.Seconds}
	for i, k := range r.Kinds {
		bar := plot.Bar{Name: k.Kind}
		for j, step := range k.Steps {
			if i == 0 {
				bars.Parts = append(bars.Parts, plot.Key{Name: step.Name, Colour: j, Area: true})
			}
			bar.Parts = append(bar.Parts, step.Took.Median())
		}
		bars.Bars = append(bars.Bars, bar)
	}
	return []plot.Figure{{ID: "cold", Title: "First request for a deployment", Chart: bars,
		Note: fmt.Sprintf("%s files, %s hosts, nothing of the data in the page cache.", plot.Whole(int64(r.Files)), plot.Whole(int64(r.Hosts)))}}
}

// Goals are about what the server does, by its steps.
func (r *Report) Goals() (goals []bench.Goal) {
	for _, k := range r.Kinds {
		nanoseconds := make(bench.Sample, len(k.Total))
		for i, v := range k.Total {
			nanoseconds[i] = v * 1e9
		}
		what := fmt.Sprintf("first request for a deployment of %s files (%s), page cache dropped", plot.Whole(int64(r.Files)), k.Kind)
		goals = append(goals, bench.Reaching(what, bench.AsTime, 5e6, 0, nanoseconds))
	}
	return goals
}

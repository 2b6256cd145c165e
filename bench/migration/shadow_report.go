package migration

import (
	"fmt"
	"strings"

	"berth/bench"
	"berth/migrate/report/plot"
)

func (r *ShadowReport) Rows() (rows []bench.Row) {
	for i, own := range []bench.Sample{r.Without, r.With} {
		name, all := []string{"0", "100"}[i], []bench.Sample{r.AllWithout, r.AllWith}[i]
		for k := range own {
			rows = append(rows, bench.Measured("Shadow/percent="+name, 1, bench.In(own[k], "ns/op"), bench.In(all[k], "cpu-ns/op")))
		}
		for _, t := range r.tails() {
			for _, v := range t.P999[i] {
				rows = append(rows, bench.Measured("ShadowSlowTables/asked="+t.key+"/percent="+name, int(t.N[i]), bench.In(v, "p99.9-ns")))
			}
		}
	}
	return rows
}

type namedTail struct {
	key, name string
	Tail
}

func (r *ShadowReport) tails() []namedTail {
	return []namedTail{{"router", "the answers", r.Asked}, {"http", "the answers over HTTP", r.HTTP}}
}

func signed(v float64) string {
	if v > 0 {
		return "+" + bench.NS(v)
	}
	return bench.NS(v)
}

func (r *ShadowReport) String() string {
	var b strings.Builder
	b.WriteString("Shadow reads of every request, hashed answers (median of the rounds)\n")
	var s bench.Sheet
	s.Add("", "without", "with", "")
	added := r.With.Median() - r.Without.Median()
	s.Add("the asker's own time a request", bench.NS(r.Without.Median()), bench.NS(r.With.Median()), signed(added))
	s.Add("processor time a request, all cores", bench.NS(r.AllWithout.Median()), bench.NS(r.AllWith.Median()), bench.Times(r.AllWith.Median()/r.AllWithout.Median()))
	for _, t := range r.tails() {
		without, with := t.P999[0].Median(), t.P999[1].Median()
		s.Add(fmt.Sprintf("p99.9 of %s, tables that take %v", t.name, r.Slow), bench.NS(without), bench.NS(with), bench.Times(with/without))
	}
	b.WriteString(s.String())
	share := 0.0
	if r.Sampled > 0 {
		share = 100 * float64(r.Dropped) / float64(r.Sampled)
	}
	fmt.Fprintf(&b, "  A second question to the tables takes %s. The asker never waits: %.1f %% of the samples found the queue full; no answer differed.\n", bench.NS(r.Second), share)
	return b.String()
}

func (r *ShadowReport) Figures() []plot.Figure {
	own := plot.Bars{Label: "The asker's own time a request", Unit: plot.Seconds, Bars: []plot.Bar{
		{Name: "without shadow reads", Parts: []float64{r.Without.Median() / 1e9}}, {Name: "every request shadowed", Parts: []float64{r.With.Median() / 1e9}},
		{Name: "the tables, asked directly", Parts: []float64{r.Second / 1e9}, Colour: 1}}}
	figures := []plot.Figure{{ID: "shadow", Title: "Shadow reads of every request", Chart: own, Note: "What the one who is answered pays; the second question is asked by others."}}
	for i, title := range []string{"Nobody waits for slow tables", "Nor over HTTP"} {
		t := r.tails()[i]
		tail := plot.Lines{X: plot.Axis{Label: "Share of the answers", Unit: plot.Quantile}, Y: plot.Axis{Label: "Time to answer, at most", Unit: plot.Seconds, Log: true},
			Series: []plot.Series{{Name: "without shadow reads", Points: t.Curve[0], Dots: true}, {Name: "every request shadowed", Points: t.Curve[1], Dots: true, Dashed: true, Colour: 2}}}
		figures = append(figures, plot.Figure{ID: "shadowtail-" + t.key, Title: title, Chart: tail, Note: fmt.Sprintf("The side that is asked a second time takes %v for each question.", r.Slow)})
	}
	return figures
}

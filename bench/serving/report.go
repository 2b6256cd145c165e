package serving

import (
	"fmt"
	"slices"
	"strings"

	"berth/bench"
	"berth/bench/machine"
	"berth/migrate/report/plot"
)

// Report is what was found.
type Report struct {
	Config      Config
	Cores       machine.Cores
	Skipped     []string
	Comparisons []Comparison
}

// counted are the turns that nobody disturbed, or all of them if those are less than half.
func (s *Series) counted() (slots []Slot, noisy bool) {
	for _, sl := range s.Slots {
		if !sl.Disturbed {
			slots = append(slots, sl)
		}
	}
	if 2*len(slots) < len(s.Slots) {
		return s.Slots, true
	}
	return slots, false
}

func (s *Series) sample(of func(Slot) float64) (v bench.Sample) {
	slots, _ := s.counted()
	for _, sl := range slots {
		v = append(v, of(sl))
	}
	return v
}

// PerRequest is CPU time for a request, in nanoseconds.
func (s *Series) PerRequest() bench.Sample { return s.sample(Slot.PerRequest) }

func (c *Comparison) side(name string) *Series {
	for i := range c.Sides {
		if c.Sides[i].Side == name {
			return &c.Sides[i]
		}
	}
	return nil
}

// Better is how many times Berth's CPU time for a request another side takes; 0 if one of them was not measured.
func (c *Comparison) Better(than string) float64 {
	us, them := c.side(sideBerth), c.side(than)
	if us == nil || them == nil {
		return 0
	}
	return them.PerRequest().Median() / us.PerRequest().Median()
}

func (c *Comparison) title() string {
	return fmt.Sprintf("%s of %s, %s headers", bytesName(c.Size), c.hostsName(), c.Headers)
}

func (c *Comparison) hostsName() string {
	if c.Name == "uniform" {
		return fmt.Sprintf("all %s sites alike", plot.Whole(int64(c.Hosts)))
	}
	return fmt.Sprintf("%s hot hosts", plot.Whole(int64(c.Hosts)))
}

func bytesName(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// Rows are all turns, disturbed ones too, by a name of their own.
func (r *Report) Rows() (rows []bench.Row) {
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		for _, s := range c.Sides {
			for _, sl := range s.Slots {
				name := fmt.Sprintf("Serve/hosts=%s/size=%s/headers=%s/side=%s", c.Name, c.File, c.Headers, s.Side)
				if sl.Disturbed {
					name = "Disturbed" + name
				}
				rows = append(rows, bench.Measured(name, int(sl.Requests), bench.In(sl.PerRequest(), "cpu-ns/op"), bench.In(sl.Rate(), "req/s"),
					bench.In(float64(sl.P50), "p50-ns"), bench.In(float64(sl.P99), "p99-ns"), bench.In(float64(sl.P999), "p999-ns")))
			}
		}
	}
	return rows
}

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "CPU time of the server for a request (median of %d turns, least to most), %d connections\n", r.Config.Rounds, r.Config.Conns)
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		fmt.Fprintf(&b, "\n%s\n", c.title())
		var s bench.Sheet
		s.Add("", "CPU/request", "against berth", "requests/s", "p50", "p99", "p99.9", "server busy", "wrk busy", "others", "turns", "")
		for k := range c.Sides {
			s.Add(c.row(&c.Sides[k])...)
		}
		b.WriteString(s.String())
	}
	return b.String()
}

func (c *Comparison) row(s *Series) []string {
	slots, noisy := s.counted()
	cpu := s.PerRequest()
	against := "–"
	if x := c.Better(s.Side); x > 0 && s.Side != sideBerth {
		against = bench.Times(x)
	}
	var notes []string
	if noisy {
		notes = append(notes, "DISTURBED")
	}
	if s.sample(Slot.ServerShare).Median() < 0.9 && s.sample(Slot.LoadShare).Median() > 0.9 {
		notes = append(notes, "waits for wrk")
	}
	errors := int64(0)
	for _, sl := range s.Slots {
		errors += sl.Errors
	}
	if errors > 0 {
		notes = append(notes, fmt.Sprintf("%d ERRORS", errors))
	}
	return []string{s.Side,
		fmt.Sprintf("%s (%s–%s)", bench.NS(cpu.Median()), bench.NS(slices.Min(cpu)), bench.NS(slices.Max(cpu))), against,
		plot.Whole(int64(s.sample(Slot.Rate).Median())),
		bench.NS(s.sample(func(sl Slot) float64 { return float64(sl.P50) }).Median()),
		bench.NS(s.sample(func(sl Slot) float64 { return float64(sl.P99) }).Median()),
		bench.NS(s.sample(func(sl Slot) float64 { return float64(sl.P999) }).Median()),
		percent(s.sample(Slot.ServerShare).Median()), percent(s.sample(Slot.LoadShare).Median()),
		percent(s.sample(func(sl Slot) float64 { return sl.Others }).Median()), fmt.Sprintf("%d/%d", len(slots), len(s.Slots)), strings.Join(notes, ", ")}
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

// Figures are CPU time by side, one for each comparison.
func (r *Report) Figures() (figures []plot.Figure) {
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		bars := plot.Bars{Unit: plot.Seconds, Label: "CPU time for a request"}
		for k := range c.Sides {
			s := &c.Sides[k]
			colour := 1
			if strings.HasPrefix(s.Side, sideBerth) {
				colour = 0
			}
			bars.Bars = append(bars.Bars, plot.Bar{Name: s.Side, Parts: []float64{s.PerRequest().Median() / 1e9}, Colour: colour})
		}
		figures = append(figures, plot.Figure{ID: fmt.Sprintf("serve%s%s%s", c.Name, c.File, c.Headers), Title: c.title(), Note: "Lower is better.", Chart: bars})
	}
	return figures
}

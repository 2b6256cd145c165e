package serving

import (
	"cmp"
	"fmt"
	"strings"

	"berth/bench"
	"berth/bench/machine"
	"berth/migrate/report/plot"
)

// Report is what was found.
type Report struct {
	Config      Config
	Cores       machine.Cores
	Skipped     []string // sides that are not measured, and why
	Comparisons []Comparison
}

// Rows are all turns, disturbed ones too, by a name of their own.
func (r *Report) Rows() (rows []bench.Row) {
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		for _, s := range c.Sides {
			for _, sl := range s.Slots {
				rows = append(rows, sl.row(fmt.Sprintf("Serve/hosts=%s/size=%s/headers=%s/load=%s/side=%s", c.Name, c.File, c.Headers, c.Load, s.Side)))
			}
		}
	}
	return rows
}

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "CPU time of the server for a request: median of %d turns of %v, least to most. %d connections.\n", r.Config.Rounds, r.Config.Slot, r.Config.Conns)
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		fmt.Fprintf(&b, "\n%s\n", c.title())
		var s bench.Sheet
		s.Add("", "CPU/request", "", "of berth's", "", "requests/s", "p50", "p99", "p99.9", "server busy", "load busy", "others", "turns", "")
		for k := range c.Sides {
			s.Add(c.row(&c.Sides[k])...)
		}
		b.WriteString(s.String())
		if len(c.Allocations) > 0 {
			fmt.Fprintf(&b, "  berth's allocations for a request: %v\n", c.Allocations)
		}
	}
	return b.String()
}

func (c *Comparison) row(s *Series) []string {
	slots, _ := s.counted()
	cpu := s.sample(Slot.PerRequest)
	low, high := cpu.Range()
	row := []string{s.Side, bench.NS(cpu.Median()), fmt.Sprintf("%s–%s", bench.NS(low), bench.NS(high))}
	if x := c.Better(s.Side); s.Side != sideBerth && len(x) > 0 {
		low, high := x.Range()
		row = append(row, bench.Times(x.Median()), fmt.Sprintf("%.3g–%.3g", low, high))
	} else {
		row = append(row, "–", "")
	}
	return append(row, plot.Whole(int64(s.median(Slot.Rate))),
		bench.NS(s.median(slotP50)), bench.NS(s.median(slotP99)), bench.NS(s.median(slotP999)),
		percent(s.median(Slot.ServerShare)), percent(s.median(Slot.LoadShare)),
		percent(s.median(func(sl Slot) float64 { return sl.Others })), fmt.Sprintf("%d/%d", len(slots), len(s.Slots)), strings.Join(s.remarks(), ", "))
}

// remarks say why a row is to be read with care.
func (s *Series) remarks() (notes []string) {
	if _, noisy := s.counted(); noisy {
		notes = append(notes, "DISTURBED")
	}
	if s.median(Slot.ServerShare) < 0.9 && s.median(Slot.LoadShare) > 0.9 {
		notes = append(notes, "waits for the load")
	}
	errors, fault := int64(0), ""
	for _, sl := range s.Slots {
		errors, fault = errors+sl.Errors, cmp.Or(fault, sl.Fault)
	}
	if errors > 0 {
		notes = append(notes, strings.TrimSpace(fmt.Sprintf("%d ERRORS %s", errors, fault)))
	}
	return notes
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

// Figures are CPU time, one for each comparison.
func (r *Report) Figures() (figures []plot.Figure) {
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		bars := plot.Bars{Unit: plot.Seconds, Label: "CPU time for a request"}
		for k := range c.Sides {
			s := &c.Sides[k]
			bars.Bars = append(bars.Bars, plot.Bar{Name: s.Side, Parts: []float64{s.median(Slot.PerRequest) / 1e9}, Colour: colour(s.Side)})
		}
		figures = append(figures, plot.Figure{ID: "serve" + c.Name + c.File + c.Headers + c.Load, Title: c.title(), Note: "Lower is better.", Chart: bars})
	}
	return figures
}

// colour tells Berth, what somebody would use instead, and what nobody would.
func colour(side string) int {
	switch side {
	case sideBerth, sideOther:
		return 0
	case sideConstant, sideEpoll:
		return 5
	}
	return 1
}

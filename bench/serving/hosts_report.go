package serving

import (
	"fmt"
	"slices"
	"strings"

	"berth/bench"
	"berth/migrate/report/plot"
)

func (r *HostsReport) all() []Comparison { return slices.Concat(r.Hot, r.Spread) }

// Rows are all turns.
func (r *HostsReport) Rows() (rows []bench.Row) {
	for _, c := range r.all() {
		for _, s := range c.Sides {
			for _, sl := range s.Slots {
				rows = append(rows, sl.row(fmt.Sprintf("Hosts/asked=%s/deployed=%s", c.Name, strings.ReplaceAll(s.Side, ",", ""))))
			}
		}
	}
	return rows
}

func (r *HostsReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "What a request costs by the number of hosts deployed: median of %d turns of %v, least to most\n", r.Config.Rounds, r.Config.Slot)
	for _, c := range r.all() {
		fmt.Fprintf(&b, "\n%s\n", c.hostsName())
		var s bench.Sheet
		s.Add("hosts deployed", "CPU/request", "", "requests/s", "p50", "p99", "p99.9", "turns", "")
		for k := range c.Sides {
			x := &c.Sides[k]
			slots, _ := x.counted()
			cpu := x.sample(Slot.PerRequest)
			low, high := cpu.Range()
			s.Add(x.Side, bench.NS(cpu.Median()), fmt.Sprintf("%s–%s", bench.NS(low), bench.NS(high)), plot.Whole(int64(x.median(Slot.Rate))),
				bench.NS(x.median(slotP50)), bench.NS(x.median(slotP99)), bench.NS(x.median(slotP999)), fmt.Sprintf("%d/%d", len(slots), len(x.Slots)), strings.Join(x.remarks(), ", "))
		}
		b.WriteString(s.String())
	}
	return b.String()
}

// curve is a figure of each turn.
type curve struct {
	name string
	of   func(Slot) float64
}

// Figures are curves over the number of hosts.
func (r *HostsReport) Figures() []plot.Figure {
	return []plot.Figure{
		r.figure("hostscpu", "CPU time for a request, by hosts deployed", plot.Axis{Label: "CPU time for a request", Unit: plot.Seconds},
			curve{"", func(s Slot) float64 { return s.PerRequest() / 1e9 }}),
		r.figure("hostsrate", "Requests a second, by hosts deployed", plot.Axis{Label: "Requests a second"}, curve{"", Slot.Rate}),
		r.figure("hostslatency", "Latency under full load, by hosts deployed", plot.Axis{Label: "Latency", Unit: plot.Seconds, Log: true},
			curve{"p50", func(s Slot) float64 { return s.P50.Seconds() }}, curve{"p99", func(s Slot) float64 { return s.P99.Seconds() }}),
	}
}

func (r *HostsReport) figure(id, title string, y plot.Axis, curves ...curve) plot.Figure {
	l := plot.Lines{X: plot.Axis{Label: "Hosts deployed", Log: true}, Y: y}
	for i, c := range r.all() {
		for k, line := range curves {
			s := plot.Series{Name: strings.TrimSpace(c.asked() + " " + line.name), Colour: i, Dashed: k > 0, Dots: true}
			for n := range c.Sides {
				s.Points = append(s.Points, plot.Point{X: numberOf(c.Sides[n].Side), Y: c.Sides[n].median(line.of)})
			}
			l.Series = append(l.Series, s)
		}
	}
	return plot.Figure{ID: id, Title: title, Chart: l}
}

func (c *Comparison) asked() string {
	if c.Name == hotHosts {
		return "hot hosts"
	}
	return "all alike"
}

func numberOf(whole string) (n float64) {
	for _, d := range strings.ReplaceAll(whole, ",", "") {
		n = 10*n + float64(d-'0')
	}
	return n
}

// Notes say what is asked for.
func (r *HostsReport) Notes() []string {
	return []string{fmt.Sprintf("A server for each number of hosts, asked by turns on one core by the own generator. Hot: %d hosts. All alike: hosts from everywhere, up to %s of them, each of which was asked for "+
		"once before: of some 17,000 such the answers are kept within the memory that Berth takes unless told otherwise, and the others' files are opened and read.", r.Config.Sites.Hot, plot.Whole(spreadOver))}
}

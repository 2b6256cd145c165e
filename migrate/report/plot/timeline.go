package plot

import (
	"fmt"
	"strings"
)

// Timeline shows what was going on when: a row for each name, a bar for each time.
type Timeline struct {
	Label string
	Rows  []string // in their order
	Spans []Span
}

// Span is one bar, from and to in seconds since 1970 (Unix).
type Span struct {
	Row      int
	From, To float64
	Note     string
	Open     bool // it goes on
}

func (t Timeline) empty() bool   { return len(t.Spans) == 0 }
func (t Timeline) legend() []Key { return nil }

func (t Timeline) name(row int) string {
	if row < 0 || row >= len(t.Rows) {
		return "?"
	}
	return t.Rows[row]
}

func (s Span) took() string {
	if s.Open {
		return Seconds.Format(s.To-s.From) + " so far"
	}
	return Seconds.Format(s.To - s.From)
}

func (t Timeline) about() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.", t.Label)
	for i, s := range t.Spans {
		if i == maxRows {
			fmt.Fprintf(&b, " And %d more.", len(t.Spans)-i)
			break
		}
		fmt.Fprintf(&b, " %s %s, %s.", t.name(s.Row), span(s.From, s.To), s.took())
	}
	return b.String()
}

func (t Timeline) table() Table {
	out := Table{Head: []string{t.Label, "from (UTC)", "to", "for", ""}}
	for _, s := range t.Spans {
		to := Time.Format(s.To)
		if s.Open {
			to = "–"
		}
		out.Rows = append(out.Rows, []string{t.name(s.Row), Time.Format(s.From), to, s.took(), s.Note})
	}
	return out
}

const rowHeight = 24

func (t Timeline) draw(c *canvas) {
	left := 0.0
	for _, r := range t.Rows {
		left = max(left, textWidth(r, textSize))
	}
	left = min(left, c.width*0.4)
	x := scale{unit: Time, from: left + gap, to: c.width - rightEdge, lo: t.Spans[0].From, hi: t.Spans[0].To}
	for _, s := range t.Spans {
		x.lo, x.hi = min(x.lo, s.From), max(x.hi, s.To)
	}
	if x.lo == x.hi {
		x.lo, x.hi = around(&x)
	}
	for i, r := range t.Rows {
		y := float64(i * rowHeight)
		c.line("grid", x.from, y+rowHeight/2, x.to, y+rowHeight/2)
		c.text(0, y+rowHeight/2+4, start, "name", r, left)
	}
	for _, s := range t.Spans {
		if s.Row < 0 || s.Row >= len(t.Rows) {
			continue
		}
		from, to := x.at(s.From), x.at(s.To)
		to = max(to, from+3) // also a moment can be seen
		title := fmt.Sprintf("%s %s, %s", t.name(s.Row), span(s.From, s.To), s.took())
		class := "area c0"
		if s.Open {
			class = "area c0 open"
		}
		c.rect(class, min(from, x.to-3), float64(s.Row*rowHeight)+5, to-from, rowHeight-10, title)
	}
	bottom := float64(len(t.Rows) * rowHeight)
	c.xAxis(&x, bottom, Axis{Label: t.Label, Unit: Time})
	c.height = bottom + below
}

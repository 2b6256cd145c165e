package plot

import "math"

// frame is the two scales of a drawing.
type frame struct{ x, y scale }

const (
	gap       = 8  // between a label and what it stands at
	tickRoom  = 14 // least distance of two labels
	rightEdge = 10
	// below is what an axis takes below its line. Its labels stand a whole line under the lowest one beside it.
	below = 2*lineHeight + 4 + gap
)

// frame draws the axes with their labels, and the marks, and says where values are.
func (l Lines) frame(c *canvas) frame {
	xs, ys := l.bounds()
	height := 190.0
	if c.width < wide {
		height = 170
	}
	top := float64(lineHeight + gap)
	if len(l.Marks) > 0 {
		top += lineHeight
	}
	y := scale{unit: l.Y.Unit, log: l.Y.Log, from: top + height, to: top}
	y.lo, y.hi = nice(&y, ys[0], max(ys[1], l.Y.Max), 5)
	ticks := y.ticks(5)
	left := 0.0
	for _, t := range ticks {
		left = max(left, textWidth(t.text, textSize))
	}
	left += gap
	x := scale{unit: l.X.Unit, log: l.X.Log, lo: xs[0], hi: max(xs[1], l.X.Max), from: left, to: c.width - rightEdge}
	if x.lo == x.hi { // one moment: give it room
		x.lo, x.hi = around(&x)
	}
	c.height = top + height + below
	c.text(0, lineHeight-4, start, "axis", l.Y.Label, c.width)
	for _, t := range ticks {
		at := y.at(t.v)
		c.line("grid", left, at, x.to, at)
		c.text(left-gap, at+4, end, "tick", t.text, left)
	}
	c.xAxis(&x, y.from, l.X)
	c.marks(l.Marks, &x, y.to, y.from)
	return frame{x, y}
}

// nice widens a range to round values; a linear one begins at 0.
func nice(s *scale, lo, hi float64, n int) (float64, float64) {
	if s.log {
		base := 10.0
		if s.unit == Bytes {
			base = 2
		}
		down, up := math.Floor(math.Log(lo)/math.Log(base)+1e-9), math.Ceil(math.Log(hi)/math.Log(base)-1e-9)
		if down == up {
			up++
		}
		return math.Pow(base, down), math.Pow(base, up)
	}
	s.lo, s.hi = min(lo, 0), max(hi, 0)
	if s.lo == s.hi {
		return 0, 1
	}
	step := s.step(n)
	hi = math.Ceil(s.hi/step-1e-9) * step
	if s.unit == Share && s.hi <= 1 {
		hi = min(hi, 1)
	}
	return math.Floor(s.lo/step+1e-9) * step, hi
}

func around(s *scale) (lo, hi float64) {
	if s.log {
		return s.lo / 2, s.hi * 2
	}
	d := max(math.Abs(s.lo)/2, 1)
	if s.unit == Time {
		d = 30
	}
	return s.lo - d, s.hi + d
}

// xAxis draws an axis below. A label that would come too near to the one before it is left out.
func (c *canvas) xAxis(s *scale, bottom float64, a Axis) {
	c.line("base", s.from, bottom, s.to, bottom)
	widest := 0.0
	for _, t := range s.ticks(4) {
		widest = max(widest, textWidth(t.text, textSize))
	}
	free := math.Inf(-1)
	for _, t := range s.ticks(int((s.to - s.from) / (widest + 2*tickRoom))) {
		at := s.at(t.v)
		c.line("base", at, bottom, at, bottom+4)
		w := textWidth(t.text, textSize)
		left := max(min(at-w/2, c.width-w), 0)
		if left < free {
			continue
		}
		free = left + w + tickRoom
		c.text(left+w/2, bottom+lineHeight+4, middle, "tick", t.text, c.width)
	}
	label := a.Label
	if s.unit == Time {
		label += " (" + timeNote(s) + ")"
	}
	c.text(c.width, bottom+2*lineHeight+4, end, "axis", label, c.width)
}

// timeNote names the day that an axis begins on, because its labels are hours.
func timeNote(s *scale) string { return "UTC, from " + Time.Format(s.lo)[:len(Time.Format(s.lo))-3] }

// marks draws vertical lines; the name of one that has no room is told by pointing at the line.
func (c *canvas) marks(ms []Mark, s *scale, top, bottom float64) {
	free := math.Inf(-1)
	for _, m := range ms {
		if m.X < s.lo || m.X > s.hi {
			continue
		}
		at := s.at(m.X)
		c.b.WriteString("<g>")
		c.b.WriteString("<title>" + escape(m.Name+", "+s.unit.Format(m.X)) + "</title>")
		c.line("mark", at, top-4, at, bottom)
		c.b.WriteString("</g>")
		w := textWidth(m.Name, textSize)
		if left := min(at-2, c.width-w); left >= free && left >= 0 {
			c.text(left, top-gap, start, "note", m.Name, w)
			free = left + w + tickRoom
		}
	}
}

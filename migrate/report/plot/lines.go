package plot

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Lines are series over a common axis.
type Lines struct {
	X, Y    Axis
	Series  []Series
	Stacked bool   // the series are parts of a whole, drawn on top of each other; they have the same X
	Marks   []Mark // moments or places that explain the lines
}

// Axis says what is measured along it.
type Axis struct {
	Label string
	Unit  Unit
	Log   bool    // values of 0 and less are not drawn
	Max   float64 // the least upper end; 0: what the values need
}

// Series is one line. A Y that is no number (NaN) is a gap.
type Series struct {
	Name   string
	Points []Point
	Colour int // of Colours; equal colours belong together
	Dashed bool
	Dots   bool // each point is a measurement of its own
	Steps  bool // a value holds until the next one
}

// Point is one value.
type Point struct{ X, Y float64 }

// Mark is a vertical line with a name.
type Mark struct {
	X    float64
	Name string
}

func (l Lines) empty() bool {
	for _, s := range l.Series {
		if slices.ContainsFunc(s.Points, l.drawable) {
			return false
		}
	}
	return true
}

func (l Lines) drawable(p Point) bool {
	if math.IsNaN(p.X+p.Y) || math.IsInf(p.X+p.Y, 0) {
		return false
	}
	return !(l.X.Log && p.X <= 0) && !(l.Y.Log && p.Y <= 0)
}

func (l Lines) legend() []Key {
	var keys []Key
	for _, s := range l.Series {
		keys = append(keys, Key{Name: s.Name, Colour: s.Colour, Dashed: s.Dashed, Area: l.Stacked})
	}
	return keys
}

func (l Lines) about() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s by %s.", l.Y.Label, l.X.Label)
	for _, s := range l.Series {
		ps := slices.DeleteFunc(slices.Clone(s.Points), func(p Point) bool { return !l.drawable(p) })
		if len(ps) == 0 {
			fmt.Fprintf(&b, " %s: no values.", s.Name)
			continue
		}
		lo, hi := ps[0], ps[0]
		for _, p := range ps {
			if p.Y < lo.Y {
				lo = p
			}
			if p.Y > hi.Y {
				hi = p
			}
		}
		first, last := ps[0], ps[len(ps)-1]
		fmt.Fprintf(&b, " %s: %s at %s, %s at %s, lowest %s, highest %s.", s.Name, l.Y.Unit.Format(first.Y), l.X.Unit.Format(first.X),
			l.Y.Unit.Format(last.Y), l.X.Unit.Format(last.X), l.Y.Unit.Format(lo.Y), l.Y.Unit.Format(hi.Y))
	}
	return b.String()
}

func (l Lines) table() Table {
	t := Table{Head: []string{l.X.Label}}
	rows := map[float64][]string{}
	var xs []float64
	for i, s := range l.Series {
		t.Head = append(t.Head, s.Name)
		for _, p := range s.Points {
			if math.IsNaN(p.X) {
				continue
			}
			if rows[p.X] == nil {
				rows[p.X] = make([]string, len(l.Series))
				xs = append(xs, p.X)
			}
			rows[p.X][i] = l.Y.Unit.Format(p.Y)
		}
	}
	slices.Sort(xs)
	for _, x := range xs {
		t.Rows = append(t.Rows, append([]string{l.X.Unit.Format(x)}, rows[x]...))
	}
	return t
}

// bounds is the range of the values on both axes.
func (l Lines) bounds() (x, y [2]float64) {
	x, y = [2]float64{math.Inf(1), math.Inf(-1)}, [2]float64{math.Inf(1), math.Inf(-1)}
	for _, s := range l.tops() {
		for _, p := range s {
			if l.drawable(p) {
				x = [2]float64{min(x[0], p.X), max(x[1], p.X)}
				y = [2]float64{min(y[0], p.Y), max(y[1], p.Y)}
			}
		}
	}
	return x, y
}

// tops are the points of the series; stacked, each on top of those before it.
func (l Lines) tops() [][]Point {
	out := make([][]Point, len(l.Series))
	for i, s := range l.Series {
		out[i] = s.Points
		if !l.Stacked || i == 0 {
			continue
		}
		out[i] = slices.Clone(s.Points)
		for j := range min(len(out[i]), len(out[i-1])) {
			out[i][j].Y += out[i-1][j].Y
		}
	}
	return out
}

func (l Lines) draw(c *canvas) {
	f := l.frame(c)
	if l.Stacked {
		l.drawAreas(c, f)
		return
	}
	for _, s := range l.Series {
		class := fmt.Sprintf("line c%d", colour(s.Colour))
		if s.Dashed {
			class += " dashed"
		}
		c.path(class, l.trace(f, s.Points, s.Steps))
		for _, p := range s.Points {
			if s.Dots && l.drawable(p) {
				title := fmt.Sprintf("%s: %s at %s", s.Name, l.Y.Unit.Format(p.Y), l.X.Unit.Format(p.X))
				c.dot(fmt.Sprintf("dot c%d", colour(s.Colour)), f.x.at(p.X), f.y.at(p.Y), title)
			}
		}
	}
}

// trace is a path through the points, with gaps.
func (l Lines) trace(f frame, ps []Point, steps bool) string {
	var b strings.Builder
	pen := "M"
	for i, p := range ps {
		if !l.drawable(p) {
			pen = "M"
			continue
		}
		x, y := f.x.at(p.X), f.y.at(p.Y)
		if steps && pen == "L" {
			fmt.Fprintf(&b, "L%s %s", num(x), num(f.y.at(ps[i-1].Y)))
		}
		fmt.Fprintf(&b, "%s%s %s", pen, num(x), num(y))
		pen = "L"
	}
	return b.String()
}

func (l Lines) drawAreas(c *canvas, f frame) {
	tops := l.tops()
	for i := len(tops) - 1; i >= 0; i-- { // from the top down: each covers the lower part of the one above
		ps := slices.DeleteFunc(slices.Clone(tops[i]), func(p Point) bool { return !l.drawable(p) })
		if len(ps) == 0 {
			continue
		}
		ground := num(f.y.at(f.y.lo))
		d := fmt.Sprintf("%sL%s %sL%s %sZ", l.trace(f, ps, l.Series[i].Steps), num(f.x.at(ps[len(ps)-1].X)), ground, num(f.x.at(ps[0].X)), ground)
		c.path(fmt.Sprintf("area c%d", colour(l.Series[i].Colour)), d)
	}
}

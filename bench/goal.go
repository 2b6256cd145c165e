package bench

import (
	"fmt"
	"math"

	"berth/migrate/report/plot"
)

// Form says how a figure is written.
type Form string

// Forms.
const (
	AsRatio  Form = "ratio"  // how many times better; more is better
	AsRate   Form = "rate"   // things a second; more is better
	AsTime   Form = "time"   // nanoseconds; less is better
	AsSize   Form = "size"   // bytes; less is better
	AsNumber Form = "number" // of things; less is better
	AsFactor Form = "factor" // by how much something grows; less is better
	AsShare  Form = "share"  // 0 to 1; less is better
)

func (f Form) more() bool { return f == AsRatio || f == AsRate }

func (f Form) write(v float64) string {
	switch f {
	case AsRate:
		return plot.Whole(int64(v)) + "/s"
	case AsTime:
		return NS(v)
	case AsSize:
		return plot.Bytes.Format(v)
	case AsNumber:
		return fmt.Sprintf("%.3g", v)
	case AsShare:
		return plot.Share.Format(v)
	}
	return Times(v)
}

// Goal is something that was promised, and what was found.
type Goal struct {
	What string
	Form Form
	// Must be reached; Stretch would be better still. 0 of a Stretch: there is none.
	Must, Stretch float64
	Found         Sample // one for each round, all in favour of nobody; none: not measured
	Why           string // it was not measured, or what else is to be known
}

// Reaching makes a goal that is a bound on the median of what was found.
func Reaching(what string, form Form, must, stretch float64, found Sample) Goal {
	return Goal{What: what, Form: form, Must: must, Stretch: stretch, Found: found}
}

// Because adds what is to be known of it.
func (g Goal) Because(why string) Goal {
	g.Why = why
	return g
}

// Verdict is "stretch", "reached", "missed", with how far, or "not measured".
func (g Goal) Verdict() string {
	if len(g.Found) == 0 {
		return "not measured"
	}
	v := g.Found.Median()
	switch {
	case g.Stretch != 0 && g.within(v, g.Stretch):
		return "stretch"
	case g.within(v, g.Must):
		return "reached"
	case g.Must == 0:
		return missed
	}
	return fmt.Sprintf("%s by %.0f %%", missed, 100*math.Abs(v-g.Must)/g.Must)
}

func (g Goal) within(v, bound float64) bool {
	if g.Form.more() {
		return v >= bound
	}
	return v <= bound
}

// cells are the goal as a row of a table.
func (g Goal) cells() []string {
	sign := "≤ "
	if g.Form.more() {
		sign = "≥ "
	}
	stretch := "–"
	if g.Stretch != 0 {
		stretch = sign + g.Form.write(g.Stretch)
	}
	found := "–"
	if len(g.Found) > 0 {
		found = g.Form.write(g.Found.Median())
		if low, high := g.Found.Range(); low != high {
			found += fmt.Sprintf(" (%s–%s)", g.Form.write(low), g.Form.write(high))
		}
	}
	what := g.What
	if g.Why != "" {
		what += " (" + g.Why + ")"
	}
	return []string{what, sign + g.Form.write(g.Must), stretch, found, g.Verdict()}
}

// GoalTable is goals as text, "" of none.
func GoalTable(goals []Goal) string {
	if len(goals) == 0 {
		return ""
	}
	var s Sheet
	s.Add(goalHead()...)
	for _, g := range goals {
		s.Add(g.cells()...)
	}
	return s.String() + "\n"
}

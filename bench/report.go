package bench

import (
	"fmt"
	"io"
	"strings"

	"berth/migrate/report/plot"
)

// Report is what a workload found.
type Report interface {
	fmt.Stringer            // the table, with its ratios
	Rows() []Row            // every single measurement
	Figures() []plot.Figure // what can be drawn of it
}

// Reports are several as one.
type Reports []Report

func (rs Reports) String() string {
	var texts []string
	for _, r := range rs {
		texts = append(texts, r.String())
	}
	return strings.Join(texts, "\n")
}

// Rows are those of all.
func (rs Reports) Rows() (rows []Row) {
	for _, r := range rs {
		rows = append(rows, r.Rows()...)
	}
	return rows
}

// Figures are those of all.
func (rs Reports) Figures() (figures []plot.Figure) {
	for _, r := range rs {
		figures = append(figures, r.Figures()...)
	}
	return figures
}

// Goals are those of all.
func (rs Reports) Goals() (goals []Goal) {
	for _, r := range rs {
		if j, ok := r.(Judged); ok {
			goals = append(goals, j.Goals()...)
		}
	}
	return goals
}

// Notes are those of all.
func (rs Reports) Notes() (notes []string) {
	for _, r := range rs {
		if n, ok := r.(Noted); ok {
			notes = append(notes, n.Notes()...)
		}
	}
	return notes
}

// Row is one measurement, a line of Go's benchmark format.
type Row struct {
	Name   string // "Resolve/deployments=100/side=each"
	N      int
	Values []Value
}

// Value is a figure with its unit.
type Value struct {
	Of   float64
	Unit string
}

// Measured makes a Row.
func Measured(name string, n int, values ...Value) Row { return Row{name, n, values} }

// In makes a Value.
func In(of float64, unit string) Value { return Value{of, unit} }

// WriteRows writes measurements so that benchstat can read them.
func WriteRows(w io.Writer, rows []Row) error {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "Benchmark%s\t%d", r.Name, max(r.N, 1))
		for _, v := range r.Values {
			fmt.Fprintf(&b, "\t%s %s", number(v.Of), v.Unit)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func number(v float64) string {
	if v == float64(int64(v)) {
		return fmt.Sprintf("%d", int64(v))
	}
	return fmt.Sprintf("%.4f", v)
}

// NS writes a duration of that many nanoseconds.
func NS(v float64) string { return plot.Seconds.Format(v / 1e9) }

// Times writes a ratio.
func Times(v float64) string {
	if v >= 100 {
		return plot.Whole(int64(v+0.5)) + "×"
	}
	return fmt.Sprintf("%.3g×", v)
}

// Sheet is a table of aligned columns; the first is text, the others numbers.
type Sheet [][]string

// Add appends a row.
func (s *Sheet) Add(cells ...string) { *s = append(*s, cells) }

func (s Sheet) String() string {
	var widths []int
	for _, row := range s {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	var b strings.Builder
	for _, row := range s {
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(c)))
			if i == 0 {
				b.WriteString("  " + c + pad)
				continue
			}
			b.WriteString("  " + pad + c)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

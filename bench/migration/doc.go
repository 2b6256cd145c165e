// Package migration measures what moving from the tables of the old design to route records gains and costs: the time to find a
// deployment, the hit rates of caches of one size, bytes on disk, the speed of the backfill, and what shadow reads cost the
// requests that are served meanwhile. Both sides of a comparison run in one invocation, by turns, over the same seeded corpus.
package migration

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"berth/migrate/report/plot"
)

// Report is what a workload found.
type Report interface {
	fmt.Stringer            // the table, with its ratios
	Rows() []Row            // every single measurement
	Figures() []plot.Figure // what can be drawn of it
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

// ns writes a duration of that many nanoseconds.
func ns(v float64) string { return plot.Seconds.Format(v / 1e9) }

// times writes a ratio.
func times(v float64) string {
	if v >= 100 {
		return plot.Whole(int64(v+0.5)) + "×"
	}
	return fmt.Sprintf("%.3g×", v)
}

// sheet writes aligned columns; the first is text, the others numbers.
type sheet [][]string

func (s *sheet) add(cells ...string) { *s = append(*s, cells) }

func (s sheet) String() string {
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

// stratified returns n numbers of [0, size), of which also the first few are spread evenly: successive multiples of the golden section.
func stratified(n, size int) []int {
	const section = 0.6180339887498949
	out := make([]int, n)
	at := 0.5
	for i := range out {
		out[i] = min(int(at*float64(size)), size-1)
		if at += section; at >= 1 {
			at--
		}
	}
	return out
}

func sortedCopy[T cmp.Ordered](v []T) []T { return slices.Sorted(slices.Values(v)) }

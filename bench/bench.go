// Package bench measures Berth: each workload is a Config and a Run, works on seeded corpora, runs both sides of a
// comparison in one invocation, and prints medians with their spread.
package bench

import (
	"fmt"
	"slices"
)

// Sample is a series of measurements of one figure.
type Sample []float64

// Median is the middle value, 0 of none.
func (s Sample) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

// Range is the smallest and the largest value.
func (s Sample) Range() (least, most float64) {
	if len(s) == 0 {
		return 0, 0
	}
	return slices.Min(s), slices.Max(s)
}

// String is the median with the smallest and the largest value: on a shared machine the spread says how far to trust it.
func (s Sample) String() string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.4g (%.4g–%.4g)", s.Median(), slices.Min(s), slices.Max(s))
}

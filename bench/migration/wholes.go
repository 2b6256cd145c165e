package migration

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"berth/bench"
	"berth/migrate/report/plot"
)

// Wholes are whole migrations of several sizes, one after the other.
type Wholes []*WholeReport

// RunWholes runs one of each size.
func RunWholes(ctx context.Context, c WholeConfig, deployments []int) (all Wholes, err error) {
	for _, c.Deployments = range slices.Sorted(slices.Values(deployments)) {
		r, err := Whole(ctx, c)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func (w Wholes) Rows() (rows []bench.Row) {
	for _, r := range w {
		rows = append(rows, r.Rows()...)
	}
	return rows
}

func (w Wholes) String() string {
	var tables []string
	for _, r := range w {
		tables = append(tables, r.String())
	}
	return strings.Join(tables, "\n")
}

// Figures are of the largest.
func (w Wholes) Figures() []plot.Figure {
	if len(w) == 0 {
		return nil
	}
	return w[len(w)-1].Figures()
}

// Goals are those of each, and that the memory of the backfill does not grow.
func (w Wholes) Goals() (goals []bench.Goal) {
	for _, r := range w {
		goals = append(goals, r.Goals()...)
	}
	if len(w) > 1 {
		few, many := w[0], w[len(w)-1]
		goals = append(goals, bench.Reaching(fmt.Sprintf("memory of the backfill of %s deployments, against %s", plot.Whole(int64(many.Deployments)), plot.Whole(int64(few.Deployments))),
			bench.AsFactor, flatMemory, 0, bench.Sample{float64(many.peakOf(stepBackfill)) / float64(few.peakOf(stepBackfill))}))
	}
	return goals
}

func (r *WholeReport) peakOf(step string) int64 {
	for _, s := range r.Steps {
		if s.Name == step {
			return s.Peak
		}
	}
	return 0
}

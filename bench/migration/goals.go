package migration

import (
	"fmt"

	"berth/bench"
	"berth/migrate/report/plot"
)

// Goals are those of 10,000 deployments in a project, and that the hash does not grow.
func (r *ResolveReport) Goals() (goals []bench.Goal) {
	const at, ofEach, ofOnce, flat = 10_000, 100_000, 1_000, 1.1
	for _, s := range r.Sizes {
		if s.Deployments != at {
			continue
		}
		goals = append(goals,
			bench.Reaching(fmt.Sprintf("finding one of %s deployments, against tables parsed for each request", plot.Whole(at)), bench.AsRatio, ofEach, 0, s.times(sideEach)),
			bench.Reaching("the same, against tables parsed once", bench.AsRatio, ofOnce, 0, s.times(sideOnce)))
	}
	if len(r.Sizes) > 1 {
		few, many := r.Sizes[0], r.Sizes[len(r.Sizes)-1]
		goals = append(goals, bench.Reaching(fmt.Sprintf("the hash at %s deployments against %s", plot.Whole(int64(many.Deployments)), plot.Whole(int64(few.Deployments))),
			bench.AsFactor, flat, 0, bench.Sample{many.median(sideHashed) / few.median(sideHashed)}))
	}
	return goals
}

// times is how many times as long as the hash a side takes, by rounds.
func (s *ResolveSize) times(side string) (ratios bench.Sample) {
	var of, hashed bench.Sample
	for _, x := range s.Sides {
		switch x.Side {
		case side:
			of = x.NS
		case sideHashed:
			hashed = x.NS
		}
	}
	for i := range min(len(of), len(hashed)) {
		ratios = append(ratios, of[i]/hashed[i])
	}
	return ratios
}

// Goals says how much lower the hit rate of records ever is.
func (r *HitRateReport) Goals() []bench.Goal {
	worst := 0.0
	for _, l := range r.Lines {
		worst = max(worst, l.Hits[0]-l.Hits[2], l.Hits[1]-l.Hits[2])
	}
	return []bench.Goal{bench.Reaching("by how much records are ever hit less than tables, in a cache of the same bytes", bench.AsShare, 0, 0, bench.Sample{worst})}
}

// Goals is the size of a record.
func (r *StorageReport) Goals() []bench.Goal {
	return []bench.Goal{bench.Reaching("routing storage for a deployment, compacted, by Pebble with compression", bench.AsSize, 45, 36, bench.Sample{float64(r.Routes) / float64(r.Deployments)})}
}

// flatMemory is how many times as much memory the most entries may take as the fewest.
const flatMemory = 1.5

// Goals are the rate at the largest number, and how memory grows with it.
func (r *BackfillReport) Goals() (goals []bench.Goal) {
	if len(r.Runs) == 0 {
		return nil
	}
	few, many := r.Runs[0], r.Runs[len(r.Runs)-1]
	goals = append(goals, bench.Reaching(fmt.Sprintf("backfill of %s entries", plot.Whole(int64(many.Entries))), bench.AsRate, 150_000, 0, many.First.Rate))
	if len(r.Runs) > 1 {
		goals = append(goals, bench.Reaching(fmt.Sprintf("its memory, against %s entries", plot.Whole(int64(few.Entries))), bench.AsFactor, flatMemory, 0,
			bench.Sample{float64(many.Peak) / float64(few.Peak)}))
	}
	return goals
}

// Goals is the memory of the hungriest step of those that are a migration's.
func (r *WholeReport) Goals() []bench.Goal {
	peak := int64(0)
	for _, s := range r.Steps {
		if s.Name != stepPrepare {
			peak = max(peak, s.Peak)
		}
	}
	return []bench.Goal{bench.Reaching(fmt.Sprintf("memory of a whole migration of %s deployments, at its peak", plot.Whole(int64(r.Deployments))), bench.AsSize, 2<<30, 0, bench.Sample{float64(peak)})}
}

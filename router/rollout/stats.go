package rollout

import (
	"sync/atomic"
	"time"
)

// SideStats are what one side answered since the start.
type SideStats struct {
	Asked   uint64 // answers, errors included
	NoRoute uint64 // of those, hosts that it does not know
	Errors  uint64 // of those, failures; a request whose client gave up is not counted at all
	Latency Latencies
}

// Since returns what s has over an earlier state.
func (s SideStats) Since(earlier SideStats) SideStats {
	return SideStats{
		Asked: s.Asked - earlier.Asked, NoRoute: s.NoRoute - earlier.NoRoute, Errors: s.Errors - earlier.Errors,
		Latency: s.Latency.Since(earlier.Latency),
	}
}

// SideCounter counts the answers of one side. The zero value is ready; Count takes no lock and allocates nothing.
type SideCounter struct {
	latency         Histogram // each answer is in it, so it counts them too
	noRoute, errors atomic.Uint64
}

// Count notes one answer.
func (c *SideCounter) Count(took time.Duration, noRoute, failed bool) {
	c.latency.Observe(took)
	switch {
	case noRoute:
		c.noRoute.Add(1)
	case failed:
		c.errors.Add(1)
	}
}

// Stats returns the counts so far, read one by one. Latencies come last, so that errors are never more than answers.
func (c *SideCounter) Stats() SideStats {
	s := SideStats{NoRoute: c.noRoute.Load(), Errors: c.errors.Load()}
	s.Latency = c.latency.Latencies()
	s.Asked = s.Latency.Count
	return s
}

// FallbackStats are what became of questions that hashed had no route for.
type FallbackStats struct {
	Answered   uint64 // by the tables, after all: hosts that hashed is missing
	Hosts      uint64 // of those, the ones that were reported; each host once in a while
	Agreed     uint64 // the tables had no route either
	Remembered uint64 // not asked: they had none a moment ago
	Shed       uint64 // not asked: over the bound, ErrShed
	Failed     uint64 // the tables could not be asked
	Unreported uint64 // hosts that found the queue of reports full
}

// Stats is everything that a Switch counts.
type Stats struct {
	Hashed, Legacy SideStats // as the side that answers; the tables' part as fallback is in Fallback
	Fallback       FallbackStats
	Index          IndexStats
}

// Stats returns the counts so far.
func (s *Switch) Stats() Stats {
	return Stats{
		Hashed: s.hashed.counts.Stats(), Legacy: s.legacy.counts.Stats(),
		Fallback: s.fallback.stats(), Index: s.index.Stats(),
	}
}

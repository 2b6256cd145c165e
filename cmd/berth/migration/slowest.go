package migration

import (
	"sync"
	"time"

	"berth/router/rollout"
)

const (
	slowWindow = 2 * time.Second
	// slowSample is how many requests a window must have before its slowest hundredth says anything.
	slowSample = 200
)

// slowest follows the 99th percentile of the time that requests waited for a router: that is where they meet the store, and so where a
// job that does too much is felt first. Its zero value is ready.
type slowest struct {
	mu             sync.Mutex // guards all
	since          time.Time
	hashed, legacy rollout.Latencies
	value          time.Duration // of the last whole window
}

// p99 returns it for whichever side was slower; 0 if too little was asked to tell.
func (s *slowest) p99(now time.Time, hashed, legacy rollout.Latencies) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.since) < slowWindow {
		return s.value
	}
	s.value = 0
	for _, l := range []rollout.Latencies{hashed.Since(s.hashed), legacy.Since(s.legacy)} {
		if l.Count >= slowSample {
			s.value = max(s.value, l.Quantile(0.99))
		}
	}
	s.since, s.hashed, s.legacy = now, hashed, legacy
	return s.value
}

func (s *Service) p99() time.Duration {
	e := s.engine.Load()
	if e == nil {
		return 0
	}
	st := e.rollout.Stats()
	return e.slowest.p99(s.deps.Now(), st.Hashed.Latency, st.Legacy.Latency)
}

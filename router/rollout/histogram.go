package rollout

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Buckets are sixteen to each doubling: a bucket is at most 6.25 % wide, and within it quantiles are interpolated.
const (
	subBits      = 4
	sub          = 1 << subBits
	maxDuration  = 1<<38 - 1 // about 4.5 minutes; whatever took longer counts as that
	bucketCount  = (38-subBits-1)*sub + 2*sub
	histogramsIn = 8 // copies that cores share out among them
)

// Histogram counts durations. Observe takes no lock and allocates nothing; the zero value is ready.
type Histogram struct {
	copies [histogramsIn][bucketCount]atomic.Uint64
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	h.copies[rand.Uint32()%histogramsIn][bucketOf(d)].Add(1)
}

func bucketOf(d time.Duration) int {
	v := uint64(min(max(d, 0), maxDuration))
	if v < sub {
		return int(v)
	}
	e := bits.Len64(v) - subBits - 1
	return e*sub + int(v>>e)
}

// bucketStart is the least duration of a bucket; that of the next one is where it ends.
func bucketStart(i int) float64 {
	if i < 2*sub {
		return float64(i)
	}
	e := i/sub - 1
	return float64(uint64(i-e*sub) << e)
}

// Latencies are the counts of a Histogram at one moment, or what came between two.
type Latencies struct {
	Count  uint64
	counts []uint64 // by bucket; nil: none
}

// Latencies returns the counts so far. Observations under way may be in it or not.
func (h *Histogram) Latencies() Latencies {
	l := Latencies{counts: make([]uint64, bucketCount)}
	for c := range h.copies {
		for i := range h.copies[c] {
			n := h.copies[c][i].Load()
			l.counts[i] += n
			l.Count += n
		}
	}
	return l
}

// Since returns what l has over an earlier state of the same Histogram.
func (l Latencies) Since(earlier Latencies) Latencies {
	if earlier.counts == nil {
		return l
	}
	out := Latencies{counts: make([]uint64, bucketCount)}
	for i := range l.counts {
		if n := l.counts[i]; n > earlier.counts[i] {
			out.counts[i] = n - earlier.counts[i]
			out.Count += out.counts[i]
		}
	}
	return out
}

// Quantile returns the duration that a share q (0 to 1) of the observations did not exceed; zero if there are none.
func (l Latencies) Quantile(q float64) time.Duration {
	if l.Count == 0 {
		return 0
	}
	rank := min(max(q, 0), 1) * float64(l.Count)
	seen := 0.0
	for i, n := range l.counts {
		if n == 0 {
			continue
		}
		if next := seen + float64(n); next >= rank {
			lo, hi := bucketStart(i), bucketStart(i+1)
			return time.Duration(lo + (hi-lo)*(rank-seen)/float64(n))
		}
		seen += float64(n)
	}
	return maxDuration
}

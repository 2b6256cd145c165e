package rollout

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestBucketsCoverEveryDuration(t *testing.T) {
	for i := range bucketCount {
		lo, hi := time.Duration(bucketStart(i)), time.Duration(bucketStart(i+1))
		if bucketOf(lo) != i || bucketOf(hi-1) != i {
			t.Fatalf("bucket %d is from %d to %d; those are in %d and %d", i, lo, hi, bucketOf(lo), bucketOf(hi-1))
		}
		if i >= sub && float64(hi-lo) > float64(lo)/sub {
			t.Fatalf("bucket %d from %d is %d wide", i, lo, hi-lo)
		}
	}
	for _, d := range []time.Duration{-1, 0, maxDuration, maxDuration + 1, 1<<63 - 1} {
		if i := bucketOf(d); i < 0 || i >= bucketCount {
			t.Errorf("%d is in bucket %d", d, i)
		}
	}
}

func TestQuantilesAreClose(t *testing.T) {
	var h Histogram
	r := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	for range 50_000 {
		d := time.Duration(r.ExpFloat64() * float64(80*time.Microsecond))
		all = append(all, d)
		h.Observe(d)
	}
	slices.Sort(all)
	l := h.Latencies()
	for _, q := range []float64{0.5, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))]
		if got := l.Quantile(q); float64(got) < 0.93*float64(want) || float64(got) > 1.07*float64(want) {
			t.Errorf("p%v: %v, want about %v", 100*q, got, want)
		}
	}
	if (Latencies{}).Quantile(0.5) != 0 {
		t.Error("the median of nothing is not zero")
	}
}

func TestSinceIsAWindow(t *testing.T) {
	var c SideCounter
	for range 100 {
		c.Count(time.Millisecond, false, false)
	}
	begin := c.Stats()
	c.Count(time.Second, false, true)
	c.Count(time.Second, true, false)
	w := c.Stats().Since(begin)
	if w.Asked != 2 || w.Errors != 1 || w.NoRoute != 1 || w.Latency.Quantile(0.5) < 900*time.Millisecond {
		t.Errorf("%d asked, %d errors, %d without route, median %v", w.Asked, w.Errors, w.NoRoute, w.Latency.Quantile(0.5))
	}
	if all := c.Stats().Since(SideStats{}); all.Asked != 102 || all.Latency.Count != 102 {
		t.Errorf("since the start: %d", all.Asked)
	}
}

func TestNothingIsLostBetweenCores(t *testing.T) {
	var h Histogram
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 5000 {
				h.Observe(time.Duration(i))
			}
		})
	}
	wg.Wait()
	if n := h.Latencies().Count; n != 20_000 {
		t.Errorf("%d of 20,000", n)
	}
}

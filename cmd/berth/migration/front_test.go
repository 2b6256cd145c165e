package migration

import (
	"testing"
	"time"

	"berth/router"
	"berth/router/rollout"
)

// The edge's resolver costs a server that does not migrate nothing that can be counted.
func TestFrontAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	w.project("docs")
	q := &router.Query{Host: "docs." + domain, Path: "/"}
	r := w.svc.Resolver()
	_, _ = r.Resolve(t.Context(), q) // fill the cache
	direct := testing.AllocsPerRun(1000, func() { _, _ = w.hashed.Resolve(t.Context(), q) })
	if n := testing.AllocsPerRun(1000, func() { _, _ = r.Resolve(t.Context(), q) }); n > direct {
		t.Errorf("%v allocations, hashed alone has %v", n, direct)
	}
}

func BenchmarkRetired(b *testing.B) {
	w := newWorld(b)
	w.project("docs")
	q := &router.Query{Host: "docs." + domain, Path: "/"}
	for name, r := range map[string]router.Resolver{"resolver=hashed": w.hashed, "resolver=front": w.svc.Resolver()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.Resolve(b.Context(), q)
			}
		})
	}
}

func TestSlowest(t *testing.T) {
	var s slowest
	var hashed, legacy rollout.Histogram
	now := time.Unix(1000, 0)
	ask := func() time.Duration { return s.p99(now, hashed.Latencies(), legacy.Latencies()) }
	if got := ask(); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for range slowSample {
		hashed.Observe(time.Microsecond)
		legacy.Observe(50 * time.Millisecond)
	}
	if got := ask(); got != 0 {
		t.Errorf("before the window is over: %v", got)
	}
	now = now.Add(slowWindow)
	if got := ask(); got < 40*time.Millisecond || got > 60*time.Millisecond {
		t.Errorf("the slower side: %v", got)
	}
	for range slowSample - 1 {
		legacy.Observe(time.Second)
	}
	now = now.Add(slowWindow)
	if got := ask(); got != 0 {
		t.Errorf("of too few: %v", got)
	}
}

//go:build !race

// The race detector makes the hasher's sync.Pool drop what it is given at random.

package shadow

import (
	"context"
	"testing"

	"berth/router"
	"berth/router/rollout"
	"berth/store"
)

// fixed answers every host, without a lock.
type fixed struct{}

func (fixed) Resolve(context.Context, *router.Query) (router.Decision, error) {
	return router.Decision{Kind: store.RouteSite, Deployment: 1}, nil
}

func quiet(t testing.TB, percent float64) *Shadow {
	live, err := rollout.New(rollout.Deps{Hashed: fixed{}, Legacy: fixed{}, Hasher: testHasher},
		rollout.Options{Domain: "pages.localhost", Config: rollout.Config{Mode: rollout.ModeRamp, Percent: 5}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Deps{Live: live, Hashed: fixed{}, Legacy: fixed{}, Diffs: &kept{}}, Options{Percent: percent, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestUnsampledRequestsAllocateNothing(t *testing.T) {
	for _, percent := range []float64{0, 1e-9} {
		s := quiet(t, percent)
		q := &router.Query{Host: docs, Path: "/"}
		if n := testing.AllocsPerRun(1000, func() { _, _ = s.Resolve(t.Context(), q) }); n != 0 {
			t.Errorf("%v%%: %v allocations", percent, n)
		}
	}
}

// Nor do those that find the queue full.
func TestDroppedSamplesAllocateNothing(t *testing.T) {
	s := quiet(t, 100)
	q := &router.Query{Host: docs, Path: "/"}
	_, _ = s.Resolve(t.Context(), q)
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.Resolve(t.Context(), q) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkResolve(b *testing.B) {
	for name, percent := range map[string]float64{"share=0": 0, "share=1%": 1, "share=100%/queue=full": 100} {
		b.Run(name, func(b *testing.B) {
			s := quiet(b, percent)
			b.ReportAllocs()
			q := &router.Query{Host: docs, Path: "/"}
			for b.Loop() {
				_, _ = s.Resolve(b.Context(), q)
			}
		})
	}
}

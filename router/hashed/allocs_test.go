//go:build !race

// The race detector makes the hasher's sync.Pool drop what it is given at random.

package hashed

import (
	"testing"

	"berth/router"
)

func TestHitsAllocateNothing(t *testing.T) {
	r, set := hot(t, 5000)
	u, f := newResolver(t, empty{}, Options{}), newResolver(t, filtered{}, Options{})
	q := &router.Query{}
	for _, a := range set {
		resolve(t, u, q, a)
	}
	i := 0
	if n := testing.AllocsPerRun(3000, func() {
		i = (i + 1) % len(set)
		resolve(t, r, q, set[i])
		resolve(t, u, q, set[i])
		resolve(t, f, q, set[i])
	}); n != 0 {
		t.Errorf("%v allocations for a known host and unknown ones", n)
	}
}

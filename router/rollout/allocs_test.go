//go:build !race

// The race detector makes the hasher's sync.Pool drop what it is given at random.

package rollout

import (
	"testing"

	"berth/router"
	"berth/router/hostkey"
)

func TestRequestPathAllocatesNothing(t *testing.T) {
	for name, c := range benchConfigs() {
		s := benchSwitch(t, c)
		for what, host := range benchHosts {
			q := &router.Query{Host: host, Path: "/"}
			if n := testing.AllocsPerRun(500, func() {
				if _, err := s.Resolve(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s, %s: %v allocations", name, what, n)
			}
		}
	}
}

// A made-up label that is remembered costs no more.
func TestRememberedUnknownHostAllocatesNothing(t *testing.T) {
	s := newSwitch(t, newFake(2), newFake(1), allHashed)
	q := &router.Query{Host: hostkey.Host("made-up.docs.pages.localhost"), Path: "/"}
	if n := testing.AllocsPerRun(500, func() { _, _ = s.Resolve(t.Context(), q) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

//go:build !race

package store

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const sweepStride = 1

// Not under the race detector: there Pebble checks itself with iterators that copy what they return.
func TestLookupAllocatesNothing(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	for i := range 100 {
		update(t, s, setRoute(i))
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	known, unknown := testKey(7), testKey(7_000)
	for name, look := range map[string]func(){
		"known": func() {
			if _, err := s.LookupRoute(known); err != nil {
				t.Error(err)
			}
		},
		"unknown": func() {
			if _, err := s.LookupRoute(unknown); err != ErrNotFound {
				t.Error(err)
			}
		},
		"wildcard": func() {
			if _, err := s.LookupWildcard(known); err != ErrNotFound {
				t.Error(err)
			}
		},
	} {
		// The whole process is counted, and Pebble works in the background: the least of a few runs is the look-up's own.
		least := testing.AllocsPerRun(1000, look)
		for range 9 {
			least = min(least, testing.AllocsPerRun(1000, look))
		}
		if least != 0 {
			t.Errorf("%s: %v allocations", name, least)
		}
	}
}

package store

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestFillRoutesRefuses(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	for name, fill := range map[string][]KeyedRoute{
		"twice":   {{testKey(1), testRoute(1)}, {testKey(2), testRoute(1)}, {testKey(1), testRoute(2)}},
		"no kind": {{testKey(1), Route{Class: ClassCustom}}},
	} {
		_, err := s.Update(t.Context(), func(tx *Tx) error { _, err := tx.FillRoutes(fill); return err })
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Revision() != 0 {
		t.Errorf("revision %d", s.Revision())
	}
}

// TestFillRoutesIsLogged: what stood there before is found at an older revision.
func TestFillRoutesIsLogged(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, setRoute(1))
	update(t, s, func(tx *Tx) error { _, err := tx.NextEpoch(); return err })
	update(t, s, func(tx *Tx) error {
		kept, err := tx.FillRoutes([]KeyedRoute{{testKey(2), testRoute(2)}, {testKey(1), testRoute(3)}})
		if len(kept) > 0 {
			t.Errorf("kept %v, which is of an older epoch", kept)
		}
		return err
	})
	if r, err := s.LookupRoute(testKey(1)); err != nil || r != testRoute(3).in(1) {
		t.Errorf("found %+v, %v", r, err)
	}
	if r, err := s.RouteAt(testKey(1), 1); err != nil || r != testRoute(1) {
		t.Errorf("before it was %+v, %v", r, err)
	}
	if _, err := s.RouteAt(testKey(2), 2); !errors.Is(err, ErrNotFound) {
		t.Errorf("before it was there: %v", err)
	}
}

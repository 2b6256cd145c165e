package store

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/router/hostkey"
)

// Fills come while others write and filters are filled and taken into use: no record of this epoch is ever replaced.
func TestFillsReplaceNothing(t *testing.T) {
	const hosts, deployed, filled = 3000, 7, 5
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, func(tx *Tx) error { // most of them have a record of the epoch before
		for i := range hosts * 2 / 3 {
			if err := tx.SetRoute(testKey(i), testRoute(1)); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, s, func(tx *Tx) error { _, err := tx.NextEpoch(); return err })
	written := make(chan []int)
	go deployAlong(t, s, written, func(r *rand.Rand) int { return r.IntN(hosts) }, deployed)
	theirs := map[int]bool{}
	r := rand.New(rand.NewPCG(3, 3))
	for mine := range written {
		for _, i := range mine {
			theirs[i] = true
		}
		if r.IntN(8) == 0 {
			if err := s.fillFilter(); err != nil {
				t.Fatal(err)
			}
		}
		fill := map[hostkey.Key]Route{}
		for range 20 {
			fill[testKey(r.IntN(hosts))] = testRoute(filled)
		}
		for _, i := range mine {
			fill[testKey(i)] = testRoute(filled)
		}
		update(t, s, func(tx *Tx) error {
			var routes []KeyedRoute
			for k, x := range fill {
				routes = append(routes, KeyedRoute{k, x})
			}
			_, err := tx.FillRoutes(routes)
			return err
		})
	}
	for i := range theirs {
		if got, err := s.LookupRoute(testKey(i)); err != nil || got.Deployment != testRoute(deployed).Deployment {
			t.Fatalf("key %d: %+v, %v", i, got, err)
		}
	}
}

// deployAlong sets routes, three at a time, and tells which after they were committed.
func deployAlong(t *testing.T, s *Store, written chan<- []int, draw func(*rand.Rand) int, deployed int) {
	defer close(written)
	r := rand.New(rand.NewPCG(2, 2))
	for range 300 {
		mine := []int{draw(r), draw(r), draw(r)}
		_, err := s.Update(context.Background(), func(tx *Tx) error {
			for _, i := range mine {
				if err := tx.SetRoute(testKey(i), testRoute(deployed)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
			return
		}
		written <- mine
	}
}

// What an Update of the same group set is not in the database yet, and not yet in a filter that was taken into use meanwhile.
func TestFillSeesItsGroup(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	if err := s.fillFilter(); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *Tx) error {
		if err := tx.SetRoute(testKey(1), testRoute(1)); err != nil {
			return err
		}
		if _, err := tx.FillRoutes([]KeyedRoute{{testKey(2), testRoute(2)}}); err != nil {
			return err
		}
		if err := s.fillFilter(); err != nil {
			return err
		}
		kept, err := tx.FillRoutes([]KeyedRoute{{testKey(1), testRoute(3)}, {testKey(2), testRoute(3)}, {testKey(3), testRoute(3)}})
		if len(kept) != 2 {
			t.Errorf("kept %+v", kept)
		}
		return err
	})
}

// What was there before is in the log, also when it is of an earlier epoch, and also when the filter spares the other look-ups.
func TestFillsAreLogged(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, setRoute(1))
	update(t, s, func(tx *Tx) error { _, err := tx.NextEpoch(); return err })
	if err := s.fillFilter(); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *Tx) error {
		_, err := tx.FillRoutes([]KeyedRoute{{testKey(1), testRoute(3)}, {testKey(2), testRoute(3)}})
		return err
	})
	if r, err := s.RouteAt(testKey(1), 1); err != nil || r != testRoute(1) {
		t.Errorf("before it was %+v, %v", r, err)
	}
}

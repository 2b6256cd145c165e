package store

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/router/hostkey"
)

func randomKey(r *rand.Rand) (k hostkey.Key) {
	binary.LittleEndian.PutUint64(k[:], r.Uint64())
	binary.LittleEndian.PutUint64(k[8:], r.Uint64())
	return k
}

// The filter never denies what was added, and seldom says "perhaps" of what was not, also when it is as full as is said.
func TestFillSet(t *testing.T) {
	f := newFillSet(fillSetBytes)
	r := rand.New(rand.NewPCG(1, 1))
	const n, most = 1_000_000, 14
	added := make([]hostkey.Key, 0, n/10)
	for i := range n {
		k := randomKey(r)
		if f.add(k); i%10 == 0 {
			added = append(added, k)
		}
	}
	for _, k := range added {
		if !f.mayHave(k) {
			t.Fatalf("denies %s", k)
		}
	}
	wrong := func() (n int) {
		for range 100_000 {
			if f.mayHave(randomKey(r)) {
				n++
			}
		}
		return n
	}
	if n := wrong(); n > 10 {
		t.Errorf("at a million: %d of 100,000 wrong", n)
	}
	for range (most - 1) * n {
		f.add(randomKey(r))
	}
	if n := wrong(); n > 3000 {
		t.Errorf("at %d million: %d of 100,000 wrong", most, n)
	}
}

// Fills come while others write, begin to expect fills and stop again: no record of this epoch is ever replaced, whether the filter is being
// made, is there, or is not.
func TestFillsReplaceNothing(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	s.fillBytes = 16 << 10
	update(t, s, func(tx *Tx) error {
		for i := range 2000 {
			if err := tx.SetRoute(randomKey(rand.New(rand.NewPCG(9, uint64(i)))), testRoute(1)); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, s, func(tx *Tx) error { _, err := tx.NextEpoch(); return err })
	keys := make([]hostkey.Key, 3000)
	for i := range keys {
		keys[i] = randomKey(rand.New(rand.NewPCG(9, uint64(i)))) // most of them have a record of the epoch before
	}
	written := make(chan []int)
	go func() { // what others write is never theirs to lose
		defer close(written)
		r := rand.New(rand.NewPCG(2, 2))
		for range 300 {
			var mine []int
			_, err := s.Update(context.Background(), func(tx *Tx) error {
				mine = nil
				for range 3 {
					i := r.IntN(len(keys))
					mine = append(mine, i)
					if err := tx.SetRoute(keys[i], testRoute(7)); err != nil {
						return err
					}
				}
				runtime.Gosched()
				return nil
			})
			if err != nil {
				t.Error(err)
				return
			}
			written <- mine
		}
	}()
	theirs := map[int]bool{}
	r := rand.New(rand.NewPCG(3, 3))
	release := func() {}
	for mine := range written {
		for _, i := range mine {
			theirs[i] = true
		}
		switch r.IntN(16) {
		case 0, 1:
			release()
			release = s.ExpectFills(t.Context())
		case 2:
			release()
		}
		update(t, s, func(tx *Tx) error {
			fill := map[hostkey.Key]Route{}
			for range 20 {
				fill[keys[r.IntN(len(keys))]] = testRoute(5)
			}
			for _, i := range mine {
				fill[keys[i]] = testRoute(5)
			}
			var routes []KeyedRoute
			for k, x := range fill {
				routes = append(routes, KeyedRoute{k, x})
			}
			_, err := tx.FillRoutes(routes)
			return err
		})
	}
	release()
	for i := range theirs {
		if got, err := s.LookupRoute(keys[i]); err != nil || got.Deployment != testRoute(7).Deployment {
			t.Fatalf("key %d: %+v, %v", i, got, err)
		}
	}
}

// What was there before is in the log, also of an earlier epoch, and also when the filter spares the look-up.
func TestExpectedFillsAreLogged(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, setRoute(1))
	update(t, s, func(tx *Tx) error { _, err := tx.NextEpoch(); return err })
	defer s.ExpectFills(t.Context())()
	for s.fills.set.Load() != nil && !s.fills.set.Load().whole.Load() {
		runtime.Gosched()
	}
	update(t, s, func(tx *Tx) error {
		_, err := tx.FillRoutes([]KeyedRoute{{testKey(1), testRoute(3)}, {testKey(2), testRoute(3)}})
		return err
	})
	if r, err := s.RouteAt(testKey(1), 1); err != nil || r != testRoute(1) {
		t.Errorf("before it was %+v, %v", r, err)
	}
}

package backfill

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/migrate/internal/world"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// TestChangingPiece: a piece that changes each time that it was read is written all the same.
func TestChangingPiece(t *testing.T) {
	w := plain(t, vfs.NewMem(), 20, migrate.Backfill)
	rng := rand.New(rand.NewPCG(1, 1))
	ctx, cancel := context.WithCancel(t.Context())
	changed := make(chan error, 1)
	go func() {
		for n := 0; ctx.Err() == nil; n++ {
			_, err := w.Store.Update(ctx, func(tx *store.Tx) error {
				no := uint64(1 + rng.IntN(20))
				return w.Point(tx, 1, world.Label(1, "00000001"), store.DeploymentNo(no))
			})
			if err != nil && ctx.Err() == nil {
				changed <- err
				return
			}
		}
		changed <- nil
	}()
	j := newJob(t, w, Deps{}, Options{})
	running(t, j)
	await(t, w.Store, "the end", finished(t, w.Store))
	cancel()
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	if err := w.Check(true); err != nil {
		t.Error(err)
	}
}

// TestMovesToTheFront: what is left of a large pattern when a host is taken out of it has no room in its piece, and moves to the front
// without being recorded. It is copied all the same.
func TestMovesToTheFront(t *testing.T) {
	w := world.New(t, vfs.NewMem())
	var hosts []hostkey.Host
	w.Update(t, func(tx *store.Tx) error {
		if err := plainProject(tx, 1, 2*dualwrite.MaxFilters-1); err != nil {
			return err
		}
		c, err := tx.TableChunk(1, dualwrite.Imported+1)
		if err != nil {
			return err
		}
		fs, err := legacy.ParseChunk(c.JSON)
		if err != nil {
			return err
		}
		for i := range 200 {
			h := hostkey.Host(world.Label(1, "branch-with-a-long-name-"+strings.Repeat("x", i%30)+string(rune('a'+i%26))+string(rune('a'+i/26))))
			hosts = append(hosts, h)
			if err := tx.SetTableHost(1, string(h), dualwrite.Imported+1); err != nil {
				return err
			}
		}
		fs = append(fs, legacy.Filter{Pattern: legacy.AlternativesPattern(hosts), ScriptHash: legacy.ScriptHash(world.UUID(1, 5))})
		c.JSON = legacy.AppendChunk(nil, fs)
		return tx.PutTableChunk(c)
	})
	if err := w.Enter(migrate.Backfill); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, w, Deps{}, Options{Rate: 1})
	running(t, j)
	await(t, w.Store, "the first piece", func() bool { return status(t, j).Done == dualwrite.MaxFilters })
	w.Update(t, func(tx *store.Tx) error { return w.Point(tx, 1, string(hosts[7]), 0) })
	front := 0
	for c, err := range w.Store.TableChunks(1) {
		if err != nil {
			t.Fatal(err)
		}
		if c.No < dualwrite.Imported {
			front++
		}
	}
	if front == 0 {
		t.Fatal("nothing moved to the front: the test shows nothing")
	}
	if err := j.SetRate(t.Context(), 0, "anna", "on"); err != nil {
		t.Fatal(err)
	}
	await(t, w.Store, "the end", finished(t, w.Store))
	for i, h := range hosts {
		if _, err := w.Store.LookupRoute(w.Hasher.Key(h)); (err == nil) != (i != 7) {
			t.Errorf("%s: %v", h, err)
		}
	}
}

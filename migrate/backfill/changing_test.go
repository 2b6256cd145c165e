package backfill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

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

// TestImportedHostsAreIndexed: a host that is not its deployment's own is noted in the batch of its record, so that whoever deletes the
// deployment finds it; what the record does not say is not.
func TestImportedHostsAreIndexed(t *testing.T) {
	w := world.New(t, vfs.NewMem())
	own := world.Label(1, "00000000")
	hosts := []string{own, world.Label(1, "2b469e16"), world.Label(1, "test"), "www.example.com", "*.example.com", world.Label(1, "taken")}
	var ds []store.Deployment
	w.Update(t, func(tx *store.Tx) error {
		if err := world.PutProject(tx, 1); err != nil {
			return err
		}
		table := world.Begin(1)
		for i, h := range hosts {
			d, err := world.PutDeployment(tx, 1, i)
			if err != nil {
				return err
			}
			ds = append(ds, d)
			if i == 0 {
				own = world.Label(1, fmt.Sprintf("%x", d.UUID[:4]))
				h = own
			}
			pattern := legacy.StrictPattern(hostkey.Host(h))
			if parent, wildcard := strings.CutPrefix(h, "*."); wildcard {
				pattern = legacy.WildcardPattern(hostkey.Host(parent))
			}
			table.Add(pattern, legacy.ScriptHash(d.UUID), 0, h)
			if !strings.HasSuffix(h, world.Domain) {
				if err := tx.ClaimHost(h, store.HostOwner{Account: 1, Project: 1}); err != nil {
					return err
				}
			}
		}
		return table.Write(tx, 2, false)
	})
	if err := w.Enter(migrate.Backfill); err != nil {
		t.Fatal(err)
	}
	w.Update(t, func(tx *store.Tx) error { // somebody else wrote it, and something else
		return tx.SetRoute(w.Hasher.Key(hostkey.Host(hosts[5])), store.Route{Kind: store.RouteSite, Class: store.ClassBranch, Project: 1, Deployment: ds[0].No})
	})
	running(t, newJob(t, w, Deps{}, Options{}))
	await(t, w.Store, "the end", finished(t, w.Store))
	var got []string
	for h, err := range w.Store.AllImportedHosts() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %v of %d, class %d", h.Host, h.Wildcard, h.Deployment, h.Class))
	}
	want := []string{hosts[1] + " false of 2, class 1", hosts[2] + " false of 3, class 2", "www.example.com false of 4, class 4", "example.com true of 5, class 4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDeletedMeanwhile: a deployment that went after its table was read, and left its entry behind, gets no record.
func TestDeletedMeanwhile(t *testing.T) {
	w := world.New(t, vfs.NewMem())
	w.Update(t, func(tx *store.Tx) error {
		if err := world.PutProject(tx, 1); err != nil {
			return err
		}
		d, err := world.PutDeployment(tx, 1, 0)
		if err != nil {
			return err
		}
		table := world.Begin(1)
		table.Add(legacy.StrictPattern(hostkey.Host(world.Label(1, "test"))), legacy.ScriptHash(d.UUID), 0, world.Label(1, "test"))
		return table.Write(tx, 2, false)
	})
	if err := w.Enter(migrate.Backfill); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, w, Deps{}, Options{})
	walk := &walker{job: j, epoch: w.Store.Epoch(), at: start(1)}
	c, err := walk.next(10)
	if err != nil {
		t.Fatal(err)
	}
	w.Update(t, func(tx *store.Tx) error { return tx.DeleteDeployment(1) })
	_, err = w.Store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := c.write(tx)
		return err
	})
	if !errors.Is(err, errChanged) {
		t.Errorf("written: %v", err)
	}
}

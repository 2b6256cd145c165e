package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/router/hostkey"
)

func TestOnCommit(t *testing.T) {
	now := sampleTime
	s := openMem(t, vfs.NewMem(), Options{Now: func() time.Time { return now }})
	var got []Commit
	cancel := s.OnCommit(func(c Commit) {
		if s.Revision() < c.Revision {
			t.Errorf("hook of %d runs before it is visible", c.Revision)
		}
		c.Keys, c.Projects, c.Deployments = slices.Clone(c.Keys), slices.Clone(c.Projects), slices.Clone(c.Deployments)
		got = append(got, c)
	})
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.SetRoute(testKey(2), testRoute(2)), tx.SetRoute(testKey(1), testRoute(1)),
			tx.SetRoute(testKey(2), testRoute(3)), tx.SetWildcard(testKey(5), testRoute(5)))
	})
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.PutProject(Project{No: 3, Account: 1, Name: "docs", State: ProjectActive}),
			tx.PutDeployment(Deployment{No: 7, Project: 3, UUID: UUID{1}, Environment: Preview, Status: StatusSuccess}, nil))
	})
	update(t, s, func(tx *Tx) error { return errors.Join(tx.DeleteRoute(testKey(1)), tx.DeleteDeployment(7)) })
	cancel()
	update(t, s, setRoute(9))
	want := []Commit{
		{Revision: 1, Time: now, Keys: []hostkey.Key{testKey(2), testKey(1)}, WildcardGeneration: 1},
		{Revision: 2, Time: now, Projects: []ProjectNo{3}, Deployments: []DeploymentNo{7}, WildcardGeneration: 1},
		{Revision: 3, Time: now, Keys: []hostkey.Key{testKey(1)}, Projects: []ProjectNo{3}, Deployments: []DeploymentNo{7}, WildcardGeneration: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
}

func TestLargeUpdate(t *testing.T) {
	const claims = 20_000
	s := openMem(t, vfs.NewMem(), Options{MemTableBytes: 1 << 20}) // smaller than the batch
	update(t, s, func(tx *Tx) error {
		for i := range claims {
			if err := tx.PutClaim(Claim{Project: 1, Key: manifest.AssetKey(testKey(i)), Blob: FileRef{Size: int64(i)}, Time: sampleTime}); err != nil {
				return err
			}
		}
		return nil
	})
	n := 0
	for c, err := range s.AllClaims() {
		if err != nil || c.Project != 1 || c.Key != manifest.AssetKey(testKey(int(c.Blob.Size))) {
			t.Fatalf("claim %+v: %v", c, err)
		}
		n++
	}
	if n != claims {
		t.Errorf("%d claims", n)
	}
}

func TestTooLargeUpdate(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	s.maxBatch = 1000
	_, err := s.Update(t.Context(), func(tx *Tx) error {
		for i := range 100 {
			_ = tx.SetRoute(testKey(i), testRoute(i)) // whoever looks away is stopped all the same
		}
		return nil
	})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Route(testKey(0)); !errors.Is(err, ErrNotFound) || s.Revision() != 0 {
		t.Errorf("something was kept: %v, revision %d", err, s.Revision())
	}
}

func TestTxAfterItsUpdate(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	var kept *Tx
	update(t, s, func(tx *Tx) error { kept = tx; return tx.SetRoute(testKey(1), testRoute(1)) })
	if err := kept.SetRoute(testKey(2), testRoute(2)); !errors.Is(err, ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if _, err := kept.Route(testKey(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

func TestClosedStore(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, setRoute(1))
	sn := s.Snapshot()
	if err := sn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, uerr := s.Update(context.Background(), setRoute(2))
	_, lerr := s.LookupRoute(testKey(1))
	_, rerr := s.Route(testKey(1))
	_, serr := sn.Route(testKey(1))
	_, nerr := s.Snapshot().Route(testKey(1))
	_, merr := s.Metrics()
	for name, err := range map[string]error{"update": uerr, "look-up": lerr, "read": rerr, "snapshot": serr,
		"new snapshot": nerr, "metrics": merr, "compact": s.Compact(t.Context()), "close": s.Close()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSnapshotStands(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, setRoute(1))
	sn := s.Snapshot()
	defer sn.Close()
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.DeleteRoute(testKey(1)), tx.SetRoute(testKey(2), testRoute(2)))
	})
	if r, err := sn.Route(testKey(1)); err != nil || r != testRoute(1) || sn.Revision() != 1 {
		t.Errorf("snapshot of %d: %+v, %v", sn.Revision(), r, err)
	}
	if _, err := sn.Route(testKey(2)); !errors.Is(err, ErrNotFound) {
		t.Errorf("snapshot sees a later commit: %v", err)
	}
}

func TestUUIDString(t *testing.T) {
	id := UUID{0x2b, 0x46, 0x9e, 0x16, 1, 2, 0x40, 3, 0x80, 4, 5, 6, 7, 8, 9, 10}
	if got, want := id.String(), "2b469e16-0102-4003-8004-05060708090a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

package ramp

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/router/rollout"
	"berth/store"
)

func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.OpenFS(vfs.NewMem(), "db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func update(t testing.TB, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if _, err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func atDay() time.Time { return day }

// migrating is a store whose migration is in a phase.
func migrating(t testing.TB, to migrate.Phase) (*store.Store, *migrate.Machine) {
	t.Helper()
	s := openStore(t)
	m, err := migrate.New(s, atDay, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	update(t, s, func(tx *store.Tx) error { return m.Begin(tx, "test", "") })
	forward(t, m, to)
	return s, m
}

func forward(t testing.TB, m *migrate.Machine, to migrate.Phase) {
	t.Helper()
	for m.State().Phase != to {
		move(t, m, m.State().Phase.Next())
	}
}

func move(t testing.TB, m *migrate.Machine, to migrate.Phase) {
	t.Helper()
	if _, err := m.Move(context.Background(), m.State().Phase, to, "test", ""); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, s *store.Store) rollout.Document {
	t.Helper()
	d, err := LoadRollout(&s.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func set(t testing.TB, s *store.Store, c rollout.Config) rollout.Document {
	t.Helper()
	d, err := SetRollout(context.Background(), s, atDay, Change{From: load(t, s).Revision, Config: c, Who: "ann", Why: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func logLines(t testing.TB, s *store.Store) []string {
	t.Helper()
	var out []string
	for e, err := range migrate.Log(&s.Reader) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Who+": "+e.What)
	}
	return out
}

package migrate_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/router/hostkey"
	"berth/store"
)

var someDay = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func openStore(t testing.TB, fs vfs.FS) *store.Store {
	t.Helper()
	s, err := store.OpenFS(fs, "/db", store.Options{MinFreeBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newMachine(t testing.TB, s *store.Store) *migrate.Machine {
	t.Helper()
	m, err := migrate.New(s, func() time.Time { return someDay }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func update(t testing.TB, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if _, err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// begun is a machine in the first phase.
func begun(t testing.TB, s *store.Store) *migrate.Machine {
	t.Helper()
	m := newMachine(t, s)
	update(t, s, func(tx *store.Tx) error { return m.Begin(tx, "anna", "import") })
	return m
}

// goTo moves one phase at a time, back in one step.
func goTo(t testing.TB, m *migrate.Machine, to migrate.Phase) {
	t.Helper()
	for m.State().Phase != to {
		next := m.State().Phase.Next()
		if to.Before(m.State().Phase) {
			next = to
		}
		if _, err := m.Move(context.Background(), m.State().Phase, next, "anna", "test"); err != nil {
			t.Fatal(err)
		}
	}
}

func hasher() *hostkey.Hasher { return hostkey.NewHasher(hostkey.Secret{7}) }

func siteRoute(d store.DeploymentNo) store.Route {
	return store.Route{Kind: store.RouteSite, Class: store.ClassProduction, Project: 1, Deployment: d}
}

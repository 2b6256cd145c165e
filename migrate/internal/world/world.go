package backfill

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/migrate/tables"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

const domain = "pages.example"

var testEpoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func testHasher() *hostkey.Hasher { return hostkey.NewHasher(hostkey.Secret{1}) }

func newTables(t testing.TB) *tables.Reader {
	t.Helper()
	r, err := tables.New(tables.Config{Domain: domain, Hasher: testHasher()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func openStore(t testing.TB, fs vfs.FS) *store.Store {
	t.Helper()
	s, err := store.OpenFS(fs, "/db", store.Options{MinFreeBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func update(t testing.TB, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if _, err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func projectName(p store.ProjectNo) string { return fmt.Sprintf("site-%d", p) }

func uuidOf(p store.ProjectNo, i int) (id store.UUID) {
	binary.BigEndian.PutUint32(id[:], uint32(i)*2654435761+uint32(p))
	binary.BigEndian.PutUint32(id[4:], uint32(p))
	binary.BigEndian.PutUint32(id[8:], uint32(i))
	return id
}

func deploymentHost(p store.ProjectNo, id store.UUID) hostkey.Host {
	return hostkey.Host(fmt.Sprintf("%x.%s.%s", id[:4], projectName(p), domain))
}

// addProject makes a project with n deployments and an imported table of them, written as the old control plane did.
func addProject(tx *store.Tx, p store.ProjectNo, n int) error {
	if err := tx.PutProject(store.Project{No: p, Account: 1, Name: projectName(p), ProductionBranch: "main", State: store.ProjectActive, Created: testEpoch}); err != nil {
		return err
	}
	var fs []legacy.Filter
	no := dualwrite.Imported
	for i := range n {
		d, err := tx.NextDeployment()
		if err != nil {
			return err
		}
		id := uuidOf(p, i)
		if err := tx.PutDeployment(store.Deployment{No: d, Project: p, UUID: id, Environment: store.Preview, Status: store.StatusSuccess, Branch: "b", Created: testEpoch}, nil); err != nil {
			return err
		}
		h := deploymentHost(p, id)
		if err := tx.SetTableHost(p, string(h), no); err != nil {
			return err
		}
		fs = append(fs, legacy.Filter{Pattern: legacy.Pattern(h), ScriptHash: legacy.ScriptHash(id)})
		if len(fs) == dualwrite.MaxFilters || i == n-1 {
			if err := tx.PutTableChunk(store.TableChunk{Project: p, No: no, JSON: legacy.AppendChunk(nil, fs)}); err != nil {
				return err
			}
			fs, no = nil, no+1
		}
	}
	return nil
}

// enter moves a store of tables into a phase, from wherever it is.
func enter(t testing.TB, s *store.Store, to migrate.Phase) {
	t.Helper()
	m, err := migrate.New(s, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.State().Since.IsZero() {
		update(t, s, func(tx *store.Tx) error { return m.Begin(tx, "test", "begin") })
	}
	for m.State().Phase != to {
		next := m.State().Phase.Next()
		if to.Before(m.State().Phase) {
			next = to
		}
		if _, err := m.Move(context.Background(), m.State().Phase, next, "test", "test"); err != nil {
			t.Fatal(err)
		}
	}
}

// running is a job that runs until the test ends or stop is called.
func running(t testing.TB, j *Job) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// await waits for a state of the store, looking at it after every commit.
func await(t testing.TB, s *store.Store, what string, is func() bool) {
	t.Helper()
	commits := make(chan struct{}, 1)
	defer s.OnCommit(func(store.Commit) {
		select {
		case commits <- struct{}{}:
		default:
		}
	})()
	deadline := time.After(30 * time.Second)
	for !is() {
		select {
		case <-commits:
		case <-time.After(5 * time.Millisecond): // the hook may run before what is awaited
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func finished(t testing.TB, s *store.Store) func() bool {
	return func() bool {
		ok, _, err := Finished(&s.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
}

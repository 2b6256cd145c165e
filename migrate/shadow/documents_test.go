package shadow

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

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

func newDocuments(t testing.TB, s *store.Store, most int) *Documents {
	t.Helper()
	d, err := NewDocuments(s, most)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func diffAt(host string, second int) Diff {
	at := day.Add(time.Duration(second) * time.Second)
	return Diff{Version: 1, Class: Missing, Host: host, Line: "line", First: at, Last: at, Count: 1}
}

func mustPut(t testing.TB, d *Documents, diffs ...Diff) {
	t.Helper()
	if err := d.Put(context.Background(), diffs); err != nil {
		t.Fatal(err)
	}
}

func keptHosts(t testing.TB, s *store.Store) map[string]uint64 {
	t.Helper()
	got := map[string]uint64{}
	for d, err := range Diffs(&s.Reader, "") {
		if err != nil {
			t.Fatal(err)
		}
		got[d.Host] = d.Count
	}
	return got
}

func TestNewestAreKept(t *testing.T) {
	s := openStore(t)
	d := newDocuments(t, s, 3)
	mustPut(t, d, diffAt("a", 1), diffAt("b", 2), diffAt("c", 3))
	mustPut(t, d, diffAt("a", 4)) // a is the newest now, and b the oldest
	mustPut(t, d, diffAt("d", 5))
	want := map[string]uint64{"a": 2, "c": 1, "d": 1}
	if diff := cmp.Diff(want, keptHosts(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// After a restart it knows what there is.
	mustPut(t, newDocuments(t, s, 3), diffAt("e", 6), diffAt("f", 7))
	want = map[string]uint64{"d": 1, "e": 1, "f": 1}
	if diff := cmp.Diff(want, keptHosts(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHostKeepsItsHistory(t *testing.T) {
	s := openStore(t)
	d := newDocuments(t, s, 0)
	first := diffAt("a", 1)
	second := diffAt("a", 9)
	second.Class, second.Line, second.Count = Different, "other line", 4
	mustPut(t, d, first)
	mustPut(t, d, second)
	want := second
	want.First, want.Count = first.First, 5
	for got, err := range Diffs(&s.Reader, "a") {
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestOneBatchForMany(t *testing.T) {
	s := openStore(t)
	commits := 0
	defer s.OnCommit(func(store.Commit) { commits++ })()
	d := newDocuments(t, s, 100)
	var diffs []Diff
	for i := range 250 {
		diffs = append(diffs, diffAt(fmt.Sprintf("h%03d", i), i))
	}
	mustPut(t, d, diffs...)
	if got := keptHosts(t, s); commits != 1 || len(got) != 100 || got["h249"] != 1 || got["h149"] != 0 {
		t.Errorf("%d commits, %d kept", commits, len(got))
	}
}

// A document that cannot be read is an example that is lost, not a reason to keep no more; it is shown as what it is.
func TestDamagedDocument(t *testing.T) {
	s := openStore(t)
	if _, err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutDocument("diff/a", []byte("{")) }); err != nil {
		t.Fatal(err)
	}
	faults := 0
	for _, err := range Diffs(&s.Reader, "") {
		if err != nil {
			faults++
		}
	}
	if faults != 1 {
		t.Errorf("%d faults", faults)
	}
	mustPut(t, newDocuments(t, s, 2), diffAt("b", 1), diffAt("c", 2))
	if diff := cmp.Diff(map[string]uint64{"b": 1, "c": 1}, keptHosts(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClear(t *testing.T) {
	s := openStore(t)
	mustPut(t, newDocuments(t, s, 2), diffAt("b", 1))
	if _, err := s.Update(t.Context(), Clear); err != nil {
		t.Fatal(err)
	}
	if got := keptHosts(t, s); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

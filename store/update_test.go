package store

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

// openMem opens a store in memory, closed with the test.
func openMem(t testing.TB, fs vfs.FS, opts Options) *Store {
	t.Helper()
	s, err := OpenFS(fs, "/db", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// update is Update that must succeed.
func update(t testing.TB, s *Store, fn func(tx *Tx) error) Revision {
	t.Helper()
	rev, err := s.Update(context.Background(), fn)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func setRoute(i int) func(*Tx) error {
	return func(tx *Tx) error { return tx.SetRoute(testKey(i), testRoute(i)) }
}

func TestUpdateSharesSyncs(t *testing.T) {
	const writers, rounds = 64, 4
	fs := &slowLog{FS: vfs.NewMem(), took: time.Millisecond}
	s := openMem(t, fs, Options{})
	before := fs.syncs.Load()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for r := range rounds {
				if _, err := s.Update(t.Context(), setRoute(w*rounds+r)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	syncs := fs.syncs.Load() - before
	if syncs > writers*rounds/8 {
		t.Errorf("%d updates by %d writers took %d syncs, want at most an eighth", writers*rounds, writers, syncs)
	}
	st := s.Stats()
	if st.Commits != writers*rounds || s.Revision() != writers*rounds || st.Groups > st.LogSyncs || st.Groups == 0 {
		t.Errorf("stats %+v, revision %d after %d updates", st, s.Revision(), writers*rounds)
	}
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	boom := errors.New("boom")
	for name, fail := range map[string]func() error{
		"error":  func() error { return boom },
		"panic":  func() error { panic("boom") },
		"goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := openMem(t, vfs.NewMem(), Options{})
			update(t, s, setRoute(1))
			_, err := s.Update(t.Context(), func(tx *Tx) error {
				no, err := tx.NextProject()
				if err != nil || no != 1 {
					t.Errorf("number %d, %v", no, err)
				}
				return errors.Join(
					tx.DeleteRoute(testKey(1)), tx.SetRoute(testKey(2), testRoute(2)),
					tx.SetWildcard(testKey(3), testRoute(3)), fail())
			})
			if err == nil || name == "error" && !errors.Is(err, boom) {
				t.Fatalf("got %v", err)
			}
			if _, err := s.LookupRoute(testKey(1)); err != nil {
				t.Errorf("deleted by a failed update: %v", err)
			}
			if _, err := s.Route(testKey(2)); !errors.Is(err, ErrNotFound) {
				t.Errorf("set by a failed update: %v", err)
			}
			if n, gen := s.Wildcards(); n != 0 || gen != 0 {
				t.Errorf("%d wildcards, generation %d", n, gen)
			}
			rev := update(t, s, func(tx *Tx) error {
				if no, err := tx.NextProject(); err != nil || no != 1 {
					t.Errorf("number %d, %v: the failed update kept it", no, err)
				}
				return nil
			})
			if rev != 2 {
				t.Errorf("revision %d, want 2: the failed update took one", rev)
			}
		})
	}
}

// TestFailureWithinGroup has a failing function between two good ones in one batch.
func TestFailureWithinGroup(t *testing.T) {
	fs := &heldSync{FS: vfs.NewMem()}
	s := openMem(t, fs, Options{})
	release := fs.hold()
	var wg sync.WaitGroup
	// The first commit sits in its fsync while the others queue up behind it.
	wg.Go(func() { update(t, s, setRoute(0)) })
	<-fs.reached
	revs, nos, errs := make([]Revision, 9), make([]DeploymentNo, 9), make([]error, 9)
	for i := range revs {
		wg.Go(func() {
			revs[i], errs[i] = s.Update(t.Context(), func(tx *Tx) error {
				no, err := tx.NextDeployment()
				if err != nil {
					return err
				}
				nos[i] = no
				if err := errors.Join(tx.SetRoute(testKey(100+i), testRoute(i)), tx.SetWildcard(testKey(100+i), testRoute(i))); err != nil {
					return err
				}
				if i%3 == 1 {
					return errors.New("no")
				}
				r, err := tx.Route(testKey(0)) // of the group before
				if err != nil || r != testRoute(0) {
					t.Errorf("earlier group: %v, %v", r, err)
				}
				return nil
			})
		})
	}
	release()
	wg.Wait()
	var got []Revision
	var gotNos []DeploymentNo
	for i, rev := range revs {
		_, err := s.LookupRoute(testKey(100 + i))
		if failed := i%3 == 1; failed != (errs[i] != nil) || failed != errors.Is(err, ErrNotFound) {
			t.Errorf("update %d: %v, then look-up: %v", i, errs[i], err)
		}
		if errs[i] == nil {
			got, gotNos = append(got, rev), append(gotNos, nos[i])
		}
	}
	slices.Sort(got)
	slices.Sort(gotNos)
	if diff := cmp.Diff([]DeploymentNo{1, 2, 3, 4, 5, 6}, gotNos); diff != "" {
		t.Errorf("failed updates kept their numbers:\n%s", diff)
	}
	if n, gen := s.Wildcards(); n != 6 || gen != 6 {
		t.Errorf("%d wildcards of generation %d, want 6 of 6", n, gen)
	}
	if diff := cmp.Diff([]Revision{2, 3, 4, 5, 6, 7}, got); diff != "" {
		t.Errorf("revisions have gaps:\n%s", diff)
	}
}

// TestNotVisibleBeforeSync holds the package's word on what a reader may see.
func TestNotVisibleBeforeSync(t *testing.T) {
	fs := &heldSync{FS: vfs.NewMem()}
	s := openMem(t, fs, Options{})
	update(t, s, setRoute(1))
	release := fs.hold()
	done := make(chan struct{})
	go func() {
		defer close(done)
		update(t, s, func(tx *Tx) error {
			return errors.Join(tx.SetRoute(testKey(2), testRoute(2)), tx.DeleteRoute(testKey(1)))
		})
	}()
	<-fs.reached
	if _, err := s.LookupRoute(testKey(2)); !errors.Is(err, ErrNotFound) {
		t.Errorf("look-up sees a batch that is not durable: %v", err)
	}
	if _, err := s.Route(testKey(1)); err != nil {
		t.Errorf("read sees a batch that is not durable: %v", err)
	}
	if rev := s.Revision(); rev != 1 {
		t.Errorf("revision %d", rev)
	}
	release()
	<-done
	if _, err := s.LookupRoute(testKey(2)); err != nil {
		t.Errorf("look-up after the update returned: %v", err)
	}
	if _, err := s.LookupRoute(testKey(1)); !errors.Is(err, ErrNotFound) {
		t.Errorf("look-up after the update returned: %v", err)
	}
}

func TestCancelledWhileQueued(t *testing.T) {
	fs := &heldSync{FS: vfs.NewMem()}
	s := openMem(t, fs, Options{})
	release := fs.hold()
	var wg sync.WaitGroup
	wg.Go(func() { update(t, s, setRoute(0)) })
	<-fs.reached
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		_, err := s.Update(ctx, func(*Tx) error { t.Error("ran"); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	cancel()
	release()
	wg.Wait()
	if _, err := s.Update(ctx, func(*Tx) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// Cancelled after the committer took it, before its turn.
	c := &call{ctx: ctx, fn: func(*Tx) error { t.Error("ran"); return nil }, reply: make(chan reply, 1)}
	s.calls <- c
	if r := <-c.reply; !errors.Is(r.err, context.Canceled) {
		t.Errorf("got %v", r.err)
	}
	if rev := s.Revision(); rev != 1 {
		t.Errorf("revision %d", rev)
	}
}

func TestUpdateWithoutWrites(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, setRoute(1))
	told := 0
	defer s.OnCommit(func(Commit) { told++ })()
	rev := update(t, s, func(tx *Tx) error { return tx.DeleteRoute(testKey(9)) })
	if rev != 1 || s.Revision() != 1 || told != 0 {
		t.Errorf("revision %d, store at %d, hook told %d times", rev, s.Revision(), told)
	}
}

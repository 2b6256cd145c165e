package store

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/router/hostkey"
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

// slowLog is a disk on which syncing the log takes a while, and which counts.
type slowLog struct {
	vfs.FS
	syncs atomic.Int64
	took  time.Duration
}

type slowLogFile struct {
	vfs.File
	fs *slowLog
}

func (fs *slowLog) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &slowLogFile{f, fs}, nil
}

func (f *slowLogFile) slow() {
	f.fs.syncs.Add(1)
	time.Sleep(f.fs.took) // what the disk takes; nothing waits for it to be over
}

func (f *slowLogFile) Sync() error     { f.slow(); return f.File.Sync() }
func (f *slowLogFile) SyncData() error { f.slow(); return f.File.SyncData() }

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
	revs, errs := make([]Revision, 9), make([]error, 9)
	for i := range revs {
		wg.Go(func() {
			revs[i], errs[i] = s.Update(t.Context(), func(tx *Tx) error {
				if err := tx.SetRoute(testKey(100+i), testRoute(i)); err != nil {
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
	for i, rev := range revs {
		_, err := s.LookupRoute(testKey(100 + i))
		if failed := i%3 == 1; failed != (errs[i] != nil) || failed != errors.Is(err, ErrNotFound) {
			t.Errorf("update %d: %v, then look-up: %v", i, errs[i], err)
		}
		if errs[i] == nil {
			got = append(got, rev)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]Revision{2, 3, 4, 5, 6, 7}, got); diff != "" {
		t.Errorf("revisions have gaps:\n%s", diff)
	}
}

// heldSync is a disk whose next log sync waits to be let go.
type heldSync struct {
	vfs.FS
	mu      sync.Mutex // guards gate
	gate    chan struct{}
	reached chan struct{}
}

func (fs *heldSync) hold() (release func()) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	gate := make(chan struct{})
	fs.gate, fs.reached = gate, make(chan struct{})
	return func() { close(gate) }
}

func (fs *heldSync) pass() {
	fs.mu.Lock()
	gate := fs.gate
	fs.gate = nil
	fs.mu.Unlock()
	if gate != nil {
		close(fs.reached)
		<-gate
	}
}

func (fs *heldSync) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &heldSyncFile{f, fs}, nil
}

type heldSyncFile struct {
	vfs.File
	fs *heldSync
}

func (f *heldSyncFile) Sync() error     { f.fs.pass(); return f.File.Sync() }
func (f *heldSyncFile) SyncData() error { f.fs.pass(); return f.File.SyncData() }

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

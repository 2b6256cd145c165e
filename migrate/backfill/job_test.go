package backfill

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/migrate/internal/world"
	"berth/migrate/tables"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// fast is a clock whose waits are over at once, and on which they took as long as they should.
type fast struct{ off atomic.Int64 }

func (f *fast) Now() time.Time { return world.Day.Add(time.Duration(f.off.Load())) }
func (f *fast) After(d time.Duration) <-chan time.Time {
	c := make(chan time.Time, 1)
	if d < idle { // else it waits for a commit
		f.off.Add(int64(d))
		c <- f.Now()
	}
	return c
}

// plain is a server with one table of n entries, in a phase.
func plain(t testing.TB, fs vfs.FS, n int, p migrate.Phase) *world.World {
	t.Helper()
	w := world.New(t, fs)
	w.Update(t, func(tx *store.Tx) error { return plainProject(tx, 1, n) })
	if err := w.Enter(p); err != nil {
		t.Fatal(err)
	}
	return w
}

func newJob(t testing.TB, w *world.World, d Deps, o Options) *Job {
	t.Helper()
	d.Store, d.Tables = w.Store, w.Tables
	j, err := New(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func status(t testing.TB, j *Job) Status {
	t.Helper()
	st, err := j.Status()
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func (j *Job) does(t testing.TB, a Activity) func() bool {
	return func() bool { return status(t, j).Activity == a }
}

func TestRate(t *testing.T) {
	const entries, rate = 40 * dualwrite.MaxFilters, 1000
	w := plain(t, vfs.NewMem(), entries, migrate.Backfill)
	c := &fast{}
	j := newJob(t, w, Deps{Clock: c}, Options{Rate: rate})
	running(t, j)
	await(t, w.Store, "the end", finished(t, w.Store))
	st := status(t, j)
	took := st.Finished.Sub(st.Started).Seconds()
	if got := (entries - dualwrite.MaxFilters) / took; math.Abs(got/rate-1) > 0.05 { // the first piece is not waited for
		t.Errorf("%v entries a second", got)
	}
	if st.Done != entries || st.Total != entries || st.Written != entries || st.Limit != rate || st.ETA != 0 {
		t.Errorf("%+v", st)
	}
}

// TestWaitsForItsPhase, and for nobody else.
func TestWaitsForItsPhase(t *testing.T) {
	w := plain(t, vfs.NewMem(), 10, migrate.DualWrite)
	j := newJob(t, w, Deps{}, Options{})
	if st := status(t, j); st.Activity != Stopped {
		t.Errorf("%+v", st)
	}
	running(t, j)
	await(t, w.Store, "waiting", j.does(t, Waiting))
	if err := w.Enter(migrate.Backfill); err != nil {
		t.Fatal(err)
	}
	await(t, w.Store, "the end", j.does(t, Done))
	if err := w.Enter(migrate.Legacy); err != nil {
		t.Fatal(err)
	}
	await(t, w.Store, "waiting", j.does(t, Waiting))
	if st := status(t, j); st.Epoch != 1 || st.Written != 10 {
		t.Errorf("%+v", st)
	}
	if err := w.Enter(migrate.Verify); err != nil { // another epoch: everything anew
		t.Fatal(err)
	}
	await(t, w.Store, "the end", j.does(t, Done))
	if st := status(t, j); st.Epoch != 2 || st.Written != 10 || st.Present != 0 {
		t.Errorf("%+v", st)
	}
}

func TestPauseAndRate(t *testing.T) {
	w := plain(t, vfs.NewMem(), 4*dualwrite.MaxFilters, migrate.Backfill)
	j := newJob(t, w, Deps{}, Options{Rate: 1}) // the second piece comes in four minutes
	running(t, j)
	await(t, w.Store, "the first piece", func() bool { return status(t, j).Done == dualwrite.MaxFilters })
	if err := j.Pause(t.Context(), "anna", "it is loud"); err != nil {
		t.Fatal(err)
	}
	await(t, w.Store, "the pause", j.does(t, Paused))
	if err := j.SetRate(t.Context(), 0, "anna", "faster"); err != nil {
		t.Fatal(err)
	}
	if st := status(t, j); st.Done != dualwrite.MaxFilters || st.Limit != 0 || !strings.Contains(st.Why, "anna: it is loud") {
		t.Errorf("%+v", st)
	}
	if err := j.Resume(t.Context(), "ben", "it is quiet"); err != nil {
		t.Fatal(err)
	}
	await(t, w.Store, "the end", j.does(t, Done))
	if err := j.SetRate(t.Context(), math.Inf(1), "anna", ""); err == nil {
		t.Error("an infinite rate was taken")
	}
	var said []string
	for e, err := range migrate.Log(&w.Store.Reader) {
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, e.Who+": "+e.What)
	}
	if got := strings.Join(said[len(said)-3:], "; "); got != "anna: backfill paused; anna: backfill rate 0; ben: backfill resumed" {
		t.Error(got)
	}
}

func TestYields(t *testing.T) {
	w := plain(t, vfs.NewMem(), 4*dualwrite.MaxFilters, migrate.Backfill)
	var p99 atomic.Int64
	p99.Store(int64(time.Second))
	j := newJob(t, w, Deps{P99: func() time.Duration { return time.Duration(p99.Load()) }}, Options{ChunkEntries: 1})
	running(t, j)
	await(t, w.Store, "giving way", j.does(t, Yielding))
	if st := status(t, j); !strings.Contains(st.Why, "the edge's p99 is 1s, over 100ms") {
		t.Errorf("%+v", st)
	}
	p99.Store(0)
	await(t, w.Store, "the end", j.does(t, Done))
}

// fullDisk has no room while it is full.
type fullDisk struct {
	vfs.FS
	full atomic.Bool
}

func (d *fullDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	if d.full.Load() {
		return vfs.DiskUsage{AvailBytes: 20 << 20}, nil
	}
	return vfs.DiskUsage{AvailBytes: 1 << 40}, nil
}

func TestDiskFull(t *testing.T) {
	disk := &fullDisk{FS: vfs.NewMem()}
	w, err := world.Open(disk, "/db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.Update(t, func(tx *store.Tx) error { return plainProject(tx, 1, 100) })
	if err := w.Enter(migrate.Backfill); err != nil {
		t.Fatal(err)
	}
	disk.full.Store(true)
	j := newJob(t, w, Deps{}, Options{})
	stop := running(t, j)
	await(t, w.Store, "no room", j.does(t, NoRoom))
	if st := status(t, j); !strings.Contains(st.Why, "disk full") || st.Done != 0 {
		t.Errorf("%+v", st)
	}
	if err := j.Pause(t.Context(), "anna", "while I make room"); err != nil {
		t.Errorf("cannot be paused on a full disk: %v", err)
	}
	if err := j.Resume(t.Context(), "anna", "done"); err != nil {
		t.Error(err)
	}
	disk.full.Store(false)
	await(t, w.Store, "the end", j.does(t, Done))
	stop()
}

// broken puts entries into a table that have no record: of an unknown deployment, that cannot be converted, of another project.
func broken(t *testing.T, w *world.World) {
	w.Update(t, func(tx *store.Tx) error {
		return tx.PutTableChunk(store.TableChunk{Project: 1, No: dualwrite.Imported + 100, JSON: legacy.AppendChunk(nil, []legacy.Filter{
			{Pattern: legacy.Pattern(hostkey.Host(world.Label(1, "late"))), ScriptHash: "pipeline-late"},
			{Pattern: `^(?:x.*.example\/(?<p1>.*))$`, ScriptHash: legacy.ScriptHash(world.UUID(1, 0))},
			{Pattern: legacy.Pattern("other.site-2." + world.Domain), ScriptHash: legacy.ScriptHash(world.UUID(1, 0))},
		})})
	})
}

func TestFailures(t *testing.T) {
	w := plain(t, vfs.NewMem(), 10, migrate.Backfill)
	broken(t, w)
	j := newJob(t, w, Deps{}, Options{FirstRetry: time.Hour, MaxRetry: 2 * time.Hour})
	running(t, j)
	await(t, w.Store, "the end", j.does(t, Done))
	list := func() (fs []Failure, classes string) {
		for f, err := range Failures(&w.Store.Reader) {
			if err != nil {
				t.Fatal(err)
			}
			fs = append(fs, f)
		}
		for _, c := range []tables.Class{tables.CannotConvert, tables.NoDeployment, tables.Foreign} {
			for _, f := range fs {
				if f.Class == c {
					classes += string(c) + " "
				}
			}
		}
		return fs, strings.TrimSpace(classes)
	}
	fs, classes := list()
	if classes != "cannot-convert no-deployment foreign" || status(t, j).Queued != 3 || len(status(t, j).Failures) != 3 {
		t.Fatalf("%s; %+v", classes, status(t, j))
	}
	if _, err := j.Retry(t.Context(), "anna", "", "00000001/ffff"); !errors.Is(err, ErrNoFailure) {
		t.Errorf("got %v", err)
	}
	late := world.Label(1, "late")
	w.Update(t, func(tx *store.Tx) error { return tx.SetPipeline("pipeline-late", 3) })
	for _, f := range fs {
		if f.Class == tables.Foreign {
			if n, err := j.Skip(t.Context(), "anna", "never mind", f.ID); n != 1 || err != nil {
				t.Errorf("skipped %d, %v", n, err)
			}
		}
	}
	if n, err := j.Retry(t.Context(), "anna", "the deployment is there"); n != 2 || err != nil {
		t.Errorf("retried %d, %v", n, err)
	}
	await(t, w.Store, "the retry", func() bool { return status(t, j).Queued == 2 })
	if r, err := w.Store.LookupRoute(w.Hasher.Key(hostkey.Host(late))); err != nil || r.Deployment != 3 || r.Class != store.ClassBranch {
		t.Errorf("found %+v, %v", r, err)
	}
	fs, classes = list()
	if classes != "cannot-convert foreign" {
		t.Error(classes)
	}
	for _, f := range fs {
		if f.Attempts != 2 || (f.Class == tables.CannotConvert) == f.Skipped || f.Class == tables.CannotConvert && f.Next.Sub(f.Last) != 2*time.Hour {
			t.Errorf("%+v", f)
		}
	}
}

// TestRetriesByItself: a failure whose cause is gone is gone after its next attempt.
func TestRetriesByItself(t *testing.T) {
	w := plain(t, vfs.NewMem(), 10, migrate.Backfill)
	broken(t, w)
	j := newJob(t, w, Deps{}, Options{FirstRetry: time.Millisecond, MaxRetry: 10 * time.Millisecond})
	running(t, j)
	await(t, w.Store, "the end", finished(t, w.Store))
	w.Update(t, func(tx *store.Tx) error { return tx.DeleteTableChunk(1, dualwrite.Imported+100) })
	await(t, w.Store, "an empty queue", func() bool { st := status(t, j); return st.Queued == 0 && len(st.Failures) == 0 })
}

func TestQueueIsBounded(t *testing.T) {
	w := plain(t, vfs.NewMem(), 10, migrate.Backfill)
	broken(t, w)
	j := newJob(t, w, Deps{}, Options{MaxFailures: 1, FirstRetry: time.Millisecond, MaxRetry: time.Millisecond})
	running(t, j)
	for range 3 {
		await(t, w.Store, "the end", finished(t, w.Store))
		if st := status(t, j); st.Queued != 1 || st.Overflow != 2 || len(st.Failures) != 3 {
			t.Errorf("%+v", st)
		}
		if err := j.Restart(t.Context(), "anna", "again"); err != nil {
			t.Fatal(err)
		}
	}
	await(t, w.Store, "the end", finished(t, w.Store))
	w.Update(t, func(tx *store.Tx) error { return tx.DeleteTableChunk(1, dualwrite.Imported+100) })
	if err := j.Restart(t.Context(), "anna", "mended"); err != nil {
		t.Fatal(err)
	}
	await(t, w.Store, "no failures", func() bool { st := status(t, j); return finished(t, w.Store)() && st.Queued+st.Overflow == 0 })
}

// TestConflict: a record of the epoch that says something else than the table is left alone, and reported.
func TestConflict(t *testing.T) {
	w := plain(t, vfs.NewMem(), 10, migrate.DualWrite)
	h := hostkey.Host("00000001.site-1." + world.Domain)
	w.Update(t, func(tx *store.Tx) error {
		return tx.SetRoute(w.Hasher.Key(h), store.Route{Kind: store.RouteSite, Class: store.ClassDeployment, Project: 1, Deployment: 9})
	})
	if err := w.Enter(migrate.Backfill); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, w, Deps{}, Options{FirstRetry: time.Hour})
	running(t, j)
	await(t, w.Store, "the end", j.does(t, Done))
	for f, err := range Failures(&w.Store.Reader) {
		if err != nil || f.Class != Conflict || f.Host != string(h) || !strings.Contains(f.Why, "deployment 9") {
			t.Errorf("%+v, %v", f, err)
		}
	}
	if st := status(t, j); st.Failures[Conflict] != 1 || st.Written != 9 || st.Present != 1 {
		t.Errorf("%+v", st)
	}
}

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

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Deps{}, Options{Rate: -1, ChunkEntries: -1, MaxFailures: -1, FirstRetry: time.Hour, MaxRetry: time.Minute})
	for _, part := range []string{"store", "tables", "Rate", "ChunkEntries", "MaxFailures", "FirstRetry"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %s", err, part)
		}
	}
}

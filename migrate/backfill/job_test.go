package backfill

import (
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/migrate/internal/world"
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

// The store is told how many records there will be before they come: its filter has room for all of them after the first piece.
func TestStoreKnowsWhatComes(t *testing.T) {
	const entries, perKey = 20 * dualwrite.MaxFilters, 1.5 // bytes of a filter
	w := plain(t, vfs.NewMem(), entries, migrate.Backfill)
	j := newJob(t, w, Deps{}, Options{Rate: 1})
	running(t, j)
	await(t, w.Store, "a filter of that size", func() bool {
		m, err := w.Store.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		return m.KeyFilterKeys > 0 && m.KeyFilterBytes >= entries*perKey
	})
	if st := status(t, j); st.Done > 2*dualwrite.MaxFilters {
		t.Errorf("that took %d of %d entries", st.Done, st.Total)
	}
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
	j := newJob(t, w, Deps{P99: func() time.Duration { return time.Duration(p99.Load()) }}, Options{ChunkEntries: 1, MaxCommit: -1})
	running(t, j)
	await(t, w.Store, "giving way", j.does(t, Yielding))
	if st := status(t, j); !strings.Contains(st.Why, "the edge's p99 is 1s, over 100ms") {
		t.Errorf("%+v", st)
	}
	p99.Store(0)
	await(t, w.Store, "the end", j.does(t, Done))
}

// Bounds that an operator sets hold at once, while the job waits for the old ones, and in a job that is started later.
func TestYieldBoundsChange(t *testing.T) {
	w := plain(t, vfs.NewMem(), 4*dualwrite.MaxFilters, migrate.Backfill)
	slow := Deps{Clock: &held{free: make(chan struct{})}, P99: func() time.Duration { return time.Second }}
	j := newJob(t, w, slow, Options{ChunkEntries: 1})
	stop := running(t, j)
	await(t, w.Store, "giving way", j.does(t, Yielding))
	if st := status(t, j); st.YieldCommit != 250*time.Millisecond || st.YieldP99 != 100*time.Millisecond || st.Done != 0 {
		t.Errorf("%+v", st)
	}
	more := 2 * time.Second
	if err := j.Tune(t.Context(), migrate.Tuning{YieldP99: &more}, "anna", "it bears it"); err != nil {
		t.Fatal(err)
	}
	await(t, w.Store, "the end", j.does(t, Done)) // the clock of held stands still: no wait is over
	stop()
	if st := status(t, newJob(t, w, Deps{}, Options{})); st.YieldCommit != 250*time.Millisecond || st.YieldP99 != more {
		t.Errorf("after a restart: %+v", st)
	}
}

// held is fast, but its waits do not end before it is free.
type held struct {
	fast
	free chan struct{}
}

func (h *held) After(d time.Duration) <-chan time.Time {
	if d >= idle {
		return nil
	}
	c := make(chan time.Time, 1)
	go func() {
		<-h.free
		h.off.Add(int64(d))
		c <- h.Now()
	}()
	return c
}

// The time that the store takes to commit is a reason to give way, by itself.
func TestYieldsToTheStore(t *testing.T) {
	w := plain(t, vfs.NewMem(), 3*dualwrite.MaxFilters, migrate.Backfill)
	c := &held{free: make(chan struct{})}
	defer w.Store.OnCommit(func(store.Commit) { c.off.Add(int64(time.Second / 3)) })() // so long does each take
	j := newJob(t, w, Deps{Clock: c}, Options{ChunkEntries: 1})
	running(t, j)
	await(t, w.Store, "giving way", j.does(t, Yielding))
	if st := status(t, j); st.Why != "a commit of the store is 333.333ms, over 250ms" || st.Done != dualwrite.MaxFilters {
		t.Errorf("%+v", st)
	}
	close(c.free)
	await(t, w.Store, "the end, slow as it is", j.does(t, Done))
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

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Deps{}, Options{Rate: -1, ChunkEntries: -1, MaxFailures: -1, FirstRetry: time.Hour, MaxRetry: time.Minute})
	for _, part := range []string{"store", "tables", "Rate", "ChunkEntries", "MaxFailures", "FirstRetry"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %s", err, part)
		}
	}
}

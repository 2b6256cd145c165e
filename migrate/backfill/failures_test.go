package backfill

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/migrate/internal/world"
	"berth/migrate/pace"
	"berth/migrate/tables"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

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

// monthFast is a clock that is a month fast.
type monthFast struct{ pace.System }

func (monthFast) Now() time.Time { return time.Now().Add(30 * 24 * time.Hour) }

// What failed while the clock was wrong does not wait until that time has come.
func TestRetriesAfterTheClockWasAhead(t *testing.T) {
	w := plain(t, vfs.NewMem(), 10, migrate.Backfill)
	broken(t, w)
	j := newJob(t, w, Deps{Clock: monthFast{}}, Options{FirstRetry: time.Hour, MaxRetry: time.Hour})
	stop := running(t, j)
	await(t, w.Store, "the end", j.does(t, Done))
	stop()
	w.Update(t, func(tx *store.Tx) error { return tx.DeleteTableChunk(1, dualwrite.Imported+100) })
	j = newJob(t, w, Deps{}, Options{FirstRetry: time.Hour, MaxRetry: time.Hour})
	running(t, j)
	await(t, w.Store, "an empty queue", func() bool { return status(t, j).Queued == 0 })
}

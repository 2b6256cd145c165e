package migrate_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/migrate"
	"berth/store"
)

func is[T any](v T) *T { return &v }

func TestTuning(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	woken := 0
	o := migrate.NewOperator(s, func() time.Time { return someDay }, "job", "copying", func() { woken++ })
	tune := func(x migrate.Tuning) {
		t.Helper()
		if err := o.Tune(t.Context(), x, "anna", "loud"); err != nil {
			t.Fatal(err)
		}
	}
	tune(migrate.Tuning{Rate: is(7.5), YieldCommit: is(time.Second)})
	tune(migrate.Tuning{YieldP99: is(time.Duration(0))}) // the rest stays
	rev := s.Revision()
	for _, bad := range []migrate.Tuning{
		{Rate: is(-1.0)}, {Rate: is(math.NaN())}, {Rate: is(math.Inf(1))}, {Rate: is(5.0), YieldCommit: is(-time.Second)}, {YieldP99: is(2 * time.Hour)},
	} {
		if err := o.Tune(t.Context(), bad, "anna", "loud"); err == nil || !strings.Contains(err.Error(), "want ") {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if s.Revision() != rev || woken != 2 {
		t.Errorf("what was refused changed something: revision %d after %d, woken %d times", s.Revision(), rev, woken)
	}
	got, err := migrate.LoadControl(&s.Reader, "job")
	want := migrate.Control{Version: 1, Rate: is(7.5), YieldCommit: is(time.Second), YieldP99: is(time.Duration(0))}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if commit, p99 := got.YieldOr(time.Minute, time.Minute); commit != time.Second || p99 != 0 {
		t.Errorf("in force: %v, %v", commit, p99)
	}
	if commit, p99 := (migrate.Control{}).YieldOr(time.Minute, -1); commit != time.Minute || p99 != 0 {
		t.Errorf("where nothing was said: %v, %v", commit, p99)
	}
	wantLog(t, s, "copying rate 7.5, gives way to commits above 1s", "copying gives way to the edge's p99 never")
}

func wantLog(t *testing.T, s *store.Store, want ...string) {
	t.Helper()
	var got []string
	for e, err := range migrate.Log(&s.Reader) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.What)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

// What a phase is entered with is there with it, or neither is; and the log has a line for each.
func TestMoveWith(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	m := begun(t, s)
	o := migrate.NewOperator(s, func() time.Time { return someDay }, "job", "copying", func() {})
	broken := errors.New("broken")
	with := func(fail error) error {
		_, err := m.MoveWith(t.Context(), migrate.Legacy, migrate.DualWrite, "anna", "go", func(tx *store.Tx) error {
			return errors.Join(o.TuneIn(tx, migrate.Tuning{Rate: is(3.0)}, "anna", "go"), migrate.AppendLog(tx, someDay, "anna", "third", ""), fail)
		})
		return err
	}
	if err := with(broken); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if c, err := migrate.LoadControl(&s.Reader, "job"); m.State().Phase != migrate.Legacy || c.Rate != nil || err != nil {
		t.Errorf("half of it is there: phase %s, %+v, %v", m.State().Phase, c, err)
	}
	rev := s.Revision()
	if err := with(nil); err != nil {
		t.Fatal(err)
	}
	if c, err := migrate.LoadControl(&s.Reader, "job"); m.State().Phase != migrate.DualWrite || c.Rate == nil || err != nil || s.Revision() != rev+1 {
		t.Errorf("phase %s, %+v, %v, %d commits", m.State().Phase, c, err, s.Revision()-rev)
	}
	wantLog(t, s, "phase retired to legacy", "copying rate 3", "third", "phase legacy to dual-write")
}

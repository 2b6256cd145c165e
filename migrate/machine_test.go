package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/migrate"
	"berth/store"
)

// TestEveryMove asks for every transition that can be written down.
func TestEveryMove(t *testing.T) {
	for i, from := range migrate.Phases() {
		for k, to := range append(migrate.Phases(), "sideways") {
			t.Run(fmt.Sprintf("%s/%s", from, to), func(t *testing.T) {
				s := openStore(t, vfs.NewMem())
				m := begun(t, s)
				goTo(t, m, from)
				before, rev := m.State(), s.Revision()
				back := k < i && from != migrate.Retired
				allowed := to != "sideways" && (k == i+1 || back)
				got, err := m.Move(t.Context(), from, to, "ben", "because")
				if !allowed {
					if !errors.Is(err, migrate.ErrPhase) {
						t.Errorf("got %v", err)
					}
					if m.State() != before || s.Revision() != rev {
						t.Errorf("a refused move left %+v at revision %d", m.State(), s.Revision())
					}
					return
				}
				want := migrate.State{Version: 1, Phase: to, Epoch: before.Epoch, Since: someDay, Who: "ben", Why: "because"}
				if to == migrate.DualWrite && from == migrate.Legacy {
					want.Epoch++
				}
				if err != nil || got != want || m.State() != want || s.Epoch() != want.Epoch {
					t.Errorf("got %+v, %v; state %+v, epoch %d; want %+v", got, err, m.State(), s.Epoch(), want)
				}
				if s.Revision() != rev+1 {
					t.Errorf("%d commits", s.Revision()-rev)
				}
			})
		}
	}
}

func TestPhasesWrite(t *testing.T) {
	for _, tt := range []struct {
		p               migrate.Phase
		tables, records bool
	}{
		{migrate.Legacy, true, false}, {migrate.DualWrite, true, true}, {migrate.Backfill, true, true}, {migrate.Verify, true, true},
		{migrate.Ramp, true, true}, {migrate.Cutover, true, true}, {migrate.Retired, false, true},
	} {
		if tt.p.WritesTables() != tt.tables || tt.p.WritesRecords() != tt.records {
			t.Errorf("%s: tables %v, records %v", tt.p, tt.p.WritesTables(), tt.p.WritesRecords())
		}
		if p, err := migrate.ParsePhase(string(tt.p)); p != tt.p || err != nil {
			t.Errorf("parse %s: %s, %v", tt.p, p, err)
		}
	}
	if _, err := migrate.ParsePhase("dualwrite"); err == nil || !strings.Contains(err.Error(), "dual-write") {
		t.Errorf("got %v", err)
	}
	if migrate.Retired.Next() != "" || migrate.Phase("x").Next() != "" {
		t.Error("something follows the last phase")
	}
}

func TestBegin(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	m := newMachine(t, s)
	if st := m.State(); st.Phase != migrate.Retired || !st.Since.IsZero() {
		t.Errorf("a server that never migrated is in %+v", st)
	}
	if _, err := m.Move(t.Context(), migrate.Retired, migrate.Legacy, "anna", ""); !errors.Is(err, migrate.ErrPhase) {
		t.Errorf("moved out of the last phase: %v", err)
	}
	begin := func() error {
		_, err := s.Update(t.Context(), func(tx *store.Tx) error { return m.Begin(tx, "anna", "import") })
		return err
	}
	if err := begin(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []migrate.Phase{migrate.Legacy, migrate.Cutover, migrate.Retired} {
		goTo(t, m, p)
		if err := begin(); !errors.Is(err, migrate.ErrPhase) {
			t.Errorf("began again in phase %s: %v", p, err)
		}
	}
}

// TestTwoOperators: of two who move at once one does, and the other is told who and why.
func TestTwoOperators(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	m := begun(t, s)
	goTo(t, m, migrate.Ramp)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	targets := []migrate.Phase{migrate.Cutover, migrate.Legacy}
	for i, who := range []string{"anna", "ben"} {
		wg.Go(func() { _, errs[i] = m.Move(context.Background(), migrate.Ramp, targets[i], who, "reason of "+who) })
	}
	wg.Wait()
	won := 0
	if errs[0] != nil {
		won = 1
	}
	if errs[won] != nil || !errors.Is(errs[1-won], migrate.ErrPhase) {
		t.Fatalf("got %v", errs)
	}
	winner := []string{"anna", "ben"}[won]
	for _, part := range []string{winner, "reason of " + winner, string(targets[won])} {
		if !strings.Contains(errs[1-won].Error(), part) {
			t.Errorf("%q does not say %q", errs[1-won], part)
		}
	}
	if m.State().Phase != targets[won] {
		t.Errorf("phase %s", m.State().Phase)
	}
}

// TestMachinesFollow: another machine over the same store knows when Move has returned.
func TestMachinesFollow(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	m, other := begun(t, s), newMachine(t, s)
	goTo(t, m, migrate.Backfill)
	if other.State() != m.State() {
		t.Errorf("one is in %+v, the other in %+v", m.State(), other.State())
	}
	other.Close()
	goTo(t, m, migrate.Verify)
	if other.State().Phase != migrate.Backfill {
		t.Errorf("a closed machine follows to %s", other.State().Phase)
	}
}

func TestLog(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	m := begun(t, s)
	goTo(t, m, migrate.Backfill)
	update(t, s, func(tx *store.Tx) error { return migrate.AppendLog(tx, someDay, "ben", "rate 5", "it is night") })
	goTo(t, m, migrate.Legacy)
	var got []migrate.Entry
	for e, err := range migrate.Log(&s.Reader) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	want := []migrate.Entry{
		{Revision: 1, Time: someDay, Who: "anna", What: "phase retired to legacy", Why: "import"},
		{Revision: 2, Time: someDay, Who: "anna", What: "phase legacy to dual-write", Why: "test"},
		{Revision: 3, Time: someDay, Who: "anna", What: "phase dual-write to backfill", Why: "test"},
		{Revision: 4, Time: someDay, Who: "ben", What: "rate 5", Why: "it is night"},
		{Revision: 5, Time: someDay, Who: "anna", What: "phase backfill to legacy", Why: "test"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	update(t, s, func(tx *store.Tx) error { return tx.PutDocument("log/ffff", []byte("{")) })
	bad := 0
	for _, err := range migrate.Log(&s.Reader) {
		if err != nil {
			bad++
		}
	}
	if bad != 1 {
		t.Errorf("%d lines cannot be read", bad)
	}
}

func TestLoadRefuses(t *testing.T) {
	for raw, say := range map[string]string{`{`: "state", `{"v":9,"phase":"ramp"}`: "version 9", `{"v":1,"phase":"limbo"}`: "limbo"} {
		s := openStore(t, vfs.NewMem())
		update(t, s, func(tx *store.Tx) error { return tx.PutDocument("state", []byte(raw)) })
		if _, err := migrate.Load(&s.Reader); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v", raw, err)
		}
		if _, err := migrate.New(s, nil, nil); err == nil {
			t.Errorf("%s: a machine was made", raw)
		}
	}
}

func TestControl(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	if c, err := migrate.LoadControl(&s.Reader, "job"); err != nil || c != (migrate.Control{}) {
		t.Errorf("got %+v, %v", c, err)
	}
	set := func(change func(*migrate.Control)) {
		update(t, s, func(tx *store.Tx) error { return migrate.SetControl(tx, "job", someDay, "anna", "so", change) })
	}
	rate := 5.5
	set(func(c *migrate.Control) { c.Rate = &rate })
	set(func(c *migrate.Control) { c.Paused = true })
	want := migrate.Control{Version: 1, Paused: true, Rate: &rate, Who: "anna", Why: "so", Since: someDay}
	if c, err := migrate.LoadControl(&s.Reader, "job"); err != nil || !cmp.Equal(c, want) {
		t.Errorf("got %+v, %v", c, err)
	}
	update(t, s, func(tx *store.Tx) error { return tx.PutDocument("job/control", []byte(`{"v":2}`)) })
	if _, err := migrate.LoadControl(&s.Reader, "job"); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("got %v", err)
	}
}

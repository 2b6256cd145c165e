package migration

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"berth/migrate"
	"berth/migrate/load"
	"berth/migrate/ramp"
	"berth/store/control"
)

// The second of two who import at once is told so, not that the server is broken.
func TestConcurrentImportsAreAConflict(t *testing.T) {
	err := public(fmt.Errorf("load: upload:1: %w of project docs", load.ErrConcurrent))
	var refused *control.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusConflict || refused.Message != "upload:1: somebody else loads the table of project docs" {
		t.Errorf("%#v", err)
	}
}

// What is cut off a refusal is the package that it is of, never a phase that it names.
func TestRefusalsNamePhases(t *testing.T) {
	w := newWorld(t)
	w.project("docs")
	w.tables(`{"project":"docs","table":{"filters":[],"v":1}}`)
	w.complete()
	w.mustMove(migrate.DualWrite)
	_, err := w.svc.machine.Move(t.Context(), migrate.DualWrite, migrate.Ramp, "ada", "")
	for err, want := range map[error]string{
		err: "move the migration to ramp: phase ramp does not follow dual-write: backfill comes first",
		fmt.Errorf("ramp: there is no plan for load: 0"):                           "there is no plan for load: 0",
		fmt.Errorf("set the rollout: %w: it is at revision 3", ramp.ErrConflict):   "set the rollout: the rollout has been changed meanwhile: it is at revision 3",
		fmt.Errorf("load: t.json:1: %w of project ramp: docs", load.ErrConcurrent): "t.json:1: somebody else loads the table of project ramp: docs",
		fmt.Errorf("start the ramp: %w: phase ramp: none", migrate.ErrPhase):       "start the ramp: phase ramp: none",
	} {
		if got := public(err).Error(); got != want {
			t.Errorf("%v\n got %s\nwant %s", err, got, want)
		}
	}
}

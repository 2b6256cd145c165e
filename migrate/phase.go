package migrate

import (
	"fmt"
	"slices"
)

// Phase is a step of the migration.
type Phase string

// The phases, in their order.
const (
	Legacy    Phase = "legacy"
	DualWrite Phase = "dual-write"
	Backfill  Phase = "backfill"
	Verify    Phase = "verify"
	Ramp      Phase = "ramp"
	Cutover   Phase = "cutover"
	Retired   Phase = "retired"
)

// Phases returns them in their order.
func Phases() []Phase { return []Phase{Legacy, DualWrite, Backfill, Verify, Ramp, Cutover, Retired} }

// ParsePhase reads a phase's name.
func ParsePhase(s string) (Phase, error) {
	if p := Phase(s); p.order() >= 0 {
		return p, nil
	}
	return "", fmt.Errorf("phase %q: want one of %v", s, Phases())
}

func (p Phase) order() int { return slices.Index(Phases(), p) }

// WritesTables says whether changes go to the tables of the old design.
func (p Phase) WritesTables() bool { return p != Retired }

// WritesRecords says whether they go to route records.
func (p Phase) WritesRecords() bool { return p != Legacy }

// Before says whether p comes before q.
func (p Phase) Before(q Phase) bool { return p.order() < q.order() }

// Next is the phase after p; of the last, "".
func (p Phase) Next() Phase {
	if i := p.order(); i >= 0 && i+1 < len(Phases()) {
		return Phases()[i+1]
	}
	return ""
}

// check says whether one may go from p to q: one step forward, or back to any phase but out of the last.
func (p Phase) check(q Phase) error {
	switch {
	case q.order() < 0:
		return fmt.Errorf("there is no phase %q", q)
	case p == q:
		return fmt.Errorf("the migration is in phase %s already", p)
	case p == Retired:
		return fmt.Errorf("phase %s is the last; there is no way back from it", p)
	case q.Before(p), q == p.Next():
		return nil
	}
	return fmt.Errorf("phase %s does not follow %s: %s comes first", q, p, p.Next())
}

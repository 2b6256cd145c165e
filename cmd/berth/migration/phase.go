package migration

import (
	"context"
	"net/http"
	"slices"

	"berth/migrate"
	"berth/migrate/shadow"
	"berth/store"
	"berth/store/control"
)

// Move asks for another phase.
type Move struct {
	From  migrate.Phase `json:"from"` // the phase that the caller believes in
	To    migrate.Phase `json:"to"`
	Why   string        `json:"why"`
	Force bool          `json:"force,omitempty"` // although a check of the plan says no
	Pace                // of the backfill, if To is its phase
}

// Moved is what became of it.
type Moved struct {
	migrate.State
	Kept []string `json:"kept,omitempty"` // sites that stay on the tables by name from now on, because some of their entries have no record
}

func (s *Service) postPhase(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	var m Move
	if err := readJSON(r, &m); err != nil {
		return nil, err
	}
	if err := checkWhy(m.Why); err != nil {
		return nil, err
	}
	for _, phase := range []migrate.Phase{m.From, m.To} {
		if _, err := migrate.ParsePhase(string(phase)); err != nil {
			return nil, bad("%v", err)
		}
	}
	if m.Pace != (Pace{}) && m.To != migrate.Backfill {
		return nil, bad("rate, yield_commit and yield_p99 are of the backfill, and phase %s does not begin it", m.To)
	}
	if m.To == migrate.Retired {
		return nil, bad("the last phase cannot be taken back, and is entered by `berth migrate finish`")
	}
	return s.move(ctx, m, who(p))
}

// move changes the phase, in one batch with all that it is entered with. Going forward, it insists on what the plan checks, unless it is forced.
func (s *Service) move(ctx context.Context, m Move, who string) (moved Moved, err error) {
	tuning, err := m.tuning()
	if err != nil {
		return Moved{}, err
	}
	var forced []string
	if m.To == m.From.Next() {
		if forced, err = s.checkMove(&m); err != nil {
			return Moved{}, err
		}
	}
	moved.State, err = s.machine.MoveWith(ctx, m.From, m.To, who, m.Why, func(tx *store.Tx) (err error) {
		if err := s.checkAgain(tx, &m, forced); err != nil {
			return err
		}
		if m.To == migrate.DualWrite && m.From.Before(m.To) { // of another epoch they would tell of other records
			return shadow.Clear(tx)
		}
		if m.To.Before(migrate.Ramp) && !m.From.Before(migrate.Ramp) {
			if err := s.takeBack(tx, who); err != nil {
				return err
			}
		}
		if m.To == m.From.Next() && (m.To == migrate.Ramp || m.To == migrate.Cutover) {
			moved.Kept, err = s.keepFailing(tx, who)
		}
		if err == nil && !tuning.IsZero() {
			err = s.backfill.TuneIn(tx, tuning, who, m.Why)
		}
		return err
	})
	if err != nil {
		return Moved{}, err
	}
	return moved, nil
}

// checkMove insists on the plan's checks, and names those that failed and that force overrules.
func (s *Service) checkMove(m *Move) (forced []string, err error) {
	plan, err := s.plan(&s.deps.Store.Reader, m.From)
	if err != nil {
		return nil, err
	}
	for _, c := range plan.Checks {
		switch {
		case c.OK:
		case c.Hard:
			return nil, conflict("phase %s cannot be entered: %s", m.To, c.Detail)
		case !m.Force:
			return nil, conflict("phase %s is not to be entered yet: %s. With --force it is, all the same", m.To, c.Detail)
		default:
			m.Why += " (forced although " + c.Detail + ")"
			forced = append(forced, c.Name)
		}
	}
	return forced, nil
}

// checkAgain checks in the batch that moves what checkMove did before it: somebody else may have imported, or begun a comparison, in between.
func (s *Service) checkAgain(tx *store.Tx, m *Move, forced []string) error {
	if m.To != m.From.Next() {
		return nil
	}
	plan, err := s.plan(&tx.Reader, m.From)
	if err != nil {
		return err
	}
	for _, c := range plan.Checks {
		if !c.OK && !slices.Contains(forced, c.Name) {
			return conflict("phase %s is not to be entered any more, something has changed at this moment: %s", m.To, c.Detail)
		}
	}
	return nil
}

// LogPage is a part of the migration's log, the newest lines, oldest first.
type LogPage struct {
	Entries []migrate.Entry `json:"entries"`
	Earlier int             `json:"earlier"` // lines that were left out
}

func (s *Service) getLog(_ context.Context, _ control.Principal, r *http.Request) (any, error) {
	limit, err := limitOf(r, 100)
	if err != nil {
		return nil, err
	}
	page := LogPage{Entries: []migrate.Entry{}}
	for e, err := range migrate.Log(&s.deps.Store.Reader) {
		if err != nil {
			return nil, err
		}
		if len(page.Entries) == limit {
			page.Entries = page.Entries[1:]
			page.Earlier++
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}

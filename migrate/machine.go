package migrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"berth/store"
)

// ErrPhase says that the migration's phase does not allow what was asked.
var ErrPhase = errors.New("migrate: not in this phase")

// Machine moves the migration through its phases. It is safe for concurrent use; State costs one atomic load.
type Machine struct {
	store  *store.Store
	now    func() time.Time
	log    *slog.Logger
	state  atomic.Pointer[State]
	unhook func()
}

// New reads the state and follows the store's commits until Close.
func New(s *store.Store, now func() time.Time, log *slog.Logger) (*Machine, error) {
	m := &Machine{store: s, now: now, log: log}
	m.unhook = s.OnCommit(func(c store.Commit) {
		if c.Migration {
			m.reload()
		}
	})
	state, err := Load(&s.Reader)
	if err != nil {
		m.unhook()
		return nil, err
	}
	m.state.CompareAndSwap(nil, &state) // a commit meanwhile has set a newer one
	return m, nil
}

// reload runs in the commit hook, where the commit can be read and its writer does not know of it yet.
func (m *Machine) reload() {
	state, err := Load(&m.store.Reader)
	if err != nil {
		m.log.Error("the migration's state cannot be read; the last one known is kept", slog.Any("error", err))
		return
	}
	m.state.Store(&state)
}

// State is the newest acknowledged one.
func (m *Machine) State() State { return *m.state.Load() }

// Close stops following the store.
func (m *Machine) Close() { m.unhook() }

// Begin puts a server that never migrated into the first phase, inside the Update that brings the first table.
func (m *Machine) Begin(tx *store.Tx, who, why string) error {
	s, err := Load(&tx.Reader)
	if err != nil {
		return err
	}
	if s.Phase != Retired || s.Since != (time.Time{}) {
		return fmt.Errorf("%w: a migration cannot begin in phase %s", ErrPhase, s.Phase)
	}
	return m.enter(tx, s, Legacy, who, why)
}

// Move goes one phase forward, or back to any earlier one, in one batch: the state, the line of the log, and the epoch that
// dual-write begins. from is the phase that the caller believes in: two operators at once are told of each other.
func (m *Machine) Move(ctx context.Context, from, to Phase, who, why string) (State, error) {
	return m.MoveWith(ctx, from, to, who, why, nil)
}

// MoveWith is Move with more in the same batch: what the phase is entered with, and must not be there without it, nor it without that. also
// sees the state as it was before, and nothing happens if it fails. nil is for nothing. The way back is open on a full disk as well: it
// may use what is kept free for making room.
func (m *Machine) MoveWith(ctx context.Context, from, to Phase, who, why string, also func(*store.Tx) error) (State, error) {
	var entered State
	update := m.store.Update
	if to.Before(from) {
		update = m.store.UpdateFreeing
	}
	_, err := update(ctx, func(tx *store.Tx) error {
		s, err := Load(&tx.Reader)
		if err != nil {
			return err
		}
		if s.Phase != from {
			return fmt.Errorf("%w: the phase is %s, not %s: %s moved it at %s (%s)", ErrPhase, s.Phase, from, s.Who, s.Since.Format(time.RFC3339), s.Why)
		}
		if err := s.Phase.check(to); err != nil {
			return fmt.Errorf("%w: %w", ErrPhase, err)
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		if err := m.enter(tx, s, to, who, why); err != nil {
			return err
		}
		entered, err = Load(&tx.Reader)
		return err
	})
	if err != nil {
		return State{}, fmt.Errorf("move the migration to %s: %w", to, err)
	}
	return entered, nil
}

func (m *Machine) enter(tx *store.Tx, from State, to Phase, who, why string) error {
	next := State{Version: stateVersion, Phase: to, Epoch: from.Epoch, Since: m.now().UTC(), Who: who, Why: why}
	if to == DualWrite && from.Phase.Before(DualWrite) {
		var err error
		if next.Epoch, err = tx.NextEpoch(); err != nil {
			return err
		}
	}
	if err := put(tx, stateDocument, next); err != nil {
		return err
	}
	return AppendLog(tx, m.now(), who, fmt.Sprintf("phase %s to %s", from.Phase, to), why)
}

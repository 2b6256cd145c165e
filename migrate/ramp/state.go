package ramp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"berth/migrate"
	"berth/router/rollout"
	"berth/store"
)

// Status is how a guarded ramp stands.
type Status string

const (
	None     Status = ""         // there never was one
	Running  Status = "running"  // also while the server is down: it goes on at the next start
	Done     Status = "done"     // the last step was good
	Stopped  Status = "stopped"  // by somebody; the percentage is what it was then
	Reverted Status = "reverted" // a bound was broken; the percentage is that of the last good step
)

// State is the document of a guarded ramp.
type State struct {
	Version  int            `json:"v"`
	Revision store.Revision `json:"revision"` // of the commit that wrote it
	Status   Status         `json:"status"`
	Plan     Plan           `json:"plan"`
	Step     int            `json:"step"`    // index in Plan.Steps
	Percent  float64        `json:"percent"` // what the guard has set
	Good     float64        `json:"good"`    // what it goes back to
	Started  time.Time      `json:"started"`
	Since    time.Time      `json:"since"` // of the step, or of the end
	Who      string         `json:"who"`
	Why      string         `json:"why"`
	Reason   string         `json:"reason,omitempty"`  // of the end
	Figures  *Figures       `json:"figures,omitempty"` // of the newest step that was judged
}

const (
	stateDocument = "ramp"
	stateVersion  = 1
)

// LoadState reads how the guarded ramp stands.
func LoadState(r *store.Reader) (State, error) {
	raw, err := r.Document(stateDocument)
	if errors.Is(err, store.ErrNotFound) {
		return State{Version: stateVersion}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read the state of the ramp: %w", err)
	}
	var s State
	if err := json.Unmarshal(raw, &s); err != nil {
		return State{}, fmt.Errorf("read the state of the ramp: %w", err)
	}
	if s.Version != stateVersion {
		return State{}, fmt.Errorf("read the state of the ramp: version %d; this berth reads %d", s.Version, stateVersion)
	}
	if s.Status == Running {
		if err := s.Plan.prepare(); err != nil {
			return State{}, fmt.Errorf("read the state of the ramp: %w", err)
		}
		if s.Step < 0 || s.Step >= len(s.Plan.Steps) {
			return State{}, fmt.Errorf("read the state of the ramp: step %d of %d", s.Step, len(s.Plan.Steps))
		}
	}
	return s, nil
}

// Standing is everything that a guard must know before it acts.
type Standing struct {
	State   State
	Percent float64 // in force, whoever set it
	Default rollout.Side
	Phase   migrate.Phase
}

// Move is what a guard does: a new state and, if SetPercent, its percentage.
type Move struct {
	From       Standing
	To         State
	SetPercent bool
	Who        string
	What, Why  string   // line of the log
	Sampling   *float64 // of the requests, in percent, from now on; nil: as it is
}

// ErrChanged says that somebody else has acted since the guard looked; nothing was written.
var ErrChanged = errors.New("ramp: changed meanwhile")

// Keeper is where a guard keeps what it does. Save writes state, percentage, sampling and line of the log in one batch, or, if
// what the move starts from is not what there is, ErrChanged and nothing.
type Keeper interface {
	Load() (Standing, error)
	Save(ctx context.Context, m Move) (Standing, error)
}

// Documents is the Keeper of a server.
type Documents struct {
	store *store.Store
	now   func() time.Time
}

// NewDocuments keeps a guard's state in the store.
func NewDocuments(s *store.Store, now func() time.Time) *Documents {
	return &Documents{store: s, now: now}
}

// Load reads the state, the percentage and the phase.
func (d *Documents) Load() (Standing, error) {
	at, _, _, err := standing(&d.store.Reader)
	return at, err
}

func standing(r *store.Reader) (Standing, rollout.Document, migrate.State, error) {
	var doc rollout.Document
	phase, err := migrate.Load(r)
	if err == nil {
		doc, err = loadRollout(r, phase)
	}
	if err != nil {
		return Standing{}, rollout.Document{}, migrate.State{}, err
	}
	s, err := LoadState(r)
	return Standing{State: s, Percent: doc.Config.Percent, Default: doc.Config.Default, Phase: phase.Phase}, doc, phase, err
}

// Save is a Keeper's. A ramp that must go back can do so on a full disk.
func (d *Documents) Save(ctx context.Context, m Move) (Standing, error) {
	var after Standing
	_, err := d.store.UpdateFreeing(ctx, func(tx *store.Tx) error {
		at, doc, phase, err := standing(&tx.Reader)
		if err != nil {
			return err
		}
		if at.State.Revision != m.From.State.Revision || m.SetPercent && (at.Percent != m.From.Percent || at.Phase != m.From.Phase) {
			return ErrChanged
		}
		m.To.Version, m.To.Revision = stateVersion, tx.Revision()
		after = Standing{State: m.To, Percent: at.Percent, Default: at.Default, Phase: at.Phase}
		if err := putState(tx, m.To); err != nil {
			return err
		}
		if m.Sampling != nil {
			if err := putSampling(tx, d.now(), *m.Sampling, m.Who, m.Why); err != nil {
				return err
			}
		}
		if !m.SetPercent {
			return migrate.AppendLog(tx, d.now(), m.Who, m.What, m.Why)
		}
		c := Change{Config: doc.Config, Who: m.Who, Why: m.Why}
		c.Config.Percent, after.Percent = m.To.Percent, m.To.Percent
		_, err = write(tx, d.now(), phase, doc, c, m.What)
		return err
	})
	if err != nil {
		return Standing{}, fmt.Errorf("keep the state of the ramp: %w", err)
	}
	return after, nil
}

func putState(tx *store.Tx, s State) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the state of the ramp: %w", err)
	}
	return tx.PutDocument(stateDocument, raw)
}

package ramp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/migrate"
	"berth/router/rollout"
	"berth/store"
)

const (
	rolloutDocument = "rollout"
	rolloutPrefix   = "rollout: " // of lines of the log
)

// ModeOf is what a phase lets the configuration decide.
func ModeOf(p migrate.Phase) rollout.Mode {
	switch p {
	case migrate.Retired:
		return rollout.ModeHashed
	case migrate.Cutover:
		return rollout.ModeCutover
	case migrate.Ramp:
		return rollout.ModeRamp
	}
	return rollout.ModeLegacy
}

// LoadRollout reads the configuration as it is in force, with the mode of the phase. Without a document everything is left on the tables.
func LoadRollout(r *store.Reader) (rollout.Document, error) {
	state, err := migrate.Load(r)
	if err != nil {
		return rollout.Document{}, err
	}
	return loadRollout(r, state)
}

func loadRollout(r *store.Reader, state migrate.State) (rollout.Document, error) {
	d := rollout.Document{Epoch: uint32(state.Epoch), Config: rollout.Config{Default: rollout.Legacy}}
	raw, err := r.Document(rolloutDocument)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return rollout.Document{}, fmt.Errorf("read the rollout: %w", err)
	default:
		if d, err = rollout.Decode(raw); err != nil {
			return rollout.Document{}, err
		}
	}
	if d.Epoch != uint32(state.Epoch) {
		d.Config = void(d.Config)
	}
	d.Config.Mode = ModeOf(state.Phase)
	return d, nil
}

// void takes back what was given to hashed, and leaves what is kept on the tables.
func void(c rollout.Config) rollout.Config {
	kept := rollout.Config{Mode: c.Mode, Sites: maps.Clone(c.Sites), OptOut: slices.Clone(c.OptOut), Default: rollout.Legacy}
	maps.DeleteFunc(kept.Sites, func(_ string, s rollout.Side) bool { return s == rollout.Hashed })
	return kept
}

// Change is what an operator wants the configuration to be.
type Change struct {
	From     uint64         // the revision that he has seen
	Config   rollout.Config // its mode is ignored: it is the phase's
	Who, Why string
	Also     func(*store.Tx) error // done in the same batch; nil: nothing
}

// ErrConflict is wrapped by every Conflict.
var ErrConflict = errors.New("ramp: the rollout has been changed meanwhile")

// Conflict says that the configuration is not what the caller has seen.
type Conflict struct {
	Seen    uint64
	Current rollout.Document
	Since   []migrate.Entry // what was changed after Seen, oldest first; the newest ten
}

func (c *Conflict) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: it is at revision %d, you have seen %d", ErrConflict, c.Current.Revision, c.Seen)
	for _, e := range c.Since {
		fmt.Fprintf(&b, "; %s at %s: %s", e.Who, e.Time.Format(time.RFC3339), strings.TrimPrefix(e.What, rolloutPrefix))
		if e.Why != "" {
			fmt.Fprintf(&b, " (%s)", e.Why)
		}
	}
	return b.String()
}

// Unwrap makes errors.Is(err, ErrConflict) true.
func (c *Conflict) Unwrap() error { return ErrConflict }

// SetRollout stores a configuration, with a line of the log, in one batch, and returns it as it is in force. It changes nothing if
// another one than the caller has seen is there (a *Conflict), or when the migration is over (migrate.ErrPhase). A site can be sent back on a
// full disk, too.
func SetRollout(ctx context.Context, s *store.Store, now func() time.Time, c Change) (rollout.Document, error) {
	var set rollout.Document
	_, err := s.UpdateFreeing(ctx, func(tx *store.Tx) (err error) {
		set, err = SetRolloutIn(tx, now(), c)
		return err
	})
	if err != nil {
		return rollout.Document{}, err
	}
	return set, nil
}

// SetRolloutIn is SetRollout inside an Update that does something else, too.
func SetRolloutIn(tx *store.Tx, now time.Time, c Change) (rollout.Document, error) {
	set, err := setRollout(tx, now, c)
	if err == nil && c.Also != nil {
		err = c.Also(tx)
	}
	if err != nil {
		return rollout.Document{}, fmt.Errorf("set the rollout: %w", err)
	}
	return set, nil
}

func setRollout(tx *store.Tx, now time.Time, c Change) (rollout.Document, error) {
	state, err := migrate.Load(&tx.Reader)
	if err != nil {
		return rollout.Document{}, err
	}
	if state.Phase == migrate.Retired {
		return rollout.Document{}, fmt.Errorf("%w: in phase %s there is nothing to roll out", migrate.ErrPhase, state.Phase)
	}
	current, err := loadRollout(&tx.Reader, state)
	if err != nil {
		return rollout.Document{}, err
	}
	if current.Revision != c.From {
		return rollout.Document{}, conflict(&tx.Reader, c.From, current)
	}
	return write(tx, now, state, current, c, "")
}

// write stores a configuration that differs from the current one, or one that there is something to note about.
func write(tx *store.Tx, now time.Time, state migrate.State, current rollout.Document, c Change, note string) (rollout.Document, error) {
	changes := rollout.Changes(current.Config, c.Config)
	if note != "" {
		changes = append([]string{note}, changes...)
	}
	if len(changes) == 0 {
		return current, nil
	}
	d := rollout.Document{
		Revision: uint64(tx.Revision()), Epoch: uint32(state.Epoch), Time: now.UTC(), Who: c.Who, Why: c.Why, Config: c.Config,
	}
	d.Config.Mode = ModeOf(state.Phase)
	raw, err := rollout.Encode(d)
	if err != nil {
		return rollout.Document{}, err
	}
	if err := tx.PutDocument(rolloutDocument, raw); err != nil {
		return rollout.Document{}, err
	}
	return d, migrate.AppendLog(tx, now, c.Who, rolloutPrefix+summary(changes), c.Why)
}

// summary keeps a line of the log short when thousands of sites are pinned at once.
func summary(changes []string) string {
	const most = 20
	if more := len(changes) - most; more > 0 {
		changes = append(slices.Clone(changes[:most]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(changes, ", ")
}

func conflict(r *store.Reader, seen uint64, current rollout.Document) error {
	c := &Conflict{Seen: seen, Current: current}
	for e, err := range migrate.Log(r) {
		if err != nil {
			return err
		}
		if uint64(e.Revision) > seen && strings.HasPrefix(e.What, rolloutPrefix) {
			c.Since = append(c.Since, e)
		}
	}
	c.Since = c.Since[max(0, len(c.Since)-10):]
	return c
}

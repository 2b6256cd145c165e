package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"berth/store"
)

// State is where the migration stands.
type State struct {
	Version int         `json:"v"`
	Phase   Phase       `json:"phase"`
	Epoch   store.Epoch `json:"epoch"`
	Since   time.Time   `json:"since"`
	Who     string      `json:"who"`
	Why     string      `json:"why"`
}

const (
	stateVersion  = 1
	stateDocument = "state"
)

// Load reads the state. A store that has none was never migrated: it is in the last phase.
func Load(r *store.Reader) (State, error) {
	raw, err := r.Document(stateDocument)
	if errors.Is(err, store.ErrNotFound) {
		return State{Version: stateVersion, Phase: Retired}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read the migration's state: %w", err)
	}
	var s State
	if err := json.Unmarshal(raw, &s); err != nil {
		return State{}, fmt.Errorf("read the migration's state: %w", err)
	}
	if s.Version != stateVersion {
		return State{}, fmt.Errorf("read the migration's state: version %d; this berth reads %d", s.Version, stateVersion)
	}
	if s.Phase.order() < 0 {
		return State{}, fmt.Errorf("read the migration's state: there is no phase %q", s.Phase)
	}
	return s, nil
}

func put(tx *store.Tx, name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode document %s: %w", name, err)
	}
	return tx.PutDocument(name, raw)
}

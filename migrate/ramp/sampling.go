package ramp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"berth/migrate"
	"berth/router/rollout"
	"berth/store"
)

const (
	samplingDocument = "shadow"
	samplingVersion  = 1
)

type sampling struct {
	Version int      `json:"v"`
	Percent *float64 `json:"percent"`
}

// LoadSampling reads the percentage of the requests that both sides are asked; set is false if nobody has said.
func LoadSampling(r *store.Reader) (percent float64, set bool, err error) {
	raw, err := r.Document(samplingDocument)
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read the share of shadow reads: %w", err)
	}
	var d sampling
	if err := json.Unmarshal(raw, &d); err != nil {
		return 0, false, fmt.Errorf("read the share of shadow reads: %w", err)
	}
	if d.Version != samplingVersion || d.Percent == nil || !validPercent(*d.Percent) {
		return 0, false, fmt.Errorf("read the share of shadow reads: not a document of version %d with a percent from 0 to 100", samplingVersion)
	}
	return *d.Percent, true, nil
}

func validPercent(p float64) bool { return p >= 0 && p <= 100 }

// SetSampling changes it, with a line of the log.
func SetSampling(ctx context.Context, s *store.Store, now func() time.Time, percent float64, who, why string) error {
	_, err := s.Update(ctx, func(tx *store.Tx) error { return putSampling(tx, now(), percent, who, why) })
	return err
}

func putSampling(tx *store.Tx, now time.Time, percent float64, who, why string) error {
	if !validPercent(percent) {
		return fmt.Errorf("set the share of shadow reads: %s%% is not from 0 to 100", strconv.FormatFloat(percent, 'f', -1, 64))
	}
	raw, err := json.Marshal(sampling{samplingVersion, &percent})
	if err == nil {
		err = tx.PutDocument(samplingDocument, raw)
	}
	if err == nil {
		err = migrate.AppendLog(tx, now, who, "shadow reads of "+rollout.FormatPercent(percent), why)
	}
	if err != nil {
		return fmt.Errorf("set the share of shadow reads: %w", err)
	}
	return nil
}

// samples says whether comparing makes sense: earlier the records are not complete, later there are no tables.
func samples(p migrate.Phase) bool {
	return p == migrate.Verify || p == migrate.Ramp || p == migrate.Cutover
}

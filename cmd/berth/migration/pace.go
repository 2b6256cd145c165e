package migration

import (
	"time"

	"berth/migrate"
)

// Pace is how much a job may burden the server. What is absent stays as it is.
type Pace struct {
	Rate *float64 `json:"rate,omitempty"` // entries a second, 0 for no limit
	// The job gives way when a commit of the store takes longer, or the edge's p99 is above it: times as time.ParseDuration reads them, 0 for never.
	YieldCommit *string `json:"yield_commit,omitempty"`
	YieldP99    *string `json:"yield_p99,omitempty"`
}

// PaceOf is a Tuning as the API has it.
func PaceOf(t migrate.Tuning) Pace {
	text := func(d *time.Duration) *string {
		if d == nil {
			return nil
		}
		s := d.String()
		return &s
	}
	return Pace{Rate: t.Rate, YieldCommit: text(t.YieldCommit), YieldP99: text(t.YieldP99)}
}

func (p *Pace) tuning() (migrate.Tuning, error) {
	t := migrate.Tuning{Rate: p.Rate}
	for _, y := range []struct {
		name string
		text *string
		to   **time.Duration
	}{{"yield_commit", p.YieldCommit, &t.YieldCommit}, {"yield_p99", p.YieldP99, &t.YieldP99}} {
		if y.text == nil {
			continue
		}
		d, err := time.ParseDuration(*y.text)
		if err != nil {
			return t, bad("%s=%.40q: want a time such as 250ms, or 0 for never", y.name, *y.text)
		}
		*y.to = &d
	}
	if err := t.Check(); err != nil {
		return t, bad("%v", err)
	}
	return t, nil
}

package ramp

import (
	"fmt"
	"time"

	"berth/migrate/shadow"
	"berth/router/rollout"
	"berth/store"
)

// Health is what the sides have done since the start of the process: counts that only grow.
type Health struct {
	// Questions that both sides were asked, and what came of them.
	Compared, Missing, Extra, Different uint64
	Hashed, Legacy                      rollout.SideStats

	Served    rollout.SideStats // requests that hashed answered, or should have
	Fallbacks uint64            // of those, the ones that the tables answered instead
}

// HealthOf reads the counts of a switch and of the comparison.
func HealthOf(sw *rollout.Switch, sh *shadow.Shadow) func() Health {
	return func() Health {
		a, b := sw.Stats(), sh.Stats()
		return Health{
			Compared: b.Compared(), Missing: b.Missing, Extra: b.Extra, Different: b.Different, Hashed: b.Hashed, Legacy: b.Legacy,
			Served: a.Hashed, Fallbacks: a.Fallback.Answered,
		}
	}
}

// SitesOnHashed counts the sites that a switch has hashed answer for.
func SitesOnHashed(s *store.Store, sw *rollout.Switch) func() (int, error) {
	return func() (int, error) {
		n := 0
		for p, err := range s.Projects() {
			if err != nil {
				return 0, fmt.Errorf("count the sites on hashed: %w", err)
			}
			if sw.WhySite(p.Name).Side == rollout.Hashed {
				n++
			}
		}
		return n, nil
	}
}

// since is what happened from an earlier state on.
func (h Health) since(e Health) Health {
	return Health{
		Compared: h.Compared - e.Compared, Missing: h.Missing - e.Missing, Extra: h.Extra - e.Extra, Different: h.Different - e.Different,
		Hashed: h.Hashed.Since(e.Hashed), Legacy: h.Legacy.Since(e.Legacy),
		Served: h.Served.Since(e.Served), Fallbacks: h.Fallbacks - e.Fallbacks,
	}
}

// Figures are what a step is judged by, for people.
type Figures struct {
	Compared     uint64        `json:"compared"`
	Missing      uint64        `json:"missing"`
	Extra        uint64        `json:"extra"`
	Different    uint64        `json:"different"`
	HashedErrors uint64        `json:"hashed_errors"` // of those that were compared
	LegacyErrors uint64        `json:"legacy_errors"`
	HashedP99    time.Duration `json:"hashed_p99_ns"`
	LegacyP99    time.Duration `json:"legacy_p99_ns"`
	Served       uint64        `json:"served"`
	ServedErrors uint64        `json:"served_errors"`
	Fallbacks    uint64        `json:"fallbacks"`
}

func (h Health) figures() Figures {
	return Figures{
		Compared: h.Compared, Missing: h.Missing, Extra: h.Extra, Different: h.Different,
		HashedErrors: h.Hashed.Errors, LegacyErrors: h.Legacy.Errors,
		HashedP99: h.Hashed.Latency.Quantile(0.99), LegacyP99: h.Legacy.Latency.Quantile(0.99),
		Served: h.Served.Asked, ServedErrors: h.Served.Errors, Fallbacks: h.Fallbacks,
	}
}

func (f Figures) String() string {
	return fmt.Sprintf("%d compared: %d missing, %d extra, %d different, errors %d (tables %d), p99 %v (tables %v); %d served: %d errors, %d answered by the tables",
		f.Compared, f.Missing, f.Extra, f.Different, f.HashedErrors, f.LegacyErrors, f.HashedP99, f.LegacyP99, f.Served, f.ServedErrors, f.Fallbacks)
}

package migration

import (
	"context"
	"net/http"
	"time"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/ramp"
	"berth/router/rollout"
	"berth/store/cache"
	"berth/store/control"
)

// Status is where the migration stands. What no longer, or not yet, plays a part is null.
type Status struct {
	migrate.State
	Next     migrate.Phase    `json:"next"` // "": none
	Now      time.Time        `json:"now"`
	Backfill *backfill.Status `json:"backfill"`
	Verify   *Verification    `json:"verify"`
	Rollout  *Rollout         `json:"rollout"`
	Ramp     *Guarded         `json:"ramp"`
	Compared *Compared        `json:"compared"`
	Traffic  *Traffic         `json:"traffic"`
	Finish   *Finished        `json:"finish"`
}

// Compared is what came of asking both sides, since the server started. Times are in microseconds.
type Compared struct {
	Sampled   uint64 `json:"sampled"`
	Dropped   uint64 `json:"dropped"` // of those, the ones for which there was no room
	Agree     uint64 `json:"agree"`
	Missing   uint64 `json:"missing"`
	Extra     uint64 `json:"extra"`
	Different uint64 `json:"different"`
	Errors    uint64 `json:"errors"`
	Kept      uint64 `json:"kept"`       // apart from these: of sites that are kept on the tables by name
	KeptDiffs uint64 `json:"kept_diffs"` // of those, the ones that differ
	Hashed    Side   `json:"hashed"`     // over the same questions
	Legacy    Side   `json:"legacy"`
}

// Traffic is what the two sides answered since the server started.
type Traffic struct {
	Hashed   Side                  `json:"hashed"`
	Legacy   Side                  `json:"legacy"`
	Fallback rollout.FallbackStats `json:"fallback"`
	Index    rollout.IndexStats    `json:"index"` // of custom hosts, in memory
}

// Side is one router. Times are in microseconds.
type Side struct {
	Asked   uint64 `json:"asked"`
	NoRoute uint64 `json:"no_route"`
	Errors  uint64 `json:"errors"`
	P50     int64  `json:"p50_us"`
	P99     int64  `json:"p99_us"`
	P999    int64  `json:"p999_us"`
	Cache   Cache  `json:"cache"`
}

// Cache is what a router keeps in memory: of hashed routes entries, of tables bytes.
type Cache struct {
	Hits    uint64 `json:"hits"`
	Misses  uint64 `json:"misses"`
	Entries int    `json:"entries"`
	Weight  int64  `json:"weight"`
}

// HitRate is the share of hits, 0 if nothing was asked.
func (c Cache) HitRate() float64 {
	if c.Hits+c.Misses == 0 {
		return 0
	}
	return float64(c.Hits) / float64(c.Hits+c.Misses)
}

func cacheOf(s cache.Stats) Cache {
	return Cache{Hits: s.Hits, Misses: s.Misses, Entries: s.Entries, Weight: s.Weight}
}

func sideOf(s rollout.SideStats, c cache.Stats) Side {
	return Side{
		Asked: s.Asked, NoRoute: s.NoRoute, Errors: s.Errors, Cache: cacheOf(c),
		P50: s.Latency.Quantile(0.5).Microseconds(), P99: s.Latency.Quantile(0.99).Microseconds(), P999: s.Latency.Quantile(0.999).Microseconds(),
	}
}

func (s *Service) getStatus(context.Context, control.Principal, *http.Request) (any, error) {
	return s.Status()
}

// Status tells where the migration stands.
func (s *Service) Status() (*Status, error) {
	state := s.machine.State()
	st := &Status{State: state, Next: state.Phase.Next(), Now: s.deps.Now().UTC()}
	var err error
	if st.Finish, err = s.finished(&s.deps.Store.Reader); err != nil {
		return nil, err
	}
	if state.Epoch == 0 || state.Phase == migrate.Retired {
		return st, s.live(st)
	}
	b, err := s.backfill.Status()
	if err != nil {
		return nil, err
	}
	st.Backfill = &b
	if st.Verify, err = s.verification(); err != nil {
		return nil, err
	}
	return st, s.live(st)
}

// live adds what the engine knows.
func (s *Service) live(st *Status) error {
	e := s.engine.Load()
	if e == nil || st.Phase == migrate.Retired {
		return nil
	}
	d, err := ramp.LoadRollout(&s.deps.Store.Reader)
	if err != nil {
		return err
	}
	st.Rollout = shown(d)
	if st.Ramp, err = s.guarded(e); err != nil {
		return err
	}
	r := e.rollout.Stats()
	st.Traffic = &Traffic{
		Hashed: sideOf(r.Hashed, e.hashed.Stats()), Legacy: sideOf(r.Legacy, e.legacy.Stats().Tables), Fallback: r.Fallback, Index: r.Index,
	}
	c := e.shadow.Stats()
	st.Compared = &Compared{
		Sampled: c.Sampled, Dropped: c.Dropped, Agree: c.Agree, Missing: c.Missing, Extra: c.Extra, Different: c.Different, Errors: c.Errors,
		Kept: c.Kept, KeptDiffs: c.KeptDiffs,
		Hashed: sideOf(c.Hashed, cache.Stats{}), Legacy: sideOf(c.Legacy, cache.Stats{}),
	}
	return nil
}

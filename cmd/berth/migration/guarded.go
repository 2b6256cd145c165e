package migration

import (
	"context"
	"net/http"
	"time"

	"berth/migrate/ramp"
	"berth/store/control"
)

// Run asks for a guarded ramp. Shares are fractions: 0.001 is 0.1 %.
type Run struct {
	Steps            []float64 `json:"steps"` // percentages
	Soak             string    `json:"soak"`  // as time.ParseDuration reads it
	MaxDiff          float64   `json:"max_diff"`
	MaxErrorIncrease float64   `json:"max_error_increase"`
	MaxP99Increase   float64   `json:"max_p99_increase"`
	P99Floor         string    `json:"p99_floor,omitempty"` // a p99 that is no breach whatever the tables' is, likewise; absent: 1ms
	MinSamples       uint64    `json:"min_samples,omitempty"`
	Shadow           *float64  `json:"shadow,omitempty"` // share of the requests that both sides are asked from now on; absent: as it is
	Why              string    `json:"why"`
}

// Guarded is how a guarded ramp stands.
type Guarded struct {
	ramp.State
	Held     time.Duration `json:"held_ns"`           // the present step, so far
	Waiting  string        `json:"waiting,omitempty"` // for what it is held beyond its time
	Window   ramp.Figures  `json:"window"`            // of the present step so far
	Fault    string        `json:"fault,omitempty"`
	Sampling float64       `json:"sampling"` // share of the requests that both sides are asked
}

func (s *Service) guarded(e *engine) (*Guarded, error) {
	state, err := ramp.LoadState(&s.deps.Store.Reader)
	if err != nil {
		return nil, err
	}
	g := &Guarded{State: state, Sampling: e.shadow.Percent() / 100}
	if p := e.guard.Progress(); p.State.Revision == state.Revision {
		g.Held, g.Waiting, g.Window, g.Fault = p.Held, p.Waiting, p.Window, p.Fault
	}
	return g, nil
}

// running is the engine, of which a server that does not migrate has none.
func (s *Service) running() (*engine, error) {
	if e := s.engine.Load(); e != nil {
		return e, nil
	}
	return nil, conflict("the migration is over, or never began")
}

func (s *Service) getRun(context.Context, control.Principal, *http.Request) (any, error) {
	e, err := s.running()
	if err != nil {
		return nil, err
	}
	return s.guarded(e)
}

func (s *Service) postRun(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	var q Run
	if err := readJSON(r, &q); err != nil {
		return nil, err
	}
	if err := checkWhy(q.Why); err != nil {
		return nil, err
	}
	plan, err := q.plan()
	if err != nil {
		return nil, err
	}
	e, err := s.running()
	if err != nil {
		return nil, err
	}
	if q.Shadow == nil && e.shadow.Percent() == 0 { // it would wait for ever
		return nil, bad("no request is compared, so that no step could be judged: give --shadow, such as --shadow 5%%")
	}
	if _, err := e.guard.Start(ctx, plan, who(p), q.Why); err != nil {
		return nil, err
	}
	return s.guarded(e)
}

func (q *Run) plan() (ramp.Plan, error) {
	p := ramp.Plan{Steps: q.Steps, MaxDiff: q.MaxDiff, MaxErrorIncrease: q.MaxErrorIncrease, MaxP99Increase: q.MaxP99Increase, MinSamples: q.MinSamples}
	if q.Shadow != nil {
		if !(*q.Shadow > 0 && *q.Shadow <= 1) {
			return p, bad("shadow: %v is no share of the requests: want more than 0, at most 1", *q.Shadow)
		}
		percent := 100 * *q.Shadow
		p.Sampling = &percent
	}
	var err error
	if p.Soak, err = time.ParseDuration(q.Soak); err != nil {
		return p, bad("soak=%.40q: want a time such as 10m", q.Soak)
	}
	if q.P99Floor == "" {
		return p, nil
	}
	if p.P99Floor, err = time.ParseDuration(q.P99Floor); err != nil || p.P99Floor < 0 {
		return p, bad("p99_floor=%.40q: want a time such as 1ms, or 0 for none", q.P99Floor)
	}
	p.P99Floor = max(p.P99Floor, 1) // a plan takes 0 for its default, and no p99 is below a nanosecond
	return p, nil
}

func (s *Service) postStop(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	var q Why
	if err := readJSON(r, &q); err != nil {
		return nil, err
	}
	if err := checkWhy(q.Why); err != nil {
		return nil, err
	}
	e, err := s.running()
	if err != nil {
		return nil, err
	}
	if _, err := e.guard.Stop(ctx, who(p), q.Why); err != nil {
		return nil, err
	}
	return s.guarded(e)
}

// Sampling asks for another share of requests that both sides are asked.
type Sampling struct {
	Share float64 `json:"share"` // 0 to 1
	Why   string  `json:"why"`
}

func (s *Service) postSampling(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	var q Sampling
	if err := readJSON(r, &q); err != nil {
		return nil, err
	}
	if err := checkWhy(q.Why); err != nil {
		return nil, err
	}
	if !(q.Share >= 0 && q.Share <= 1) {
		return nil, bad("share: %v is no share of the requests: want 0 to 1", q.Share)
	}
	return q, ramp.SetSampling(ctx, s.deps.Store, s.deps.Now, 100*q.Share, who(p), q.Why)
}

package ramp

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Plan is how a guarded ramp goes. Shares are fractions: 0.001 is 0.1 %.
type Plan struct {
	Steps            []float64     `json:"steps"`              // percentages, each more than the one before
	Soak             time.Duration `json:"soak_ns"`            // how long each is held, at least
	MaxDiff          float64       `json:"max_diff"`           // share of answers that differ
	MaxErrorIncrease float64       `json:"max_error_increase"` // share of errors of hashed, over that of the tables
	MaxP99Increase   float64       `json:"max_p99_increase"`   // of hashed over the tables', as a share of the tables'
	// P99Floor is a p99 that is no breach whatever the tables' is: nobody notices that 400 ns have become 500 ns, and at that scale the
	// other programs on the machine decide. Default 1 ms.
	P99Floor time.Duration `json:"p99_floor_ns"`
	// MinSamples is how many questions to both sides, and how many answers of hashed, make a step good; default 1,000.
	MinSamples uint64 `json:"min_samples"`
	// Sampling is the percentage of the requests that both sides are asked from the beginning on; nil: it stays as it is.
	Sampling *float64 `json:"sampling,omitempty"`
}

const (
	maxSteps          = 100
	defaultMinSamples = 1000
	defaultP99Floor   = time.Millisecond
)

// prepare fills in defaults and reports every fault.
func (p *Plan) prepare() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("ramp: "+format, args...)) }
	if len(p.Steps) == 0 || len(p.Steps) > maxSteps {
		fault("steps: %d, want 1 to %d", len(p.Steps), maxSteps)
	}
	before := 0.0
	for _, s := range p.Steps {
		if !(s > before && s <= 100) {
			fault("steps: %v does not follow %v: each must be more than the one before and at most 100", s, before)
			break
		}
		before = s
	}
	if p.Soak <= 0 {
		fault("soak: %v, must be more than 0", p.Soak)
	}
	for _, share := range []struct {
		name string
		is   float64
	}{{"max-diff", p.MaxDiff}, {"max-error-increase", p.MaxErrorIncrease}, {"max-p99-increase", p.MaxP99Increase}} {
		if !(share.is >= 0 && share.is <= 1e6) {
			fault("%s: %v, must not be negative", share.name, share.is)
		}
	}
	if p.Sampling != nil && !(*p.Sampling > 0 && *p.Sampling <= 100) {
		fault("sampling: %v%%, must be more than 0 and at most 100: a step is judged by what is compared", *p.Sampling)
	}
	if p.P99Floor < 0 {
		fault("p99 floor: %v, must not be negative", p.P99Floor)
	}
	p.MinSamples, p.P99Floor = cmp.Or(p.MinSamples, defaultMinSamples), cmp.Or(p.P99Floor, defaultP99Floor)
	return errors.Join(faults...)
}

// first is the step to begin with at a percentage that is in force, and the percentage to go back to if it is not good.
// Steps below it are over: going there would send sites back.
func (p *Plan) first(percent float64) (step int, good float64, err error) {
	for i, s := range p.Steps {
		switch {
		case s > percent:
			return i, percent, nil
		case s == percent && i > 0:
			return i, p.Steps[i-1], nil
		case s == percent:
			return i, 0, nil
		}
	}
	return 0, 0, fmt.Errorf("ramp: the percentage is %v already, and the last step %v", percent, p.Steps[len(p.Steps)-1])
}

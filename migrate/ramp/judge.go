package ramp

import "fmt"

// verdict is what a window says about a step. At most one of the two is set; a step with neither is good, once it was held.
type verdict struct {
	breach  string // the bound that is broken, with figures
	waiting string // what there is too little of
}

// judge holds a window against the plan. Shares are of at least MinSamples: in a window that has fewer, a bound is broken only if
// it would be even if all the others turned out well. served says whether any site is on hashed at all.
func (p *Plan) judge(f Figures, served bool) verdict {
	if b := p.breach(f); b != "" {
		return verdict{breach: b}
	}
	switch {
	case f.Compared < p.MinSamples:
		return verdict{waiting: fmt.Sprintf("%d of %d questions to both sides", f.Compared, p.MinSamples)}
	case served && f.Served < p.MinSamples:
		return verdict{waiting: fmt.Sprintf("%d of %d answers of hashed", f.Served, p.MinSamples)}
	}
	return verdict{}
}

func (p *Plan) breach(f Figures) string {
	if s := p.share(f.Missing+f.Extra+f.Different, f.Compared); s > p.MaxDiff {
		return fmt.Sprintf("%s of the answers differ, more than %s", percent(s), percent(p.MaxDiff))
	}
	if s := p.share(f.Fallbacks, f.Served); s > p.MaxDiff {
		return fmt.Sprintf("hashed had no route for %s of its requests, which the tables answered; more than %s", percent(s), percent(p.MaxDiff))
	}
	// The tables' errors are of the same questions: what they fail at too is no fault of hashed.
	base := 0.0
	if f.Compared > 0 {
		base = float64(f.LegacyErrors) / float64(f.Compared)
	}
	if s := p.share(f.HashedErrors, f.Compared); s-base > p.MaxErrorIncrease {
		return fmt.Sprintf("hashed fails for %s, the tables for %s of the same questions; allowed are %s more", percent(s), percent(base), percent(p.MaxErrorIncrease))
	}
	if s := p.share(f.ServedErrors, f.Served); s-base > p.MaxErrorIncrease {
		return fmt.Sprintf("hashed fails for %s of its requests, the tables for %s; allowed are %s more", percent(s), percent(base), percent(p.MaxErrorIncrease))
	}
	// A quantile needs its samples, and there is no least number of slow ones that would settle it earlier.
	if f.Compared >= p.MinSamples && f.HashedP99 > p.P99Floor && float64(f.HashedP99) > float64(f.LegacyP99)*(1+p.MaxP99Increase) {
		return fmt.Sprintf("p99 of hashed is %v, of the tables %v; allowed are %s more", f.HashedP99, f.LegacyP99, percent(p.MaxP99Increase))
	}
	return ""
}

func (p *Plan) share(n, of uint64) float64 { return float64(n) / float64(max(of, p.MinSamples, 1)) }

func percent(share float64) string { return fmt.Sprintf("%.4g%%", 100*share) }

package main

import (
	"time"

	"github.com/spf13/cobra"

	"berth/migrate"
)

// paceFlags are how much a job may burden the server, and which of them were given.
type paceFlags struct {
	command     *cobra.Command
	rate        float64
	commit, p99 time.Duration
}

const (
	rateFlag        = "rate"
	yieldCommitFlag = "yield-commit"
	yieldP99Flag    = "yield-p99"
)

// addYield adds the flags of what a job gives way to.
func (p *paceFlags) addYield(c *cobra.Command) {
	p.command = c
	c.Flags().DurationVar(&p.commit, yieldCommitFlag, 0, "`time` that a commit of the store may take before the job gives way, such as 250ms, which it is at first; 0 for any")
	c.Flags().DurationVar(&p.p99, yieldP99Flag, 0, "the edge's p99, as a `time`, above which the job gives way, such as 100ms, which it is at first; 0 for any")
}

func (p *paceFlags) addRate(c *cobra.Command) {
	c.Flags().Float64Var(&p.rate, rateFlag, 0, "`entries` a second that are copied, at most; 0 for no bound")
}

// tuning is what was asked for; the rest stays as it is.
func (p *paceFlags) tuning() (t migrate.Tuning, err error) {
	if p.command == nil { // it has none of the flags
		return t, nil
	}
	given := func(name string) bool { f := p.command.Flags().Lookup(name); return f != nil && f.Changed }
	if given(rateFlag) {
		t.Rate = &p.rate
	}
	if given(yieldCommitFlag) {
		t.YieldCommit = &p.commit
	}
	if given(yieldP99Flag) {
		t.YieldP99 = &p.p99
	}
	if err := t.Check(); err != nil {
		return t, wrong("%w", err)
	}
	return t, nil
}

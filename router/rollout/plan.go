package rollout

import (
	"encoding/binary"
	"fmt"

	"berth/router/hostkey"
)

// Rule is what decided which side answers.
type Rule uint8

const (
	ByPhase Rule = 1 + iota
	ByOptOut
	ByPin
	ByDatacentre
	ByPercent
	ByDefault
)

func (r Rule) String() string {
	names := [...]string{"phase", "opt-out", "pin", "datacentre", "percent", "default"}
	if r < ByPhase || r > ByDefault {
		return fmt.Sprintf("Rule(%d)", uint8(r))
	}
	return names[r-ByPhase]
}

// ruling is a decision and what made it.
type ruling struct {
	side Side
	rule Rule
}

// plan is a Config compiled for one data centre. Nobody changes it.
type plan struct {
	config Config
	hasher *hostkey.Hasher
	phase  ruling            // of all sites that are not named; zero: the configuration decides
	named  map[string]ruling // sites that are opted out or pinned; none where the phase leaves no choice
	here   ruling            // of this data centre; zero: it is not named
	below  uint64
	all    bool // 100 %
	rest   ruling
}

// compile is for a valid configuration.
func compile(c Config, datacentre string, hasher *hostkey.Hasher) *plan {
	p := &plan{config: c.clone(), hasher: hasher}
	p.rest = ruling{p.config.Default, ByDefault}
	p.below, p.all = cut(c.Percent)
	if side, named := c.Datacentres[datacentre]; named {
		p.here = ruling{side, ByDatacentre}
	}
	switch c.Mode {
	case ModeLegacy:
		p.phase = ruling{Legacy, ByPhase}
		return p
	case ModeCutover:
		p.phase = ruling{Hashed, ByPhase}
	case ModeHashed:
		p.phase = ruling{Hashed, ByPhase}
		return p
	}
	p.named = make(map[string]ruling, len(c.Sites)+len(c.OptOut))
	for site, side := range c.Sites {
		p.named[site] = ruling{side, ByPin}
	}
	for _, site := range c.OptOut {
		p.named[site] = ruling{Legacy, ByOptOut}
	}
	return p
}

// rule decides for a site; "" is a host whose site is not known.
func (p *plan) rule(site string) ruling {
	if len(p.named) > 0 {
		if r, named := p.named[site]; named {
			return r
		}
	}
	switch {
	case p.phase.side != 0:
		return p.phase
	case p.here.side != 0:
		return p.here
	case site != "" && p.picks(site):
		return ruling{Hashed, ByPercent}
	}
	return p.rest
}

// picks says whether the percentage takes a site. A project's name is a host of one label, which no other name can be mistaken for.
func (p *plan) picks(site string) bool {
	switch {
	case p.all:
		return true
	case p.below == 0:
		return false
	}
	k := p.hasher.Key(hostkey.Host(site))
	// Not the first bytes, which are what caches of route records choose their slots by.
	return binary.BigEndian.Uint64(k[8:]) < p.below
}

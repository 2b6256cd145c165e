package rollout

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"berth/router/hostkey"
)

// Side is one of the two routers.
type Side uint8

const (
	Legacy Side = 1 // the tables of the old design
	Hashed Side = 2 // route records by the hash of the host
)

// ParseSide reads a side's name.
func ParseSide(s string) (Side, error) {
	switch s {
	case "legacy":
		return Legacy, nil
	case "hashed":
		return Hashed, nil
	}
	return 0, fmt.Errorf("%q is no side: want hashed or legacy", clip(s))
}

func (s Side) String() string {
	switch s {
	case Legacy:
		return "legacy"
	case Hashed:
		return "hashed"
	}
	return fmt.Sprintf("Side(%d)", uint8(s))
}

// Other is the side that s is not.
func (s Side) Other() Side {
	if s == Hashed {
		return Legacy
	}
	return Hashed
}

// MarshalText writes a side as a document has it.
func (s Side) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Mode is what the migration's phase allows.
type Mode uint8

const (
	ModeLegacy  Mode = 1 + iota // the tables answer for all
	ModeRamp                    // the configuration decides
	ModeCutover                 // hashed answers for all but sites that are kept on the tables by name
	ModeHashed                  // hashed answers for all; there is no fallback
)

func (m Mode) String() string {
	switch m {
	case ModeLegacy:
		return "legacy"
	case ModeRamp:
		return "ramp"
	case ModeCutover:
		return "cutover"
	case ModeHashed:
		return "hashed"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

func (m Mode) fallsBack() bool { return m == ModeRamp || m == ModeCutover }

// Config says who answers. Its zero value, but for the mode, leaves everything on the tables.
type Config struct {
	Mode        Mode            // of the phase; no part of the document
	Percent     float64         // of the sites, 0 to 100, fractions allowed
	Datacentres map[string]Side // by name
	Sites       map[string]Side // pinned
	OptOut      []string        // sites that stay on the tables, whatever else is said
	Default     Side            // zero: Legacy
}

const (
	maxNames      = 100_000 // sites and data centres in a configuration
	maxDatacentre = 64
)

// Validate reports every fault, each with the name of its field.
func (c *Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		if len(faults) < 20 { // a document full of faults is not worth a message of its size
			faults = append(faults, fmt.Errorf("rollout: "+format, args...))
		}
	}
	if c.Mode < ModeLegacy || c.Mode > ModeHashed {
		fault("mode: %v is no mode", c.Mode)
	}
	if !(c.Percent >= 0 && c.Percent <= 100) {
		fault("percent: %v is not from 0 to 100", c.Percent)
	}
	if c.Default > Hashed {
		fault("default: %v is no side: want hashed or legacy", c.Default)
	}
	if n := len(c.Datacentres) + len(c.Sites) + len(c.OptOut); n > maxNames {
		fault("datacentres, sites, opt_out: %d names, at most %d are allowed", n, maxNames)
	}
	for name, side := range sorted(c.Datacentres) {
		if name == "" || len(name) > maxDatacentre {
			fault("datacentres: the name %q must have 1 to %d characters", clip(name), maxDatacentre)
		}
		checkSide(fault, "datacentres", name, side)
	}
	for name, side := range sorted(c.Sites) {
		if err := hostkey.ValidProjectName(name); err != nil {
			fault("sites: %q: %w", clip(name), err)
		}
		checkSide(fault, "sites", name, side)
	}
	for _, name := range c.OptOut {
		if err := hostkey.ValidProjectName(name); err != nil {
			fault("opt_out: %q: %w", clip(name), err)
		}
	}
	return errors.Join(faults...)
}

func checkSide(fault func(string, ...any), field, name string, s Side) {
	if s != Legacy && s != Hashed {
		fault("%s: %q: %v is no side: want hashed or legacy", field, clip(name), s)
	}
}

func sorted[V any](m map[string]V) func(func(string, V) bool) {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// clip keeps a stranger's text in a message short.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// clone returns c as it is meant: nothing shared with the caller, names in order and once, the default said.
func (c Config) clone() Config {
	c.Datacentres, c.Sites = maps.Clone(c.Datacentres), maps.Clone(c.Sites)
	c.OptOut = slices.Compact(slices.Sorted(slices.Values(c.OptOut)))
	c.Default = cmp.Or(c.Default, Legacy)
	return c
}

// Kept are the sites that stay on the tables by name in every mode but ModeHashed. As long as there are any, the tables are in use.
func (c *Config) Kept() []string {
	kept := slices.Clone(c.OptOut)
	for name, side := range c.Sites {
		if side == Legacy {
			kept = append(kept, name)
		}
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// Behind are the data centres that stay on the tables in ModeRamp, whatever the percentage.
func (c *Config) Behind() (names []string) {
	for name, side := range c.Datacentres {
		if side == Legacy {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// cut is the bound below which hashes are picked. all is for 100 %, which 64 bits cannot say.
func cut(percent float64) (below uint64, all bool) {
	if percent >= 100 {
		return math.MaxUint64, true
	}
	return uint64(math.Ldexp(percent/100, 64)), false
}

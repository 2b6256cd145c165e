// Package serving measures what it costs Berth to answer a request, beside the servers that somebody would use instead.
//
// All servers are bound to one core and what asks them to another. They run by turns in every round, and the figure to compare is
// what the kernel charged the server for a request: that does not depend on how fast the generator is, nor on who else is on the
// machine. Only that others spoil the processor's caches shows in it, so a turn in which they had the core is not counted.
package serving

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"berth/bench/load"
	"berth/bench/peers"
	"berth/bench/sites"
)

// Config of the workload. The zero value of a field means its default, but for Berth and Self.
type Config struct {
	Berth     string   // the binary to measure
	Other     string   // another build of it, measured beside it; "": none
	BerthArgs []string // more flags of `berth serve`, for both
	Self      string   // this program: `Self bench stand-in KIND --addr ADDR --size BYTES` must call peers.Constant or peers.Epoll
	Sites     sites.Config
	Data      string        // directory in which the sites are kept for the next run; "": a temporary one
	Sides     []string      // of SideNames; default all that are installed
	Files     []string      // names of sites.Files without slash and ending; default all
	Headers   []string      // browser, bare; default both
	Load      []string      // what asks: wrk, own; default both
	Uniform   bool          // measure all sites beside the hot ones
	Rounds    int           // A B A B …, default 9
	Slot      time.Duration // of one turn, whole seconds, default 1s: how fast a machine is changes, so many short turns tell more than a few long ones
	Conns     int           // keep-alive connections, default 64
	Nice      int           // priority of servers and generator; below 0 only for root
	Others    float64       // share of the server's core that others may have in a turn, default 0.05
	Progress  func(string)  // told what is being done; nil: nobody
}

// The sides that are no peers.
const (
	sideBerth    = "berth"
	sideOther    = "berth-other"
	sideConstant = "constant"
	sideEpoll    = "epoll"
)

// The generators.
const (
	loadWrk = "wrk"
	loadOwn = "own"
)

// Which hosts are asked for.
const (
	hotHosts     = "hot"     // a few
	uniformHosts = "uniform" // all sites
	spreadHosts  = "spread"  // hosts from everywhere
)

// maxForWrk is the largest file that wrk asks for. It reads 8 KiB at a time: for large ones it would be wrk that is measured.
const maxForWrk = 16 << 10

// SideNames are all sides, in the order in which they are shown.
func SideNames() []string {
	names := []string{sideBerth, sideOther}
	for _, p := range peers.All() {
		names = append(names, p.Name)
	}
	return append(names, sideConstant, sideEpoll)
}

// ConfigError is a fault of the Config, or several. Nothing was done.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

func (c Config) withDefaults() (Config, error) {
	c.Sites = defaultSites(c.Sites)
	c.Rounds = or(c.Rounds, 9)
	c.Slot = or(c.Slot, time.Second)
	c.Conns = or(c.Conns, 64)
	c.Others = or(c.Others, 0.05)
	if len(c.Sides) == 0 {
		c.Sides = SideNames()
	}
	if len(c.Files) == 0 {
		c.Files = FileNames()
	}
	if len(c.Headers) == 0 {
		c.Headers = []string{string(load.Browser), string(load.Bare)}
	}
	if len(c.Load) == 0 {
		c.Load = []string{loadWrk, loadOwn}
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	faults := []error{c.Sites.Check(), oneOf("side", c.Sides, SideNames()), oneOf("file", c.Files, FileNames()),
		oneOf("generator", c.Load, []string{loadWrk, loadOwn}),
		oneOf("header set", c.Headers, []string{string(load.Browser), string(load.Bare)})}
	if c.Rounds < 1 || c.Conns < 1 || c.Slot < time.Second {
		faults = append(faults, errors.New("want 1 round or more, 1 connection or more, and turns of a second or more"))
	}
	if err := errors.Join(faults...); err != nil {
		return c, &ConfigError{err}
	}
	return c, nil
}

func defaultSites(s sites.Config) sites.Config {
	s.Sites = or(s.Sites, 200_000)
	s.Hot = or(s.Hot, min(200, s.Sites))
	s.Hosts = or(s.Hosts, max(1_000_000, 3*s.Sites))
	s.Seed = or(s.Seed, 1)
	return s
}

func or[T comparable](v, def T) T {
	if v == *new(T) {
		return def
	}
	return v
}

func oneOf(what string, names, known []string) error {
	for _, n := range names {
		if !slices.Contains(known, n) {
			return fmt.Errorf("there is no %s %q, only %v", what, n, known)
		}
	}
	return nil
}

// FileNames are 1k, 10k and so on.
func FileNames() (names []string) {
	for _, f := range sites.Files() {
		names = append(names, shortName(f))
	}
	return names
}

func shortName(f sites.File) string { return f.Name[1 : len(f.Name)-len(".png")] }

// scenario is what all sides are asked for in a series of rounds.
type scenario struct {
	name    string // which hosts
	load    string // wrk or own
	hosts   []string
	file    sites.File
	headers load.Headers
}

// scenarios are those of wrk first. The own generator sends what a browser sends, if anything does.
func (c Config) scenarios() (all []scenario) {
	hosts := c.hosts()
	for _, by := range c.Load {
		for k, h := range c.Headers {
			if by == loadOwn && k > 0 {
				continue
			}
			for _, f := range sites.Files() {
				if slices.Contains(c.Files, shortName(f)) && (by == loadOwn || f.Size <= maxForWrk) {
					all = append(all, scenario{hotHosts, by, hosts[:c.Sites.Hot], f, load.Headers(h)})
				}
			}
		}
		if c.Uniform {
			all = append(all, scenario{uniformHosts, by, hosts, sites.Small(), load.Headers(c.Headers[0])})
		}
	}
	return all
}

// hosts are those of all sites, the hot ones first.
func (c Config) hosts() []string {
	hosts := make([]string, c.Sites.Sites)
	for i := range hosts {
		hosts[i] = sites.Host(i)
	}
	return hosts
}

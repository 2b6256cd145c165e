package serving

import (
	"context"
	"fmt"
	"time"

	"berth/bench/load"
	"berth/bench/machine"
)

// Slot is one turn of a side.
type Slot struct {
	load.Result
	CPU    time.Duration // of the server
	Whole  time.Duration // from before the generator started until it had ended
	Others float64       // share of the server's core that neither had, and that was not idle
	// LoadOthers is the same of the generator's core.
	LoadOthers float64
	Disturbed  bool // others had too much: not counted
}

// PerRequest is the server's CPU time for one request, in nanoseconds.
func (s Slot) PerRequest() float64 { return float64(s.CPU.Nanoseconds()) / float64(s.Requests) }

// ServerShare is how busy the server was: well below 1, it waited for the generator.
func (s Slot) ServerShare() float64 { return s.CPU.Seconds() / s.Took.Seconds() }

// LoadShare is how busy the generator was.
func (s Slot) LoadShare() float64 { return s.Used.Seconds() / s.Took.Seconds() }

// tries is how often a turn is had that others disturb.
const tries = 3

// slot gives a side its turn, again if others had the machine.
func (c Config) slot(ctx context.Context, env *environment, s *side, sc scenario) (sl Slot, err error) {
	for range tries {
		if sl, err = c.turn(ctx, env, s, sc); err != nil || !sl.Disturbed {
			return sl, err
		}
	}
	return sl, nil
}

// account is what the kernel has written down up to a moment.
type account struct {
	at           time.Time
	server       machine.Charged
	serverCore   machine.Busy
	generateCore machine.Busy
}

func takeAccount(env *environment, pid int) (a account, err error) {
	a.at = time.Now()
	if a.server, err = machine.CPUTime(pid); err != nil {
		return a, err
	}
	if a.serverCore, err = machine.CoreBusy(env.cores.Server); err != nil {
		return a, err
	}
	a.generateCore, err = machine.CoreBusy(env.cores.Load)
	return a, err
}

func (c Config) turn(ctx context.Context, env *environment, s *side, sc scenario) (Slot, error) {
	before, err := takeAccount(env, s.running.Pid)
	if err != nil {
		return Slot{}, err
	}
	r, err := env.wrk.Run(ctx, load.Job{Addr: s.running.Addr, Path: sc.file.Name, Hosts: sc.hosts, Headers: sc.headers, Conns: c.Conns, For: c.Slot})
	if err != nil {
		return Slot{}, fmt.Errorf("%s: %w", s.name, err)
	}
	after, err := takeAccount(env, s.running.Pid)
	if err != nil {
		return Slot{}, fmt.Errorf("%s: %w", s.name, err)
	}
	sl := Slot{Result: r, CPU: after.server.Since(before.server), Whole: after.at.Sub(before.at)}
	core, generate := after.serverCore.Since(before.serverCore), after.generateCore.Since(before.generateCore)
	if env.cores.Shared() {
		core.Running -= r.Used
	}
	whole := sl.Whole.Seconds()
	sl.Others = max(0, (core.Running+core.Stolen-sl.CPU).Seconds()/whole)
	if !env.cores.Shared() {
		sl.LoadOthers = max(0, (generate.Running+generate.Stolen-r.Used).Seconds()/whole)
	}
	// Others on the generator's core slow the generator down, which the server's time for a request hardly shows.
	sl.Disturbed = sl.Others > c.Others || sl.LoadOthers > 4*c.Others
	return sl, nil
}

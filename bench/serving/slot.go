package serving

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth/bench"
	"berth/bench/load"
	"berth/bench/machine"
)

// Slot is one turn of a side.
type Slot struct {
	load.Result
	CPU    time.Duration // of the server
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
func (s Slot) LoadShare() float64 { return s.Worked.Seconds() / s.Took.Seconds() }

func slotP50(s Slot) float64  { return float64(s.P50) }
func slotP99(s Slot) float64  { return float64(s.P99) }
func slotP999(s Slot) float64 { return float64(s.P999) }

// row is the turn in Go's benchmark format. A disturbed one has a name of its own, so that nobody takes it for one that counts.
func (s Slot) row(name string) bench.Row {
	if s.Disturbed {
		name = "Disturbed" + name
	}
	return bench.Measured(name, int(s.Requests), bench.In(s.PerRequest(), "cpu-ns/op"), bench.In(s.Rate(), "req/s"),
		bench.In(slotP50(s), "p50-ns"), bench.In(slotP99(s), "p99-ns"), bench.In(slotP999(s), "p999-ns"))
}

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

func (c Config) turn(ctx context.Context, env *environment, s *side, sc scenario) (sl Slot, err error) {
	before, err := machine.CPUTime(s.running.Pid)
	if err != nil {
		return sl, err
	}
	watched := make(chan error, 1)
	over, end := context.WithCancel(ctx)
	defer end()
	go func() { watched <- c.watch(over, env, s.running.Pid, before, &sl) }()
	job := load.Job{Addr: s.running.Addr, Path: sc.file.Name, Hosts: sc.hosts, Asked: s.asked, Headers: sc.headers, Conns: c.Conns, For: c.Slot, Spin: !env.cores.Shared()}
	r, err := env.generator(sc.load).Run(ctx, job)
	end()
	if err := errors.Join(err, <-watched); err != nil {
		return sl, fmt.Errorf("%s: %w", s.name, err)
	}
	after, err := machine.CPUTime(s.running.Pid)
	if err != nil {
		return sl, fmt.Errorf("%s: %w", s.name, err)
	}
	s.asked += r.Requests
	sl.Result, sl.CPU = r, after.Since(before)
	if env.cores.Shared() {
		sl.Others -= r.Used.Seconds() / r.Took.Seconds()
	} else {
		sl.LoadOthers = max(0, sl.LoadOthers-r.Used.Seconds()/r.Took.Seconds())
	}
	sl.Others = max(0, sl.Others)
	// Others on the generator's core slow the generator down, which the server's time for a request hardly shows.
	sl.Disturbed = sl.Others > c.Others || sl.LoadOthers > 4*c.Others
	return sl, nil
}

// watch finds out who else has the cores, from when the load has begun until shortly before its end: while the generator starts, and
// when it has ended, others are in nobody's way.
func (c Config) watch(ctx context.Context, env *environment, pid int, idle machine.Charged, sl *Slot) error {
	const look = 5 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	for begun := false; !begun; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := machine.CPUTime(pid)
		if err != nil {
			return err
		}
		begun = now.Since(idle) > look/2
	}
	from, err := takeAccount(env, pid)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(c.Slot - 20*look):
	}
	to, err := takeAccount(env, pid)
	if err != nil {
		return err
	}
	took := to.at.Sub(from.at).Seconds()
	server, generator := to.serverCore.Since(from.serverCore), to.generateCore.Since(from.generateCore)
	sl.Others = (server.Running + server.Stolen - to.server.Since(from.server)).Seconds() / took
	sl.LoadOthers = (generator.Running + generator.Stolen).Seconds() / took
	return nil
}

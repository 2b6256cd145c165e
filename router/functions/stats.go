package functions

import (
	"errors"
	"sync/atomic"
)

// Stats are counts since the start, except for the one that says "now".
type Stats struct {
	Calls       uint64 // all, answered or not
	Thrown      uint64 // the function threw, or its code cannot be loaded
	Timeouts    uint64
	Busy        uint64 // over MaxInFlight
	Unavailable uint64 // there was no process
	Broken      uint64 // its process ended, the client left, or the answer was no HTTP
	Restarts    uint64 // of the process
	Loads       uint64 // of code
	InFlight    int    // now
}

type counters struct {
	calls, thrown, timeouts, busy, unavailable, broken, restarts, loads atomic.Uint64
}

func (c *counters) failed(err error) {
	switch {
	case errors.As(err, new(*Thrown)):
		c.thrown.Add(1)
	case errors.Is(err, ErrTimeout):
		c.timeouts.Add(1)
	case errors.Is(err, ErrBusy):
		c.busy.Add(1)
	case errors.Is(err, ErrUnavailable):
		c.unavailable.Add(1)
	default:
		c.broken.Add(1)
	}
}

// Stats returns the counts so far, read one by one.
func (r *Runtime) Stats() Stats {
	c := &r.stats
	return Stats{
		Calls: c.calls.Load(), Thrown: c.thrown.Load(), Timeouts: c.timeouts.Load(), Busy: c.busy.Load(), Unavailable: c.unavailable.Load(),
		Broken: c.broken.Load(), Restarts: c.restarts.Load(), Loads: c.loads.Load(), InFlight: len(r.slots),
	}
}

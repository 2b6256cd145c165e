package load

import (
	"context"
	"math/rand/v2"
	"time"
)

// Phase is a time of one rate.
type Phase struct {
	Rate  float64       // requests a second, at random distances
	Conns int           // that they may use; those that are not open yet are opened when a request finds no free one
	For   time.Duration // of it
}

// Window is what became of the requests that were due in it.
type Window struct {
	At             time.Duration // of its begin, from that of the first phase
	Answered       int
	P50, P99, Peak time.Duration // from when a request was due until its answer was there
}

// Played is what became of the phases.
type Played struct {
	Windows  []Window
	Answered int64
	Fault    string
	Errors   int64 // answers that were no 200, connections that broke, and requests that were not answered 30 s after the end
}

// WindowLength is how finely latencies are told apart.
const WindowLength = 250 * time.Millisecond

// afterwards is how long answers are waited for at the end.
const afterwards = 30 * time.Second

// player sends requests when they are due, if there is a connection for them; those that find none wait, and the clock goes on.
type player struct {
	*loop
	began   time.Time
	free    []*conn
	waiting []time.Time // when they were due, oldest first
	windows [][]uint32
}

func (l *loop) play(ctx context.Context, phases []Phase) (Played, error) {
	p := &player{loop: l, began: time.Now()}
	for _, c := range l.conns {
		if c != nil {
			p.free = append(p.free, c)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	due, begin := p.began, p.began
	for _, ph := range phases {
		end := begin.Add(ph.For)
		for due.Before(end) {
			if err := p.until(ctx, due, ph.Conns); err != nil {
				return Played{}, err
			}
			p.waiting = append(p.waiting, due)
			due = due.Add(time.Duration(rng.ExpFloat64() / ph.Rate * float64(time.Second)))
		}
		due, begin = end, end
	}
	for last := time.Now().Add(afterwards); p.unanswered() > 0 && time.Now().Before(last); {
		if err := p.step(phases[len(phases)-1].Conns); err != nil {
			return Played{}, err
		}
	}
	return p.played(), ctx.Err()
}

// until works on answers until a moment.
func (p *player) until(ctx context.Context, moment time.Time, conns int) error {
	for {
		if err := p.step(conns); err != nil {
			return err
		}
		if !time.Now().Before(moment) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// step sends what waits and takes what has come.
func (p *player) step(conns int) error {
	for len(p.waiting) > 0 {
		if len(p.free) == 0 && p.live < conns {
			c, err := p.loop.open()
			if err != nil {
				return err
			}
			p.free = append(p.free, c)
		}
		if len(p.free) == 0 {
			break
		}
		c := p.free[0] // the one that rested longest
		p.free = p.free[1:]
		if p.conns[c.fd] != c {
			continue // it broke meanwhile
		}
		p.send(c, p.waiting[0])
		p.waiting = p.waiting[1:]
	}
	ready, err := p.wait()
	if err != nil {
		return err
	}
	for _, e := range ready {
		if c := p.conns[e.Fd]; c != nil && p.receive(c) {
			p.note(c)
			p.free = append(p.free, c)
		}
	}
	return nil
}

func (p *player) note(c *conn) {
	took := time.Since(c.due)
	c.busy = false
	p.answered++
	i := int(c.due.Sub(p.began) / WindowLength)
	for len(p.windows) <= i {
		p.windows = append(p.windows, nil)
	}
	p.windows[i] = append(p.windows[i], uint32(min(took.Microseconds(), 1<<32-1)))
}

func (p *player) unanswered() int {
	n := len(p.waiting)
	for _, c := range p.conns {
		if c != nil && c.busy {
			n++
		}
	}
	return n
}

func (p *player) played() Played {
	out := Played{Answered: p.answered, Errors: p.errors + int64(p.unanswered()), Fault: p.fault}
	for i, us := range p.windows {
		r := Result{}.withLatencies(us)
		out.Windows = append(out.Windows, Window{At: time.Duration(i) * WindowLength, Answered: len(us), P50: r.P50, P99: r.P99, Peak: r.Max})
	}
	return out
}

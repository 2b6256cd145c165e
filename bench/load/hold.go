package load

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Held is connections that wait for their next request.
type Held struct{ l *loop }

// Hold opens the job's connections and asks once on each of them.
func Hold(ctx context.Context, j Job) (*Held, error) {
	l, err := newLoop(j)
	if err != nil {
		return nil, fmt.Errorf("hold connections to %s: %w", j.Addr, err)
	}
	h := &Held{l}
	if err := h.Ask(ctx); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// together is how many requests are on their way at a time: who holds connections is in no hurry.
const together = 256

// Ask sends a request on each connection, and waits for the answers. A connection that has been closed is an error.
func (h *Held) Ask(ctx context.Context) error {
	var todo []*conn
	for _, c := range h.l.conns {
		if c != nil {
			todo = append(todo, c)
		}
	}
	if len(todo) < h.l.job.Conns {
		return fmt.Errorf("%d of %d connections are open", len(todo), h.l.job.Conns)
	}
	busy, end := 0, time.Now().Add(time.Minute)
	for busy > 0 || len(todo) > 0 {
		for busy < together && len(todo) > 0 {
			h.l.send(todo[0], time.Now())
			todo, busy = todo[1:], busy+1
		}
		ready, err := h.l.wait()
		if err != nil {
			return err
		}
		for _, e := range ready {
			if c := h.l.conns[e.Fd]; c != nil && h.l.receive(c) {
				h.l.finish(c, time.Now())
				busy--
			}
		}
		if h.l.errors > 0 {
			return fmt.Errorf("%d of %d connections broke: %s", h.l.errors, h.l.job.Conns, h.l.fault)
		}
		if time.Now().After(end) {
			return errors.New("a minute is over and not all requests are answered")
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the connections.
func (h *Held) Close() { h.l.close() }

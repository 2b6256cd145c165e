package legacy

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrBusy says that so many requests wait for a table already that this one did not join them.
var ErrBusy = errors.New("legacy: too many requests wait for a table")

// slots bounds how many tables are read or parsed at once, and how many requests wait to do so: without it a flood of made-up
// labels would hold a processor and a table's memory each.
type slots struct {
	free    chan struct{} // has room for each that runs
	waiting atomic.Int64
	most    int64
}

func newSlots(running, waiting int) *slots {
	return &slots{free: make(chan struct{}, running), most: int64(waiting)}
}

func (s *slots) take(ctx context.Context) error {
	select {
	case s.free <- struct{}{}:
		return nil
	default:
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > s.most {
		return ErrBusy
	}
	select {
	case s.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("legacy: wait for a table: %w", ctx.Err())
	}
}

func (s *slots) give() { <-s.free }

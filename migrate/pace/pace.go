// Package pace says how fast a job of the migration may go: by a rate that an operator sets, and by how the server feels.
package pace

import (
	"context"
	"time"
)

// Clock is where a job has the time from. Now should carry a monotonic reading, as time.Now does, so that setting the clock of the
// machine changes nothing; one that jumps all the same costs no more than the Limiter's burst.
type Clock interface {
	Now() time.Time
	// After sends once, after d.
	After(d time.Duration) <-chan time.Time
}

// System is the machine's clock.
type System struct{}

// Now returns the time.
func (System) Now() time.Time { return time.Now() }

// After is time.After.
func (System) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Sleep waits for d, for something on wake, or for the end of ctx, whose error it returns.
func Sleep(ctx context.Context, c Clock, d time.Duration, wake <-chan struct{}) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	select {
	case <-c.After(d):
	case <-wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

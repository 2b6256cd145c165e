package pace

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"
)

// hand is a clock that is moved by hand.
type hand struct{ now time.Time }

func (h *hand) Now() time.Time { return h.now }
func (h *hand) After(d time.Duration) <-chan time.Time {
	h.now = h.now.Add(d)
	c := make(chan time.Time, 1)
	c <- h.now
	return c
}

// spend does pieces of so many units until that much time has passed, each of which takes a while, and returns the units.
func spend(h *hand, l *Limiter, piece int, takes, during time.Duration) (units int) {
	for end := h.now.Add(during); h.now.Before(end); {
		if w := l.Wait(); w > 0 {
			h.now = h.now.Add(w)
			continue
		}
		h.now = h.now.Add(takes)
		l.Spend(piece)
		units += piece
	}
	return units
}

func TestRateIsKept(t *testing.T) {
	for _, tt := range []struct {
		rate  float64
		piece int
		takes time.Duration
	}{{1000, 250, 3 * time.Millisecond}, {100, 256, time.Millisecond}, {50_000, 2048, 20 * time.Millisecond}, {7, 1, 0}, {0.5, 3, 0}} {
		h := &hand{time.Unix(1, 0)}
		l := NewLimiter(h, tt.rate)
		during := time.Duration(1000 * float64(tt.piece) / tt.rate * float64(time.Second)) // a thousand pieces
		if got := float64(spend(h, l, tt.piece, tt.takes, during)) / during.Seconds(); math.Abs(got/tt.rate-1) > 0.05 {
			t.Errorf("%+v: %v a second", tt, got)
		}
	}
}

func TestRateChanges(t *testing.T) {
	h := &hand{time.Unix(1, 0)}
	l := NewLimiter(h, 0)
	l.Spend(1 << 20)
	if w := l.Wait(); w != 0 || l.Slice(2048) != 2048 {
		t.Errorf("without a limit: wait %v, slices of %d", w, l.Slice(2048))
	}
	l.SetRate(100)
	l.Spend(1000)
	if w := l.Wait(); w != 10*time.Second || l.Slice(2048) != 25 {
		t.Errorf("wait %v, slices of %d", w, l.Slice(2048))
	}
	l.SetRate(1000)
	if w := l.Wait(); w != time.Second {
		t.Errorf("ten times as fast: wait %v", w)
	}
	l.SetRate(math.NaN())
	if w := l.Wait(); w != 0 || l.Rate() != 0 {
		t.Errorf("no number: wait %v, rate %v", w, l.Rate())
	}
	l.SetRate(1e-300)
	l.Spend(1)
	if w := l.Wait(); w <= 0 || w > maxWait {
		t.Errorf("nearly never: wait %v", w)
	}
}

// TestClockJumps: an hour forward is worth no more than a debt and the burst, an hour back costs nothing.
func TestClockJumps(t *testing.T) {
	h := &hand{time.Unix(100_000, 0)}
	l := NewLimiter(h, 1000)
	h.now = h.now.Add(time.Hour)
	if n := spend(h, l, 10, time.Millisecond, time.Second); n > 1300 {
		t.Errorf("%d units in the second after a leap", n)
	}
	h.now = h.now.Add(-time.Hour)
	if w := l.Wait(); w > time.Second {
		t.Errorf("after a leap back: wait %v", w)
	}
	if n := spend(h, l, 10, time.Millisecond, 10*time.Second); n < 9500 || n > 10_500 {
		t.Errorf("%d units in ten seconds after a leap back", n)
	}
}

func TestYielder(t *testing.T) {
	p99 := time.Duration(0)
	y := NewYielder(Signal{Name: "never", Most: -1, Value: func() time.Duration { return time.Hour }}, Signal{Name: "unknown", Most: 1},
		Signal{Name: "the edge's p99", Most: 100 * time.Millisecond, Value: func() time.Duration { return p99 }})
	if d := y.Next(); d != 0 || y.Why() != "" {
		t.Errorf("all is well: %v, %q", d, y.Why())
	}
	p99 = time.Second
	var last time.Duration
	for range 20 {
		d := y.Next()
		if d < last {
			t.Errorf("%v after %v", d, last)
		}
		last = d
	}
	if last != mostYield || y.Why() != "the edge's p99 is 1s, over 100ms" {
		t.Errorf("%v, %q", last, y.Why())
	}
	p99 = 0
	steps := 0
	for y.Next() > 0 {
		steps++
	}
	if steps < 3 || steps > 20 || y.Why() != "" {
		t.Errorf("%d steps until it works again, %q", steps, y.Why())
	}
}

// Another bound holds at once, also for a job that gives way to the old one; the same one again is no news.
func TestYielderBounds(t *testing.T) {
	y := NewYielder(Signal{Name: "a commit", Most: time.Millisecond, Value: func() time.Duration { return time.Second }})
	y.Next()
	before := y.Next()
	y.SetMost(time.Millisecond)
	if y.Why() == "" || y.Next() <= before {
		t.Error("the same bound again began anew")
	}
	y.SetMost(time.Minute)
	if y.Why() != "" || y.Next() != 0 {
		t.Errorf("gives way to the old bound: %q", y.Why())
	}
	y.SetMost(0)
	if y.Next() != 0 {
		t.Error("never is not never")
	}
	y.SetMost(time.Microsecond)
	if y.Next() != firstYield || y.Why() != "a commit is 1s, over 1µs" {
		t.Errorf("%q", y.Why())
	}
}

func TestSleep(t *testing.T) {
	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	if err := Sleep(t.Context(), System{}, time.Hour, wake); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Sleep(ctx, System{}, 0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := Sleep(t.Context(), System{}, time.Nanosecond, nil); err != nil {
		t.Error(err)
	}
}

func TestAverage(t *testing.T) {
	var a Average
	if a.Value() != 0 {
		t.Error("something is known of nothing")
	}
	for _, d := range []time.Duration{100, 100, 500} {
		a.Add(d)
	}
	if a.Value() != 200 {
		t.Errorf("got %v", a.Value())
	}
}

package pace

import (
	"fmt"
	"sync"
	"time"
)

// Signal is a measure of how the server feels.
type Signal struct {
	Name  string               // as it is told: "the edge's p99"
	Most  time.Duration        // above this, the job gives way; 0: never
	Value func() time.Duration // now; negative or zero: nothing is known
}

const (
	firstYield = 50 * time.Millisecond
	mostYield  = 10 * time.Second
)

// Yielder makes a job give way while a Signal is above its bound: it waits between pieces, twice as long each time up to ten
// seconds, and half as long each time that all is well again. It is safe for concurrent use.
type Yielder struct {
	signals []Signal // but for Most they never change

	mu    sync.Mutex // guards what follows, and Most of each signal
	pause time.Duration
	why   string
}

// NewYielder returns one that looks at these.
func NewYielder(signals ...Signal) *Yielder { return &Yielder{signals: signals} }

// SetMost changes the bounds of the signals, in their order. By other bounds than before all is taken to be well, until Next looks.
func (y *Yielder) SetMost(most ...time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for i, d := range most {
		if y.signals[i].Most != d {
			y.signals[i].Most, y.pause, y.why = d, 0, ""
		}
	}
}

// Next looks at the signals and says how long to wait before the next piece.
func (y *Yielder) Next() time.Duration {
	y.mu.Lock()
	defer y.mu.Unlock()
	why := y.above()
	switch {
	case why != "":
		y.pause = min(max(2*y.pause, firstYield), mostYield)
		y.why = why
	case y.pause <= firstYield:
		y.pause, y.why = 0, ""
	default:
		y.pause /= 2
	}
	return y.pause
}

func (y *Yielder) above() string {
	for _, s := range y.signals {
		if s.Most <= 0 || s.Value == nil {
			continue
		}
		if v := s.Value(); v > s.Most {
			return fmt.Sprintf("%s is %v, over %v", s.Name, v.Round(time.Microsecond), s.Most)
		}
	}
	return ""
}

// Why says what the job gives way to; "" if it does not.
func (y *Yielder) Why() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.why
}

// Average follows a duration, the last few values counting most. It is safe for concurrent use; its zero value knows nothing.
type Average struct {
	mu    sync.Mutex // guards value
	value time.Duration
}

// Add notes a value.
func (a *Average) Add(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.value == 0 {
		a.value = d
		return
	}
	a.value += (d - a.value) / 4
}

// Value returns the average.
func (a *Average) Value() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.value
}

package pace

import (
	"math"
	"sync"
	"time"
)

// burst is how much of the rate may be saved up while a job is late: enough to make good a slow commit, too little to be
// noticed.
const burst = 250 * time.Millisecond

// maxWait bounds one wait, so that a duration cannot overflow.
const maxWait = time.Hour

// Limiter is a token bucket that may go into debt: what is to be done in one piece is done, and paid for before the next. It
// is safe for concurrent use.
type Limiter struct {
	clock Clock

	mu     sync.Mutex // guards what follows
	rate   float64    // units a second; 0: no limit
	tokens float64    // negative: debt
	last   time.Time
}

// NewLimiter returns one for so many units a second; 0 is no limit.
func NewLimiter(c Clock, rate float64) *Limiter {
	l := &Limiter{clock: c, last: c.Now()}
	l.rate = sane(rate)
	return l
}

func sane(rate float64) float64 {
	if math.IsNaN(rate) || math.IsInf(rate, 0) || rate < 0 {
		return 0
	}
	return rate
}

// Rate returns the rate; 0 is no limit.
func (l *Limiter) Rate() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rate
}

// SetRate changes the rate from now on. What is owed stays owed, and is paid at the new rate.
func (l *Limiter) SetRate(rate float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill()
	l.rate = sane(rate)
	if l.rate == 0 {
		l.tokens = 0
	}
}

// Spend takes n units, which may be more than there are.
func (l *Limiter) Spend(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill()
	if l.rate > 0 {
		l.tokens -= float64(n)
	}
}

// Wait says how long it is until nothing is owed.
func (l *Limiter) Wait() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill()
	if l.rate == 0 || l.tokens >= 0 {
		return 0
	}
	return time.Duration(math.Ceil(min(-l.tokens/l.rate, maxWait.Seconds()) * float64(time.Second)))
}

// refill adds what has come in since the last time. A clock that went back adds nothing, and one that leapt forward no more
// than pays a debt and fills the bucket.
func (l *Limiter) refill() {
	now := l.clock.Now()
	passed := now.Sub(l.last)
	l.last = now
	if passed <= 0 {
		return
	}
	l.tokens = min(l.tokens+passed.Seconds()*l.rate, l.rate*burst.Seconds())
}

// Slice is how many units a job should do in one piece, of at most so many, to go evenly.
func (l *Limiter) Slice(most int) int {
	rate := l.Rate()
	if rate == 0 {
		return most
	}
	return max(1, min(most, int(rate*burst.Seconds())))
}

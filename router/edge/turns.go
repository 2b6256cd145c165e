package edge

import (
	"sync/atomic"
	"time"
)

// A connection that has answered has others run before it looks for its next request: its client may have sent that by then, and both are spared
// a wait.
//
// But Go asks the kernel which of the waiting connections have something to be read only when nothing else is left to run, or after 10 ms. Where
// the processors are busy with connections that go on so, one that waits, for its client was late once, is left out for that long. So when no
// connection has been woken for a while, those that have answered all that has come wait, without another look: they would find something, now and
// then, and there would always be one of them to run. Then nothing is left to run, and Go asks. A connection may wait without a look only if its
// socket was emptied, the end of what its client sends included, for nobody is told again of what has come already.
type turns struct {
	began time.Time
	woken atomic.Int64 // when a connection that waited went on, as far as it is noted
}

const (
	// leftOut is how long nobody has to have been woken for connections to wait. Half a millisecond costs 2 to 4 % of the processor and makes
	// one answer in a hundred take 1.5 ms where it took 3 to 13.
	leftOut = 500 * time.Microsecond
	// noteEvery keeps processors from writing the same memory all the time.
	noteEvery = 50 * time.Microsecond
	// shortWait is none: bytes had come before the connection began to wait, and the kernel was not asked.
	shortWait = 2 * time.Microsecond
)

func (t *turns) at(now time.Time) time.Duration { return now.Sub(t.began) }

// wakes notes that a connection goes on which began to wait at a time, or never did (0).
func (t *turns) wakes(since, now time.Duration) {
	if since == 0 || now-since < shortWait {
		return
	}
	if int64(now)-t.woken.Load() >= int64(noteEvery) {
		t.woken.Store(int64(now))
	}
}

// overdue reports that connections should wait rather than go on.
func (t *turns) overdue(now time.Duration) bool { return int64(now)-t.woken.Load() >= int64(leftOut) }

// soon reports that they may come to be.
func (t *turns) soon(now time.Duration) bool { return int64(now)-t.woken.Load() >= int64(leftOut/2) }

// looks remembers of a connection whether it was of use to look for the next request once others had their turn. If the client is never that fast,
// most often since it is far away, the connection waits at once: a look that finds nothing takes some 3 % of a small answer's time.
type looks struct {
	none   uint8 // in a row that found nothing, up to enoughVain
	waited uint8 // times that it waited at once since the last look
}

const (
	enoughVain = 3
	// lookEvery is how often it is tried again: a client may have become faster.
	lookEvery = 16
)

func (l *looks) nothing()   { l.none = min(l.none+1, enoughVain) }
func (l *looks) something() { *l = looks{} }

// mayBeVain says that vain will be asked, and may be true.
func (l *looks) mayBeVain() bool { return l.none == enoughVain }

// vain reports that the connection should wait at once, which it then does.
func (l *looks) vain() bool {
	if l.none < enoughVain {
		return false
	}
	l.waited = (l.waited + 1) % lookEvery
	return l.waited != 0
}

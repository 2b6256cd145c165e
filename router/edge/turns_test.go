package edge

import (
	"testing"
	"time"
)

func TestTurns(t *testing.T) {
	const start = time.Second
	turns := turns{began: time.Now()}
	turns.wakes(start-10*time.Microsecond, start)
	if turns.overdue(start + leftOut - 1) {
		t.Error("overdue before it is time")
	}
	for _, since := range []time.Duration{0, start + leftOut - shortWait + 1} {
		turns.wakes(since, start+leftOut)
		if !turns.overdue(start + leftOut) {
			t.Errorf("a connection that began to wait at %v was not woken at %v", since, start+leftOut)
		}
	}
	turns.wakes(start, start+leftOut)
	if turns.overdue(start + 2*leftOut - 1) {
		t.Error("overdue though a connection was woken")
	}
	turns.wakes(start, start+leftOut+noteEvery-1)
	if !turns.overdue(start + 2*leftOut) {
		t.Error("noted twice in a moment")
	}
}

func TestLooks(t *testing.T) {
	var l looks
	for range enoughVain {
		if l.vain() {
			t.Errorf("vain after %d", l.none)
		}
		l.nothing()
	}
	waits := func() (n int) {
		for l.vain() {
			n++
		}
		return n
	}
	for range 2 {
		if n := waits(); n != lookEvery-1 {
			t.Errorf("waits %d times, then looks", n)
		}
		l.nothing() // as before
	}
	l.something()
	if l.vain() || l.mayBeVain() {
		t.Error("vain though one found something")
	}
}

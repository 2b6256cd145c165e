package store

import (
	"runtime"
	"time"
)

// courtesy lets others have the processor while its owner goes through many records: a long Update, a flush, a compaction, the filling
// of a filter. Go would take it away after 10 ms. Whoever looks a host up may have to wait for a lock of Pebble's, which takes a
// microsecond, and then, in the middle of a request, for a processor.
//
// It is no more than courtesy. Where everybody is busy, who gives way once waits for milliseconds: the next time comes when a part of
// that has been spent on work, so that a fifth of the time at least is its owner's.
type courtesy struct {
	n      int
	next   time.Time
	waited time.Duration // in all
}

const (
	// courtesyStep is after how many records the clock is looked at.
	courtesyStep = 16
	// courtesyShare is how many times as long as its owner works others may run. Once would be fair, and have who waits for a lock wait
	// for as long as a dozen others take to be answered.
	courtesyShare = 4
	// courtesyMost is the longest wait that counts.
	courtesyMost = 10 * time.Millisecond
)

// one is called for each record, with no lock held that others wait for.
func (c *courtesy) one() {
	if c.n++; c.n%courtesyStep != 0 {
		return
	}
	began := time.Now()
	if began.Before(c.next) {
		return
	}
	runtime.Gosched()
	now := time.Now()
	took := now.Sub(began)
	c.waited += took
	c.next = now.Add(min(took, courtesyMost) / courtesyShare)
}

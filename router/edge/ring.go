package edge

import "sync/atomic"

// ring is a bounded queue without locks, for any number of producers and consumers: nobody ever waits, neither for a
// full or empty queue nor for another goroutine that was interrupted in the middle. A slot's turn says who may use
// it: the producer of that position, or, if it is one more, the consumer (Dmitry Vyukov's bounded queue).
type ring struct {
	slots []ringSlot
	mask  uint64
	_     [64]byte
	tail  atomic.Uint64 // next position to fill
	_     [64]byte
	head  atomic.Uint64 // next position to empty
}

type ringSlot struct {
	turn atomic.Uint64
	r    *record
}

// newRing makes a ring of at least n slots.
func newRing(n int) *ring {
	size := 2
	for size < n {
		size *= 2
	}
	q := &ring{slots: make([]ringSlot, size), mask: uint64(size - 1)}
	for i := range q.slots {
		q.slots[i].turn.Store(uint64(i))
	}
	return q
}

// push adds r, or reports that the ring is full.
func (q *ring) push(r *record) bool {
	for {
		pos := q.tail.Load()
		slot := &q.slots[pos&q.mask]
		turn := slot.turn.Load()
		if turn < pos {
			return false // not emptied since the last time around
		}
		if turn == pos && q.tail.CompareAndSwap(pos, pos+1) {
			slot.r = r
			slot.turn.Store(pos + 1)
			return true
		}
	}
}

// pop takes the oldest record, or returns nil if there is none (or its producer is just storing it).
func (q *ring) pop() *record {
	for {
		pos := q.head.Load()
		slot := &q.slots[pos&q.mask]
		turn := slot.turn.Load()
		if turn < pos+1 {
			return nil
		}
		if turn == pos+1 && q.head.CompareAndSwap(pos, pos+1) {
			r := slot.r
			slot.r = nil
			slot.turn.Store(pos + uint64(len(q.slots)))
			return r
		}
	}
}

// ready reports whether pop would find a record.
func (q *ring) ready() bool {
	pos := q.head.Load()
	return q.slots[pos&q.mask].turn.Load() > pos
}

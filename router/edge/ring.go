package edge

import "sync/atomic"

// ring is a bounded queue for many producers and one consumer, without locks: a producer never waits, neither for the
// consumer nor for another producer that was interrupted. Every slot has a turn: it may be filled when its turn is the
// position of the producer, and emptied when it is one more (Dmitry Vyukov's bounded queue).
type ring struct {
	slots []ringSlot
	mask  uint64
	_     [64]byte
	tail  atomic.Uint64 // next position to fill
	_     [64]byte
	head  uint64 // next position to empty; the consumer's
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
	pos := q.tail.Load()
	for {
		slot := &q.slots[pos&q.mask]
		switch turn := slot.turn.Load(); {
		case turn == pos:
			if q.tail.CompareAndSwap(pos, pos+1) {
				slot.r = r
				slot.turn.Store(pos + 1)
				return true
			}
			pos = q.tail.Load()
		case turn < pos:
			return false // not emptied since the last time around
		default:
			pos = q.tail.Load()
		}
	}
}

// ready reports whether pop would find a record.
func (q *ring) ready() bool { return q.slots[q.head&q.mask].turn.Load() == q.head+1 }

// pop takes the oldest record, or returns nil if there is none (or its producer is just storing it).
func (q *ring) pop() *record {
	slot := &q.slots[q.head&q.mask]
	if slot.turn.Load() != q.head+1 {
		return nil
	}
	r := slot.r
	slot.r = nil
	slot.turn.Store(q.head + uint64(len(q.slots)))
	q.head++
	return r
}

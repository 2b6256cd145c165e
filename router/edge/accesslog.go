package edge

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	logPause = 10 * time.Millisecond // between two looks at the ring while requests come
	logBatch = 64 << 10              // about how much goes into one write
)

// accessLog hands records to a goroutine that writes them.
type accessLog struct {
	out   io.Writer
	log   *slog.Logger
	ring  *ring // records to be written
	spare *ring // records to be used: as many as ring takes are made at the start, more if more requests are under way

	asleep atomic.Bool
	wake   chan struct{} // holds one
	stop   chan struct{} // closed by close
	done   chan struct{} // closed by run
	once   sync.Once

	lines, dropped, errors atomic.Uint64

	reported uint64 // of dropped; run's
	buf      []byte // run's
}

func newAccessLog(out io.Writer, size int, log *slog.Logger) *accessLog {
	l := &accessLog{
		out: out, log: log, ring: newRing(size), spare: newRing(size),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	for l.spare.push(newRecord()) {
	}
	go l.run()
	return l
}

// put queues a record, or drops it if the ring is full. It never waits.
func (l *accessLog) put(r *record) {
	if !l.ring.push(r) {
		l.dropped.Add(1)
		l.recycle(r)
		return
	}
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		l.wake <- struct{}{} // has room: only who ends the sleep sends, and run takes before it sleeps again
	}
}

// take returns an empty record.
func (l *accessLog) take() *record {
	if r := l.spare.pop(); r != nil {
		return r
	}
	return newRecord()
}

func (l *accessLog) recycle(r *record) {
	r.reset()
	l.spare.push(r) // if there is no room, it goes to the collector
}

// run writes records until close, and then those that are left.
func (l *accessLog) run() {
	defer close(l.done)
	pause := time.NewTimer(logPause)
	defer pause.Stop()
	for {
		if l.drain() == 0 && !l.sleep() {
			l.drain()
			return
		}
		// Looking at once again would find one record at a time and make a system call of each.
		pause.Reset(logPause)
		select {
		case <-pause.C:
		case <-l.stop:
		}
	}
}

// sleep waits until there may be records. It reports false when there will be none any more.
func (l *accessLog) sleep() bool {
	l.asleep.Store(true)
	if l.ring.ready() && l.asleep.CompareAndSwap(true, false) {
		return true // came before the producer could see us asleep
	}
	select {
	case <-l.wake:
		return true
	case <-l.stop:
		return false
	}
}

// drain writes what the ring holds and returns how many lines that was.
func (l *accessLog) drain() int {
	n := 0
	for {
		r := l.ring.pop()
		if r == nil || len(l.buf) >= logBatch {
			l.flush()
		}
		if dropped := l.dropped.Load(); dropped > l.reported {
			l.buf = appendDropped(l.buf, time.Now(), dropped-l.reported)
			l.reported = dropped
		}
		if r == nil {
			l.flush()
			return n
		}
		l.buf = r.appendLine(l.buf)
		l.recycle(r)
		l.lines.Add(1)
		n++
	}
}

// flush writes the batch. A log that cannot be written must not stop the server, nor fill another log: the first failure
// is said, all are counted, and their lines are lost.
func (l *accessLog) flush() {
	if len(l.buf) == 0 {
		return
	}
	if _, err := l.out.Write(l.buf); err != nil {
		if l.errors.Add(1) == 1 {
			l.log.Error("access log cannot be written; further failures are only counted", "err", err)
		}
	}
	l.buf = l.buf[:0]
}

// close writes what is left, waiting for a writer that blocks no longer than it is told.
func (l *accessLog) close(timeout time.Duration) error {
	l.once.Do(func() { close(l.stop) })
	select {
	case <-l.done:
		return nil
	case <-time.After(timeout):
		return fmt.Errorf("flush access log: its writer has been blocked for %v", timeout)
	}
}

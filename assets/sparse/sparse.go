// Package sparse reads a file into memory piece by piece, as its bytes are wanted: a look-up in a large listing needs few of them.
package sparse

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

const (
	// pieceLen is the unit that is read: what a disk brings in the time of its smallest read.
	pieceLen = 16 << 10
	// fillPieces is how many of them Fill reads at once. Who wants one of those meanwhile waits for all of them.
	fillPieces = 8
)

// The states of a piece.
const (
	absent uint32 = iota
	coming
	there
)

// Bytes are those of a file of a known size. It is safe for concurrent use.
type Bytes struct {
	src    io.ReaderAt
	raw    []byte // never read nor written where a piece is not there, but by who brings it
	states []atomic.Uint32
	failed atomic.Pointer[error]

	mu      sync.Mutex // guards changes of states
	changed sync.Cond
}

// New makes the bytes of src, which has so many. None of them is read.
func New(src io.ReaderAt, size int64) *Bytes {
	b := &Bytes{src: src, raw: make([]byte, size), states: make([]atomic.Uint32, (size+pieceLen-1)/pieceLen)}
	b.changed.L = &b.mu
	return b
}

// Len is their number.
func (b *Bytes) Len() int { return len(b.raw) }

// At returns n bytes from off on, which must not be changed, and reads what of them is not there. Whatever cannot be read is zero,
// and Err says so from then on; so is everything if the range is not one of the file.
func (b *Bytes) At(off, n int) []byte {
	if off < 0 || n < 0 || off > len(b.raw)-n {
		b.Fail(fmt.Errorf("bytes %d to %d of %d", off, off+n, len(b.raw)))
		return make([]byte, max(n, 0))
	}
	for i := off / pieceLen; i*pieceLen < off+n; i++ {
		if b.states[i].Load() != there && !b.bring(i) {
			return make([]byte, n)
		}
	}
	return b.raw[off : off+n : off+n]
}

// Err is why some bytes could not be read; nil: all that were asked for could.
func (b *Bytes) Err() error {
	if err := b.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Fill reads all that is not there yet, from the beginning to the end, and returns all bytes. Then At reads no more, and the source may be
// closed.
func (b *Bytes) Fill() ([]byte, error) {
	for first := 0; first < len(b.states); first += fillPieces {
		last := min(first+fillPieces, len(b.states))
		for i := first; i < last; i++ {
			if b.states[i].Load() != there && !b.bringRun(i, last) {
				return nil, b.Err()
			}
		}
	}
	return b.raw, nil
}

func (b *Bytes) bring(i int) bool { return b.bringRun(i, i+1) }

// bringRun has piece i there, with those behind it that nobody brings yet, up to end. It reads without the lock.
func (b *Bytes) bringRun(i, end int) bool {
	b.mu.Lock()
	for b.states[i].Load() == coming {
		b.changed.Wait()
	}
	if b.states[i].Load() == there {
		b.mu.Unlock()
		return true
	}
	run := i
	for run < end && b.states[run].Load() == absent {
		b.states[run].Store(coming)
		run++
	}
	b.mu.Unlock()
	err := b.read(i*pieceLen, min(run*pieceLen, len(b.raw)))
	state := there
	if err != nil {
		b.Fail(err)
		state = absent
	}
	b.mu.Lock()
	for ; i < run; i++ {
		b.states[i].Store(state)
	}
	b.mu.Unlock()
	b.changed.Broadcast()
	return err == nil
}

func (b *Bytes) read(from, to int) error {
	n, err := b.src.ReadAt(b.raw[from:to], int64(from))
	if n == to-from {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w after %d of %d bytes", io.ErrUnexpectedEOF, from+n, len(b.raw))
	}
	return err
}

// Fail has Err say so from now on, unless it says something else.
func (b *Bytes) Fail(err error) { b.failed.CompareAndSwap(nil, &err) }

package store

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// view is the database as the last acknowledged group left it. Pebble shows a batch to readers before the log is synced
// (see the package comment), so nobody reads Pebble's newest state: reads go through the Pebble snapshot of the current
// view, and the committer publishes a new one when the fsync has returned.
type view struct {
	snap    *pebble.Snapshot
	head    head
	refs    atomic.Int64    // one for being current, one per reader; at zero the snapshot is closed
	open    *sync.WaitGroup // views that are not closed yet
	corrupt *atomic.Uint64  // the Store's count
}

func (s *Store) newView(h head) *view {
	v := &view{snap: s.db.NewSnapshot(), head: h, open: &s.views, corrupt: &s.corrupt}
	v.refs.Store(1)
	s.views.Add(1)
	return v
}

// ref reports false if the view is closed already.
func (v *view) ref() bool {
	for {
		n := v.refs.Load()
		if n == 0 {
			return false
		}
		if v.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (v *view) unref() {
	if v.refs.Add(-1) > 0 {
		return
	}
	// Not here: closing a Pebble snapshot waits for the manifest, which is being synced for milliseconds, or for ever if
	// the disk failed, and this may be a request.
	go func() {
		_ = v.snap.Close() // its only failure is being closed twice, which panics
		v.open.Done()
	}()
}

// acquire returns the current view with a reference for the caller.
func (s *Store) acquire() (*view, error) {
	for {
		v := s.current.Load()
		if v == nil {
			return nil, ErrClosed
		}
		if v.ref() {
			return v, nil
		}
	}
}

// source is what a Reader reads from.
type source interface {
	// get returns the value of key, valid until the Closer is closed, or pebble.ErrNotFound.
	get(key []byte) ([]byte, io.Closer, error)
	// iter returns an iterator over [lo, hi) and what to call when done with it.
	iter(lo, hi []byte) (*pebble.Iterator, func(), error)
	// pin returns a source that does not move on while several reads that belong together are made.
	pin() (source, func(), error)
	noteCorrupt()
}

// viewSource reads a view that the caller holds. What it hands out holds the view too.
type viewSource struct{ v *view }

type viewValue struct {
	io.Closer
	v *view
}

func (c *viewValue) Close() error {
	err := c.Closer.Close()
	c.v.unref()
	return err
}

func (x viewSource) get(key []byte) ([]byte, io.Closer, error) {
	if !x.v.ref() {
		return nil, nil, ErrClosed
	}
	b, c, err := x.v.snap.Get(key)
	if err != nil {
		x.v.unref()
		return nil, nil, err
	}
	return b, &viewValue{c, x.v}, nil
}

func (x viewSource) iter(lo, hi []byte) (*pebble.Iterator, func(), error) {
	if !x.v.ref() {
		return nil, nil, ErrClosed
	}
	it, err := x.v.snap.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		x.v.unref()
		return nil, nil, err
	}
	return it, x.v.unref, nil
}

func (x viewSource) pin() (source, func(), error) {
	if !x.v.ref() {
		return nil, nil, ErrClosed
	}
	return x, x.v.unref, nil
}

func (x viewSource) noteCorrupt() { x.v.corrupt.Add(1) }

// liveSource reads the newest view; an iteration stays on the view it began with.
type liveSource struct{ s *Store }

func (l liveSource) get(key []byte) ([]byte, io.Closer, error) {
	src, done, err := l.pin()
	if err != nil {
		return nil, nil, err
	}
	defer done()
	return src.get(key)
}

func (l liveSource) iter(lo, hi []byte) (*pebble.Iterator, func(), error) {
	src, done, err := l.pin()
	if err != nil {
		return nil, nil, err
	}
	defer done()
	return src.iter(lo, hi)
}

func (l liveSource) pin() (source, func(), error) {
	v, err := l.s.acquire()
	if err != nil {
		return nil, nil, err
	}
	return viewSource{v}, v.unref, nil
}

func (l liveSource) noteCorrupt() { l.s.corrupt.Add(1) }

// Snapshot is the store at one revision. It must be closed, and not be read from then on.
type Snapshot struct {
	Reader
	v      *view
	closed atomic.Bool
}

// Snapshot returns the newest acknowledged state. Reads of a Snapshot of a closed Store return ErrClosed.
func (s *Store) Snapshot() *Snapshot {
	sn := &Snapshot{}
	sn.Reader = Reader{snapshotSource{sn}}
	v, err := s.acquire()
	if err != nil {
		sn.closed.Store(true)
		return sn
	}
	sn.v = v
	return sn
}

// Revision is the commit that the snapshot shows; zero if the Store was closed when it was taken.
func (sn *Snapshot) Revision() Revision {
	if sn.v == nil {
		return 0
	}
	return sn.v.head.rev
}

// Close lets the state go. Closing twice is harmless.
func (sn *Snapshot) Close() error {
	if !sn.closed.Swap(true) {
		sn.v.unref()
	}
	return nil
}

type snapshotSource struct{ sn *Snapshot }

func (x snapshotSource) view() (viewSource, error) {
	if x.sn.closed.Load() {
		return viewSource{}, ErrClosed
	}
	return viewSource{x.sn.v}, nil
}

func (x snapshotSource) get(key []byte) ([]byte, io.Closer, error) {
	v, err := x.view()
	if err != nil {
		return nil, nil, err
	}
	return v.get(key)
}

func (x snapshotSource) iter(lo, hi []byte) (*pebble.Iterator, func(), error) {
	v, err := x.view()
	if err != nil {
		return nil, nil, err
	}
	return v.iter(lo, hi)
}

func (x snapshotSource) pin() (source, func(), error) {
	v, err := x.view()
	if err != nil {
		return nil, nil, err
	}
	return v.pin()
}

func (x snapshotSource) noteCorrupt() { x.sn.v.corrupt.Add(1) }

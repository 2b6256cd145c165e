package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Store is an open database. All its methods are safe for concurrent use.
type Store struct {
	Reader
	dir   string
	opts  Options
	guard *guard
	db    *pebble.DB
	lock  *pebble.Lock
	fresh bool // the database is being made

	calls chan *call // unbuffered: who waits may still change his mind
	stop  chan struct{}
	loops sync.WaitGroup // commitLoop and tend
	close sync.Once

	maxBatch int // maxBatchBytes, but for tests

	current   atomic.Pointer[view] // nil once closed
	views     sync.WaitGroup       // views that are not closed yet
	lookups   *lookups
	coarse    atomic.Int64 // Unix nanoseconds, moved by tend
	wildcards atomic.Pointer[wildcardState]

	hooksMu sync.Mutex // guards changes of hooks
	hooks   atomic.Pointer[[]*hook]

	oldest struct { // the committer's: when the oldest commit of the log was made
		rev Revision
		at  time.Time
	}
	stats     counters
	corrupt   atomic.Uint64
	logBroken sync.Once
}

type wildcardState struct {
	n          int
	generation uint64
}

// Open opens the database in dir, and makes one if there is none. ErrLocked: another process, or another Store, has it
// open. ErrNewerFormat: a newer berth wrote it. All faults of the options are reported before the disk is touched.
func Open(dir string, opts Options) (*Store, error) {
	opts, err := opts.check()
	if err != nil {
		return nil, err
	}
	if err := mkdirDurable(vfs.Default, dir); err != nil {
		return nil, err
	}
	// One spelling for one directory: a process is kept from opening it twice by name only.
	if dir, err = filepath.Abs(dir); err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("store: find database directory: %w", err)
	}
	return openFS(vfs.Default, dir, opts)
}

// OpenFS is Open on another file system, for tests with crashes and failing disks.
func OpenFS(fs vfs.FS, dir string, opts Options) (*Store, error) {
	opts, err := opts.check()
	if err != nil {
		return nil, err
	}
	return openFS(fs, dir, opts)
}

func openFS(fs vfs.FS, dir string, opts Options) (*Store, error) {
	s := &Store{
		dir: dir, opts: opts, guard: newGuard(fs, opts), lookups: newLookups(), maxBatch: maxBatchBytes,
		calls: make(chan *call), stop: make(chan struct{}),
	}
	s.Reader = Reader{liveSource{s}}
	s.setHooks(nil)
	s.coarse.Store(time.Now().UnixNano())
	if err := s.openPebble(); err != nil {
		return nil, err
	}
	// From here on the disk may fail without taking the process along.
	s.guard.phase.Store(phaseRunning)
	h, err := s.prepare()
	if err != nil {
		return nil, errors.Join(err, s.closePebble())
	}
	s.publish(h)
	s.loops.Go(s.commitLoop)
	s.loops.Go(s.tend)
	return s, nil
}

// openPebble takes the lock, clears away what a first start left that never came to its end, and opens.
func (s *Store) openPebble() error {
	if err := mkdirDurable(s.guard, s.dir); err != nil {
		return err
	}
	lock, err := pebble.LockDirectory(s.dir, s.guard)
	if err != nil {
		return err // of guard.Lock
	}
	s.lock = lock
	fresh, err := s.clearUnfinished()
	if err == nil {
		err = newerPebble(s.guard, s.dir)
	}
	if err == nil {
		s.fresh = fresh
		err = s.openLocked()
	}
	if err != nil {
		return errors.Join(err, s.guard.releaseLock())
	}
	return nil
}

func (s *Store) openLocked() (err error) {
	defer func() {
		// Pebble panics on some damage that it meets while it opens.
		if p := recover(); p != nil {
			s.guard.seal(errors.New("open failed"))
			err = fmt.Errorf("store: open %s: %w", s.dir, panicked(p))
		}
	}()
	s.db, err = pebble.Open(s.dir, s.pebbleOptions())
	switch {
	case err == nil && s.guard.openFailed.Load() != nil:
		// A flush that Open began could not be recorded. Pebble meant to end the process there.
		return errors.Join(fmt.Errorf("store: open %s: %w", s.dir, *s.guard.openFailed.Load()), s.db.Close())
	case err == nil:
		return nil
	case errors.Is(err, pebble.ErrCorruption):
		return fmt.Errorf("%w: open %s: %w", ErrCorrupt, s.dir, err)
	default:
		return fmt.Errorf("store: open %s: %w", s.dir, err)
	}
}

// prepare checks, or on a new database writes, what must be there before anything else, and returns the state that the
// last commit left. It writes without the committer, which does not run yet, and takes no revision.
func (s *Store) prepare() (head, error) {
	if err := s.checkFormat(); err != nil {
		return head{}, err
	}
	b, c, err := s.db.Get(keyHead)
	if err != nil {
		return head{}, readError(keyHead, err)
	}
	defer c.Close()
	h, err := decodeHead(b)
	if err != nil {
		return head{}, corrupt(keyHead, err)
	}
	return h, nil
}

// Revision is that of the newest commit.
func (s *Store) Revision() Revision {
	v, err := s.acquire()
	if err != nil {
		return 0
	}
	defer v.unref()
	return v.head.rev
}

// Wildcards returns the number of wildcard routes and their generation, from memory, without a lock.
func (s *Store) Wildcards() (n int, generation uint64) {
	w := s.wildcards.Load()
	return w.n, w.generation
}

// Close waits for the group that is being committed and for the reads that are under way (Snapshots too: close them
// first), then closes the database. Updates that still wait get ErrClosed. After a disk error (ErrBroken) it gives the
// directory free without touching it, and returns that error.
func (s *Store) Close() error {
	err := ErrClosed
	s.close.Do(func() { err = s.shut() })
	return err
}

func (s *Store) shut() error {
	close(s.stop)
	s.loops.Wait()
	if v := s.current.Swap(nil); v != nil {
		v.unref()
	}
	s.lookups.sweep(func(*lookup) bool { return true })
	drained := make(chan struct{})
	go func() { s.views.Wait(); close(drained) }()
	t := time.NewTimer(closeWait)
	defer t.Stop()
	select {
	case <-drained:
	case <-s.guard.frozen: // Pebble stays open: reads that are under way do no harm
	case <-t.C:
		s.guard.seal(fmt.Errorf("store: close: snapshots or iterations still open after %v", closeWait))
	}
	return s.closePebble()
}

// closePebble closes the database, or, if some goroutine of Pebble's waits in the guard for ever, gives up the directory.
func (s *Store) closePebble() error {
	if !s.guard.phase.CompareAndSwap(phaseRunning, phaseClosing) {
		return errors.Join(fmt.Errorf("%w: %w", ErrBroken, s.guard.broken()), s.guard.releaseLock())
	}
	if err := errors.Join(s.db.Close(), s.lock.Close()); err != nil {
		return fmt.Errorf("store: close %s: %w", s.dir, err)
	}
	return nil
}

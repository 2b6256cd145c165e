package store

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/router/hostkey"
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
	loops sync.WaitGroup // commitLoop, tend, keepFilter, keepWarm
	close sync.Once

	maxBatch int // maxBatchBytes, but for tests

	current   atomic.Pointer[view] // nil once closed
	views     sync.WaitGroup       // views that are not closed yet
	lookups   *lookups
	filters   *filters
	warm      chan hostkey.Key // of tables that nobody has looked into
	coarse    atomic.Int64     // Unix nanoseconds, moved by tend
	wildcards atomic.Pointer[wildcardState]

	hooksMu sync.Mutex // guards changes of hooks
	hooks   atomic.Pointer[[]*hook]

	oldest struct { // the committer's: when the oldest commit of the log was made
		rev Revision
		at  time.Time
	}
	spare     spare // the committer's
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
//
// A disk that is full, or fails, makes it fail: ErrDiskFull, if it has no room for what Open must write.
func Open(dir string, opts Options) (*Store, error) {
	return OpenContext(context.Background(), dir, opts)
}

// OpenContext is Open, given up when ctx ends first: a long log to replay, or a disk that does not answer, may hold it up.
func OpenContext(ctx context.Context, dir string, opts Options) (*Store, error) {
	opts, err := opts.check()
	if err != nil {
		return nil, err
	}
	if err := mkdirDurable(vfs.Default, dir); err != nil {
		return nil, noRoom(err, dir)
	}
	// One spelling for one directory: a process is kept from opening it twice by name only.
	if dir, err = filepath.Abs(dir); err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("store: find database directory: %w", err)
	}
	return openFS(ctx, vfs.Default, dir, opts)
}

// OpenFS is Open on another file system, for tests with crashes and failing disks.
func OpenFS(fs vfs.FS, dir string, opts Options) (*Store, error) {
	opts, err := opts.check()
	if err != nil {
		return nil, err
	}
	return openFS(context.Background(), fs, dir, opts)
}

func openFS(ctx context.Context, fs vfs.FS, dir string, opts Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", dir, err)
	}
	s := &Store{
		dir: dir, opts: opts, guard: newGuard(fs, opts), lookups: newLookups(), filters: newFilters(), maxBatch: maxBatchBytes,
		warm: make(chan hostkey.Key, warmAhead), calls: make(chan *call), stop: make(chan struct{}),
	}
	s.Reader = Reader{liveSource{s}}
	s.setHooks(nil)
	s.coarse.Store(time.Now().UnixNano())
	if err := s.openPebble(ctx); err != nil {
		return nil, noRoom(err, dir)
	}
	h, err := s.prepare()
	if err != nil {
		return nil, noRoom(errors.Join(err, s.closePebble()), dir)
	}
	s.publish(h)
	s.loops.Go(s.commitLoop)
	s.loops.Go(s.tend)
	s.loops.Go(s.keepWarm)
	if s.opts.KeyFilterBytes > 0 {
		s.loops.Go(s.keepFilter)
		s.filters.ask()
	}
	return s, nil
}

// openPebble takes the lock, clears away what a first start left that never came to its end, and opens.
func (s *Store) openPebble(ctx context.Context) error {
	if err := mkdirDurable(s.guard, s.dir); err != nil {
		return err
	}
	lock, err := pebble.LockDirectory(s.dir, s.guard)
	if err != nil {
		return err // of guard.Lock
	}
	s.lock = lock
	err = s.roomToOpen()
	if err == nil {
		s.fresh, err = s.clearUnfinished()
	}
	if err == nil {
		err = newerPebble(s.guard, s.dir)
	}
	if err == nil {
		err = s.openLocked(ctx)
	}
	if err != nil {
		return errors.Join(err, s.guard.releaseLock())
	}
	return nil
}

// openLocked runs pebble.Open until it returns, the disk fails, or ctx ends. In the last two cases it is left behind (see
// guard): Pebble cannot be told to stop.
func (s *Store) openLocked(ctx context.Context) error {
	s.guard.phase.Store(phaseOpening)
	done := make(chan error, 1)
	var db *pebble.DB
	go func() {
		defer func() {
			// Pebble panics on some damage that it meets while it opens.
			if p := recover(); p != nil {
				done <- panicked(p)
			}
		}()
		var err error
		db, err = pebble.Open(s.dir, s.pebbleOptions())
		done <- err
	}()
	var err error
	select {
	case err = <-done:
		if err == nil && s.guard.phase.CompareAndSwap(phaseOpening, phaseRunning) {
			s.db = db // from here on the disk may fail without taking the store along
			return nil
		}
	case <-s.guard.frozen:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		err = s.guard.broken()
	}
	s.guard.seal(err) // something of Pebble's may still run, and the directory is about to be free
	s.removeTorn()
	if errors.Is(err, pebble.ErrCorruption) {
		return fmt.Errorf("%w: open %s: %w", ErrCorrupt, s.dir, err)
	}
	return fmt.Errorf("store: open %s: %w", s.dir, err)
}

// removeTorn removes the table that Open could not write: no manifest knows it, and each further start on a full disk
// would leave another one.
func (s *Store) removeTorn() {
	if name := s.guard.tornTable(); name != "" {
		if err := s.guard.FS.Remove(name); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			s.opts.Log.Warn("an unfinished table stays until the next start", "file", name, "err", err)
		}
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
	s.filters.pause() // a closed store answers for no host
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

package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guard stands between Pebble and the file system, and decides what a failing write means.
//
// Pebble treats a failed write to its log or its manifest as the end of the process: it calls Logger.Fatalf or panics,
// sometimes on its own goroutines, sometimes holding a mutex that Close needs. A server which must go on answering
// reads cannot have that. So while the store opens or runs, the first such failure freezes the guard: the failing call, and every
// later call that would change a file, never returns. To Pebble the disk has merely stopped answering: what it has in
// memory stays consistent, reads go on, nothing more reaches the disk, and the directory may be opened again by another
// Store or process. What is left behind is the goroutines that wait, until the process ends.
//
// Failures of table files are not fatal, Pebble tries again; but it does so at once, for ever, so they are slowed, and
// when none has succeeded for a while they count as fatal too. In Open they count at once: it waits for the flush of what
// the log holds, and on a full disk would neither come to an end nor heed anybody.
type guard struct {
	vfs.FS
	phase  atomic.Int32
	frozen chan struct{} // closed when the phase becomes phaseFrozen
	mu     sync.Mutex    // guards what follows
	cause  error
	torn   string // the table whose write froze the guard
	lock   io.Closer

	retry         time.Duration // how long a failed table write is held back
	tableGrace    time.Duration // how long table writes may go on failing
	tablesFailing atomic.Int64  // since when (Unix nanoseconds), 0 if they are not
	logSyncs      atomic.Uint64
	failures      atomic.Int64 // of background work, in phaseOpening
}

// In phasePreparing, before Pebble, and in phaseClosing errors pass through: Open and Close know what to do with them.
const (
	phasePreparing int32 = iota
	phaseOpening         // in pebble.Open
	phaseRunning
	phaseClosing
	phaseFrozen
)

func newGuard(fs vfs.FS, o Options) *guard {
	return &guard{FS: fs, frozen: make(chan struct{}), retry: o.tableRetry, tableGrace: o.tableGrace}
}

// freeze ends all writing, because of the file name, if any. It reports false if the store is not opening or running.
func (g *guard) freeze(name string, cause error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.phase.CompareAndSwap(phaseRunning, phaseFrozen) && !g.phase.CompareAndSwap(phaseOpening, phaseFrozen) {
		return g.phase.Load() == phaseFrozen
	}
	g.cause = cause
	if isTable(name) {
		g.torn = name
	}
	close(g.frozen)
	return true
}

func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// seal freezes whatever the phase, for a Store that is given up although goroutines of its Pebble may still run.
func (g *guard) seal(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.phase.Swap(phaseFrozen) != phaseFrozen {
		g.cause = cause
		close(g.frozen)
	}
}

// broken returns why the guard is frozen, nil if it is not.
func (g *guard) broken() error {
	if g.phase.Load() != phaseFrozen {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

func (g *guard) enter() {
	if g.phase.Load() == phaseFrozen {
		select {} // for ever: see guard
	}
}

// leave is called with the outcome of a call that changes the file name.
func (g *guard) leave(op, name string, err error) {
	if g.phase.Load() == phaseFrozen {
		select {}
	}
	phase := g.phase.Load()
	if err == nil || phase != phaseRunning && phase != phaseOpening {
		return
	}
	if phase == phaseRunning && isTable(name) && g.tableMayFail() {
		select {
		case <-time.After(g.retry):
		case <-g.frozen:
			select {}
		}
		return
	}
	if g.freeze(name, fmt.Errorf("%s %s: %w", op, name, err)) {
		select {}
	}
}

// tableMayFail reports whether a failed table write may be tried again. When none has succeeded for tableGrace, it may
// not: memtables fill up, and Updates would hang without a word.
func (g *guard) tableMayFail() bool {
	now := time.Now().UnixNano()
	since := g.tablesFailing.Load()
	if since == 0 {
		g.tablesFailing.CompareAndSwap(0, now)
		return true
	}
	return now-since < int64(g.tableGrace)
}

// tableWritten ends a streak of failures.
func (g *guard) tableWritten() { g.tablesFailing.Store(0) }

// tornTable names the table, if it was one, whose write froze the guard.
func (g *guard) tornTable() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.torn
}

// releaseLock gives the directory free after the guard was frozen; Pebble, which holds the lock, will not.
func (g *guard) releaseLock() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lock == nil {
		return nil
	}
	err := g.lock.Close()
	g.lock = nil
	return err
}

// Lock is the one place where another process is noticed.
func (g *guard) Lock(name string) (io.Closer, error) {
	l, err := g.FS.Lock(name)
	switch {
	case err == nil:
		g.mu.Lock()
		g.lock = l
		g.mu.Unlock()
		return l, nil
	case heldElsewhere(err):
		return nil, fmt.Errorf("%w: %s is held (%v): stop the other berth, or give this one another --data directory",
			ErrLocked, name, err)
	default:
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
}

// heldElsewhere tells a lock that somebody has (fcntl's EAGAIN or EACCES, bare; Pebble's own text within a process) from
// a lock file that cannot be opened.
func heldElsewhere(err error) bool {
	var atPath *os.PathError
	return errors.Is(err, syscall.EAGAIN) ||
		errors.Is(err, syscall.EACCES) && !errors.As(err, &atPath) ||
		strings.Contains(err.Error(), "lock held by current process")
}

func (g *guard) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := g.FS.Open(name, opts...)
	if err != nil || g.FS != vfs.Default || !isTable(name) {
		return f, err
	}
	return &tableFile{File: f, fd: f.Fd()}, nil
}

func (g *guard) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	g.enter()
	f, err := g.FS.Create(name, c)
	g.leave("create", name, err)
	return g.wrap(f, name, err)
}

func (g *guard) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	g.enter()
	f, err := g.FS.OpenReadWrite(name, c, opts...)
	g.leave("open", name, err)
	return g.wrap(f, name, err)
}

func (g *guard) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	g.enter()
	f, err := g.FS.ReuseForWrite(from, to, c)
	g.leave("reuse", to, err)
	return g.wrap(f, to, err)
}

func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	return g.wrap(f, name, err)
}

func (g *guard) Link(from, to string) error {
	g.enter()
	err := g.FS.Link(from, to)
	g.leave("link", to, err)
	return err
}

func (g *guard) Rename(from, to string) error {
	g.enter()
	err := g.FS.Rename(from, to)
	g.leave("rename", to, err)
	return err
}

// Remove may fail without harm: Pebble removes obsolete files only, and forgets about those that it could not.
func (g *guard) Remove(name string) error {
	g.enter()
	return g.FS.Remove(name)
}

func (g *guard) RemoveAll(name string) error {
	g.enter()
	return g.FS.RemoveAll(name)
}

func (g *guard) MkdirAll(dir string, perm os.FileMode) error {
	g.enter()
	return g.FS.MkdirAll(dir, perm)
}

func (g *guard) Unwrap() vfs.FS { return g.FS }

func (g *guard) wrap(f vfs.File, name string, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &guardedFile{File: f, g: g, name: name, log: strings.HasSuffix(name, ".log")}, nil
}

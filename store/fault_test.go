package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// badDisk fails its changes from the k-th on, for a number of times.
type badDisk struct {
	err   error
	from  int64
	times int64
	only  string // part of the path; "" for all
	full  bool   // removing goes well
	ops   atomic.Int64
}

func (b *badDisk) fs(disk vfs.FS) vfs.FS { return errorfs.Wrap(disk, errorfs.InjectorFunc(b.before)) }

func (b *badDisk) before(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || !strings.Contains(op.Path, b.only) {
		return nil
	}
	if b.full && op.Kind == errorfs.OpRemove {
		return nil
	}
	if n := b.ops.Add(1); n >= b.from && n-b.from < b.times {
		return fmt.Errorf("%s: %w", op.Path, b.err)
	}
	return nil
}

const forEver = 1 << 40

// TestDiskError fails every change of the disk in turn, once or for ever: Update says so or succeeds, reads go on, and
// what was acknowledged is there when the disk is well again.
func TestDiskError(t *testing.T) {
	total := failAt(t, &badDisk{err: syscall.EIO, from: forEver})
	step := int64(3 * sweepStride)
	if longCrash {
		step = 1
	}
	for k := int64(1); k <= total; k += step {
		failAt(t, &badDisk{err: syscall.EIO, from: k, times: 1})
		failAt(t, &badDisk{err: syscall.ENOSPC, from: k + step/2, times: forEver})
	}
	t.Logf("%d points", total)
}

func failAt(t *testing.T, b *badDisk) int64 {
	t.Helper()
	disk := vfs.NewMem()
	opts := crashOptions()
	opts.tableRetry, opts.tableGrace = time.Millisecond, 5*time.Millisecond
	w := &workload{}
	where := fmt.Sprintf("%v at change %d, %d times", b.err, b.from, b.times)
	if s, err := OpenFS(b.fs(disk), "/db", opts); err == nil {
		err := w.run(s, func() bool { return false })
		if err != nil && (!errors.Is(err, ErrBroken) || !errors.Is(err, b.err)) {
			t.Fatalf("%s: update: %v", where, err)
		}
		checkReads(t, s, w, where)
		if cerr := s.Close(); err != nil && !errors.Is(cerr, ErrBroken) {
			t.Fatalf("%s: close: %v", where, cerr)
		}
	} else if !errors.Is(err, b.err) {
		t.Fatalf("%s: open: %v", where, err)
	}
	again, err := OpenFS(disk, "/db", opts)
	if err != nil {
		t.Fatalf("%s: open again: %v", where, err)
	}
	if err := errors.Join(w.check(again), again.Close()); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	return b.ops.Load()
}

// checkReads sees to it that a store, broken or not, shows what it acknowledged and nothing else.
func checkReads(t *testing.T, s *Store, w *workload, where string) {
	t.Helper()
	rev := s.Revision()
	for _, x := range w.done {
		if err := x.check(s, x.rev <= rev && x.ack); err != nil {
			t.Fatalf("%s: reads: %v", where, err)
		}
	}
}

func TestBrokenStore(t *testing.T) {
	b := &badDisk{err: syscall.EIO, from: forEver, times: forEver, only: ".log"}
	disk := vfs.NewMem()
	s := openMem(t, b.fs(disk), Options{})
	update(t, s, setRoute(1))
	b.from = b.ops.Load() + 1
	told := false
	s.OnCommit(func(Commit) { told = true })
	_, err := s.Update(t.Context(), setRoute(2))
	if !errors.Is(err, ErrUncertain) || !errors.Is(err, ErrBroken) || !errors.Is(err, syscall.EIO) {
		t.Errorf("the update that met the error: %v", err)
	}
	_, err = s.Update(t.Context(), setRoute(3))
	if errors.Is(err, ErrUncertain) || !errors.Is(err, ErrBroken) || !errors.Is(err, syscall.EIO) {
		t.Errorf("the next update: %v", err)
	}
	if r, err := s.LookupRoute(testKey(1)); err != nil || r != testRoute(1) {
		t.Errorf("look-up: %+v, %v", r, err)
	}
	if _, err := s.LookupRoute(testKey(2)); !errors.Is(err, ErrNotFound) || told {
		t.Errorf("an update of uncertain outcome shows: %v, hook told: %v", err, told)
	}
	if err := s.Compact(t.Context()); !errors.Is(err, ErrBroken) {
		t.Errorf("compact: %v", err)
	}
	if _, err := s.Metrics(); !errors.Is(err, ErrBroken) {
		t.Errorf("metrics: %v", err)
	}
	if err := s.Close(); !errors.Is(err, ErrBroken) {
		t.Errorf("close: %v", err)
	}
	again := openMem(t, disk, Options{})
	if _, err := again.LookupRoute(testKey(1)); err != nil {
		t.Errorf("after reopening: %v", err)
	}
}

// TestManifestError: Pebble would end the process here, from a goroutine of its own.
func TestManifestError(t *testing.T) {
	b := &badDisk{err: syscall.EIO, from: forEver, times: forEver, only: "MANIFEST"}
	s := openMem(t, b.fs(vfs.NewMem()), Options{})
	update(t, s, setRoute(1))
	b.from = b.ops.Load() + 1
	if err := s.Compact(t.Context()); !errors.Is(err, ErrBroken) || !errors.Is(err, syscall.EIO) {
		t.Errorf("compact: %v", err)
	}
	if _, err := s.Update(t.Context(), setRoute(2)); !errors.Is(err, ErrBroken) {
		t.Errorf("update: %v", err)
	}
	if _, err := s.LookupRoute(testKey(1)); err != nil {
		t.Errorf("look-up: %v", err)
	}
	if err := s.Close(); !errors.Is(err, ErrBroken) {
		t.Errorf("close: %v", err)
	}
}

// TestTableErrors: tables may fail for a while; nobody notices.
func TestTableErrors(t *testing.T) {
	b := &badDisk{err: syscall.EIO, from: 1, times: 20, only: ".sst"}
	s := openMem(t, b.fs(vfs.NewMem()), Options{MemTableBytes: 64 << 10, tableRetry: time.Millisecond})
	for i := range 30 {
		update(t, s, func(tx *Tx) error {
			return tx.PutProject(Project{No: ProjectNo(i + 1), Account: 1, Name: fmt.Sprint(i), State: ProjectActive, Settings: make([]byte, 8<<10)})
		})
	}
	if err := s.Compact(context.Background()); err != nil {
		t.Error(err)
	}
	if b.ops.Load() < b.times {
		t.Errorf("only %d table operations: the test tests nothing", b.ops.Load())
	}
}

// TestDiskFull: refused before anything is tried, and over as soon as there is room.
func TestDiskFull(t *testing.T) {
	fs := &smallDisk{FS: vfs.NewMem()}
	fs.free.Store(1 << 30)
	s := openMem(t, fs, Options{})
	update(t, s, setRoute(1))
	fs.free.Store(1 << 20)
	if _, err := s.Update(t.Context(), setRoute(2)); !errors.Is(err, ErrDiskFull) || errors.Is(err, ErrBroken) {
		t.Errorf("got %v", err)
	}
	fs.free.Store(1 << 30)
	if rev := update(t, s, setRoute(2)); rev != 2 {
		t.Errorf("revision %d", rev)
	}
}

type smallDisk struct {
	vfs.FS
	free atomic.Uint64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load(), TotalBytes: 1 << 40}, nil
}

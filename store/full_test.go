package store

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// usedDisk holds a database whose last records are in the log only, so that Open has something to write.
func usedDisk(t *testing.T) vfs.FS {
	t.Helper()
	disk := vfs.NewMem()
	s := openMem(t, disk, Options{})
	update(t, s, setRoute(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// opened is what Open says; it must say something.
func opened(t *testing.T, open func() (*Store, error)) error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		s, err := open()
		if err == nil {
			err = errors.Join(errors.New("opened"), s.Close())
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("open does not return")
		return nil
	}
}

// TestOpenOnFailingDisk: Pebble tries a failed flush again at once and for ever, and waits for it in Open.
func TestOpenOnFailingDisk(t *testing.T) {
	for _, tt := range []struct {
		only string
		err  error
		full bool
	}{
		{only: ".sst", err: syscall.ENOSPC, full: true},
		{only: "MANIFEST", err: syscall.ENOSPC, full: true},
		{only: ".log", err: syscall.EDQUOT, full: true},
		{only: "", err: syscall.ENOSPC, full: true},
		{only: ".sst", err: syscall.EIO},
		{only: "MANIFEST", err: syscall.EIO},
	} {
		t.Run(tt.only+"/"+tt.err.Error(), func(t *testing.T) {
			disk := usedDisk(t)
			b := &badDisk{err: tt.err, from: 1, times: forEver, only: tt.only}
			err := opened(t, func() (*Store, error) { return OpenFS(b.fs(disk), "/db", Options{}) })
			if !errors.Is(err, tt.err) || errors.Is(err, ErrDiskFull) != tt.full {
				t.Errorf("got %v", err)
			}
			if n := b.ops.Load(); n > 10 {
				t.Errorf("%d tries", n)
			}
			again := openMem(t, disk, Options{})
			if _, err := again.LookupRoute(testKey(1)); err != nil {
				t.Errorf("when the disk is well again: %v", err)
			}
		})
	}
}

// TestOpenLeavesNoTornTable: each start on a full disk would otherwise leave another one and fill it further.
func TestOpenLeavesNoTornTable(t *testing.T) {
	disk := usedDisk(t)
	for from := int64(2); from < 4; from++ {
		b := &badDisk{err: syscall.ENOSPC, from: from, times: forEver, only: ".sst", full: true}
		if err := opened(t, func() (*Store, error) { return OpenFS(b.fs(disk), "/db", Options{}) }); !errors.Is(err, ErrDiskFull) {
			t.Fatalf("at change %d: %v", from, err)
		}
	}
	names, err := disk.List("/db")
	if err != nil {
		t.Fatal(err)
	}
	tables := 0
	for _, n := range names {
		if strings.HasSuffix(n, ".sst") {
			tables++
		}
	}
	if tables > 0 {
		t.Errorf("%d tables in %q", tables, names)
	}
}

func TestOpenOnFullDisk(t *testing.T) {
	fs := &smallDisk{FS: usedDisk(t)}
	fs.free.Store(minOpenBytes - 1)
	err := opened(t, func() (*Store, error) { return OpenFS(fs, "/db", Options{}) })
	if !errors.Is(err, ErrDiskFull) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"/db", "2097151 bytes", "2097152 bytes", "make room"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	fs.free.Store(minOpenBytes)
	s := openMem(t, fs, Options{}) // to read
	if _, err := s.LookupRoute(testKey(1)); err != nil {
		t.Error(err)
	}
}

// hangingTables is a disk that does not answer when a table is made.
type hangingTables struct {
	vfs.FS
	reached chan struct{}
	release chan struct{}
}

func (h *hangingTables) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") {
		close(h.reached)
		<-h.release
	}
	return h.FS.Create(name, c)
}

func TestOpenEndsWithContext(t *testing.T) {
	h := &hangingTables{FS: usedDisk(t), reached: make(chan struct{}), release: make(chan struct{})}
	defer close(h.release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-h.reached; cancel() }()
	opts, err := Options{}.check()
	if err != nil {
		t.Fatal(err)
	}
	err = opened(t, func() (*Store, error) { return openFS(ctx, h, "/db", opts) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := opened(t, func() (*Store, error) { return openFS(ctx, h, "/db", opts) }); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// TestUpdateFreeing: what makes room may use the reserve, down to a floor.
func TestUpdateFreeing(t *testing.T) {
	fs := &smallDisk{FS: vfs.NewMem()}
	fs.free.Store(1 << 30)
	s := openMem(t, fs, Options{})
	for i := range 3 {
		update(t, s, setRoute(i))
	}
	drop := func(i int) func(*Tx) error { return func(tx *Tx) error { return tx.DeleteRoute(testKey(i)) } }
	for _, tt := range []struct {
		free            uint64
		normal, freeing error
		deleted         int
	}{
		{free: defaultMinFreeBytes, deleted: 0},
		{free: defaultMinFreeBytes - 1, normal: ErrDiskFull, deleted: 1},
		{free: defaultMinFreeBytes / freeingShare, normal: ErrDiskFull, deleted: 2},
		{free: defaultMinFreeBytes/freeingShare - 1, normal: ErrDiskFull, freeing: ErrDiskFull, deleted: 3},
	} {
		fs.free.Store(tt.free)
		if _, err := s.Update(t.Context(), setRoute(9)); !errors.Is(err, tt.normal) {
			t.Errorf("%d bytes free: update: %v", tt.free, err)
		}
		if _, err := s.UpdateFreeing(t.Context(), drop(tt.deleted)); !errors.Is(err, tt.freeing) {
			t.Errorf("%d bytes free: freeing update: %v", tt.free, err)
		}
		if _, err := s.LookupRoute(testKey(tt.deleted)); tt.freeing == nil && !errors.Is(err, ErrNotFound) {
			t.Errorf("%d bytes free: not deleted: %v", tt.free, err)
		}
	}
}

// TestUpdateFreeingInMixedGroup: both kinds wait while a group is being synced, and then share the next one.
func TestUpdateFreeingInMixedGroup(t *testing.T) {
	held := &heldSync{FS: vfs.NewMem()}
	fs := &smallDisk{FS: held}
	fs.free.Store(1 << 30)
	s := openMem(t, fs, Options{})
	update(t, s, setRoute(0))
	release := held.hold()
	first := make(chan error, 1)
	go func() { _, err := s.Update(t.Context(), setRoute(1)); first <- err }()
	<-held.reached
	fs.free.Store(defaultMinFreeBytes / 2)
	const each = 8
	normal, freeing := make(chan error, each), make(chan error, each)
	for i := range each {
		go func() { _, err := s.Update(t.Context(), setRoute(10+i)); normal <- err }()
		go func() {
			_, err := s.UpdateFreeing(t.Context(), func(tx *Tx) error { return tx.SetRoute(testKey(20+i), testRoute(1)) })
			freeing <- err
		}()
	}
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	for range each {
		if err := <-normal; !errors.Is(err, ErrDiskFull) {
			t.Errorf("update: %v", err)
		}
		if err := <-freeing; err != nil {
			t.Errorf("freeing update: %v", err)
		}
	}
	if rev := s.Revision(); rev != 2+each {
		t.Errorf("revision %d", rev)
	}
}

// TestUpdateFreeingIsBounded: one that writes much is none.
func TestUpdateFreeingIsBounded(t *testing.T) {
	fs := &smallDisk{FS: vfs.NewMem()}
	fs.free.Store(defaultMinFreeBytes / 2)
	s := openMem(t, fs, Options{})
	put := func(tx *Tx) error {
		return tx.PutProject(Project{No: 1, Account: 1, Name: "p", State: ProjectActive, Settings: make([]byte, 5<<20)})
	}
	if _, err := s.UpdateFreeing(t.Context(), put); !errors.Is(err, ErrTooLarge) {
		t.Errorf("below the reserve: %v", err)
	}
	fs.free.Store(1 << 30)
	if _, err := s.UpdateFreeing(t.Context(), put); err != nil {
		t.Errorf("with room: %v", err)
	}
}

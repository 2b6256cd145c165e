// Package blob keeps bytes by the BLAKE3 of their content, durably.
//
// Dir is a directory on disk, Mem its twin in memory. Bytes go in through a Batch, which makes many blobs durable
// together, and come out through Open or ReadAll. A blob never changes: its name says what it holds, so storing the same
// bytes twice is storing them once.
//
// # What is promised
//
// When Commit returns nil, every blob of the batch survives loss of power. Until then nobody can see one of them: not
// through Open, Stat, Touch, Pin or All, and not through another batch that stores the same bytes, which waits for the
// outcome instead of taking a renamed file for a durable one. When Commit fails, nothing of the batch becomes visible.
//
// A file is synced before it gets its name, or its bytes are durable in a parcel, from which OpenDir mends it. So a name never
// stands for half a blob, whatever happens. A blob that was never acknowledged may be found after a crash: it is whole, and
// unreferenced, and the sweep takes it.
//
// # How blobs stay
//
// Remove is for a sweep that has found a blob unreferenced. It refuses what is pinned and what was touched since the
// time it is given, so two things keep a blob between storing it and committing the record that names it: its grace
// (commits, Touch and Pin restart it), which is enough by itself if it is hours long, and a pin, which lasts as long as
// the caller and the process want. A batch has its blobs pinned until Commit or Abort; CommitPinned hands its pins over.
package blob

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"berth/assets/manifest"
)

var (
	ErrNotFound = errors.New("blob: not found")
	ErrCorrupt  = errors.New("blob: stored bytes do not match their name")
	ErrInUse    = errors.New("blob: pinned or too young to be removed")

	// ErrClosed answers every use of a closed Dir.
	ErrClosed = errors.New("blob: directory is closed")
	// ErrLocked answers OpenDir while another Dir, here or in another process, has the directory open.
	ErrLocked = errors.New("blob: directory is in use by another process")
	// ErrDone answers a use of a Batch after Commit or Abort, or of a Writer after Finish or Abort.
	ErrDone = errors.New("blob: batch or writer has ended")
)

// TooLargeError answers a Write that makes a blob larger than Options.MaxBlobBytes.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("blob: larger than the limit of %d bytes", e.Limit)
}

// TouchSlack is how much older than the last Touch a blob's Touched may be: a touch within this time of the one before
// is not written down, because three requests of one deployment touch the same thousands of files. The touchedBefore of
// Remove should lie at least that far in the past.
const TouchSlack = time.Minute

// Info describes a stored blob. Touched is when it was last stored or touched, give or take TouchSlack.
type Info struct {
	Digest  manifest.Digest
	Size    int64
	Touched time.Time
}

// File is an open blob. It stays readable after the blob was removed or replaced. One that a Dir on disk opened also has
// the method OSFile() *os.File, for those who can make use of sendfile.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Options of a Dir or a Mem. The zero value works.
type Options struct {
	// MaxBlobBytes bounds one blob; 0 means 1 GiB.
	MaxBlobBytes int64
	// SyncWorkers is how many files are synced at a time, over all batches; 0 means 64. The file system's journal writes
	// down all that wait for it at once, so more of them means fewer flushes of the disk. It also bounds the open files.
	SyncWorkers int
	// Now is the clock that Touched is read from; nil means time.Now.
	Now func() time.Time
}

func (o Options) check() error {
	var errs []error
	if o.MaxBlobBytes < 0 {
		errs = append(errs, fmt.Errorf("MaxBlobBytes is %d: give a size, or 0 for 1 GiB", o.MaxBlobBytes))
	}
	if o.SyncWorkers < 0 || o.SyncWorkers > maxSyncWorkers {
		errs = append(errs, fmt.Errorf("SyncWorkers is %d: give 1 to %d, or 0 for %d", o.SyncWorkers, maxSyncWorkers, defaultSyncWorkers))
	}
	return errors.Join(errs...)
}

const (
	defaultMaxBlob     = 1 << 30
	defaultSyncWorkers = 64
	maxSyncWorkers     = 4096
)

// withDefaults fills in what is zero, or was not checked and makes no sense.
func (o Options) withDefaults() Options {
	if o.MaxBlobBytes <= 0 {
		o.MaxBlobBytes = defaultMaxBlob
	}
	if o.SyncWorkers <= 0 || o.SyncWorkers > maxSyncWorkers {
		o.SyncWorkers = defaultSyncWorkers
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// label is how an error names a blob.
func label(g manifest.Digest) string { return hex.EncodeToString(g[:]) }

package blob

import (
	"io"
	"io/fs"
	"iter"
	"time"
)

// filesystem is all that a Dir asks of the system below it. It is a seam: the tests fail its n-th operation, and take
// the power away after it. Names are relative to the directory, with slashes; "" is the directory itself.
//
// Errors wrap what the system said (fs.ErrNotExist, syscall.ENOSPC, …). An operation that fails may have happened.
type filesystem interface {
	// mkdir makes a directory; one that exists is no error. For "" it makes the parents too, durably.
	mkdir(name string) error
	// create makes a new file; one that exists is an error.
	create(name string) (tempFile, error)
	open(name string) (readFile, fileInfo, error)
	stat(name string) (fileInfo, error) // does not follow links
	rename(from, to string) error
	remove(name string) error
	setTime(name string, t time.Time) error
	// syncDir makes the entries of a directory durable: those made, replaced and removed.
	syncDir(name string) error
	// syncAll makes everything durable that was done so far, and fails if any of it cannot be made so: errors.ErrUnsupported
	// if that cannot be had here, which syncsAll tells.
	syncAll() error
	syncsAll() bool
	// list yields the entries of a directory in no order, in bounded memory.
	list(name string) iter.Seq2[dirEntry, error]
}

type tempFile interface {
	io.Writer
	Sync() error
	Close() error
}

type readFile interface {
	io.ReaderAt
	io.Closer
}

type fileInfo struct {
	size    int64
	mtime   time.Time
	regular bool
}

type dirEntry struct {
	name string
	mode fs.FileMode // type bits
}

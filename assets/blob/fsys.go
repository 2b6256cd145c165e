package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
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

// Only the server reads blobs, and a site may be private: nobody else gets to look.
const (
	fileMode = 0o600
	dirMode  = 0o700
)

// listChunk is how many entries of a directory are in memory at a time.
const listChunk = 512

// osFS is the disk.
type osFS struct{ root string }

func (o osFS) path(name string) string { return filepath.Join(o.root, filepath.FromSlash(name)) }

func (o osFS) mkdir(name string) error {
	if name == "" {
		return mkdirDurably(o.root)
	}
	return mkdirHere(o.path(name))
}

// mkdirDurably makes path and its missing parents. The entry of path is synced even if it was there: the process that
// made it may have died before doing so.
func mkdirDurably(path string) error {
	err := mkdirHere(path)
	parent := filepath.Dir(path)
	if errors.Is(err, fs.ErrNotExist) && parent != path {
		if err = mkdirDurably(parent); err == nil {
			err = mkdirHere(path)
		}
	}
	if err != nil {
		return err
	}
	// A parent that we may not even read is one that we did not make anything in.
	if err := syncPath(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

func mkdirHere(path string) error {
	err := os.Mkdir(path, dirMode)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	fi, err := os.Stat(path)
	if err == nil && !fi.IsDir() {
		err = fmt.Errorf("%s is in the way: it is not a directory", path)
	}
	return err
}

func (o osFS) create(name string) (tempFile, error) {
	f, err := os.OpenFile(o.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (o osFS) open(name string) (readFile, fileInfo, error) {
	f, err := os.Open(o.path(name))
	if err != nil {
		return nil, fileInfo{}, err
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, fileInfo{}, errors.Join(err, f.Close())
	}
	return f, infoOf(fi), nil
}

func (o osFS) stat(name string) (fileInfo, error) {
	fi, err := os.Lstat(o.path(name))
	if err != nil {
		return fileInfo{}, err
	}
	return infoOf(fi), nil
}

func infoOf(fi fs.FileInfo) fileInfo {
	return fileInfo{size: fi.Size(), mtime: fi.ModTime(), regular: fi.Mode().IsRegular()}
}

func (o osFS) rename(from, to string) error { return os.Rename(o.path(from), o.path(to)) }
func (o osFS) remove(name string) error     { return os.Remove(o.path(name)) }
func (o osFS) syncDir(name string) error    { return syncPath(o.path(name)) }

func (o osFS) setTime(name string, t time.Time) error { return os.Chtimes(o.path(name), t, t) }

func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (o osFS) list(name string) iter.Seq2[dirEntry, error] {
	return func(yield func(dirEntry, error) bool) {
		f, err := os.Open(o.path(name))
		if err != nil {
			yield(dirEntry{}, err)
			return
		}
		defer f.Close() // read only: nothing to lose
		for {
			entries, err := f.ReadDir(listChunk)
			for _, e := range entries {
				if !yield(dirEntry{name: e.Name(), mode: e.Type()}, nil) {
					return
				}
			}
			if err != nil {
				if err != io.EOF {
					yield(dirEntry{}, err)
				}
				return
			}
		}
	}
}

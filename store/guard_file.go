package store

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tableFile is a table that is read. Most of what a server reads is in the kernel's memory, from where a block comes in a microsecond. A
// read that Go's scheduler is told of takes half as long again, and now and then has its processor given to somebody else meanwhile: to a
// compaction, say, for milliseconds. So the kernel is asked for what it has; only what has to come from the disk is read as usual.
type tableFile struct {
	vfs.File
	fd     uintptr
	closed atomic.Bool // then fd may be another file's; Pebble closes none that it reads
}

// blockMost is the largest read that is worth it: a longer one should not keep its processor from others.
const blockMost = 32 << 10

func (f *tableFile) ReadAt(p []byte, off int64) (int, error) {
	if len(p) <= blockMost && !f.closed.Load() && readCached(f.fd, p, off) == len(p) {
		return len(p), nil
	}
	return f.File.ReadAt(p, off)
}

func (f *tableFile) Close() error {
	f.closed.Store(true)
	return f.File.Close()
}

// guardedFile is an open file that Pebble may write to.
type guardedFile struct {
	vfs.File
	g    *guard
	name string
	log  bool
}

func (f *guardedFile) Write(p []byte) (int, error) {
	f.g.enter()
	n, err := f.File.Write(p)
	f.g.leave("write", f.name, err)
	return n, err
}

func (f *guardedFile) WriteAt(p []byte, off int64) (int, error) {
	f.g.enter()
	n, err := f.File.WriteAt(p, off)
	f.g.leave("write", f.name, err)
	return n, err
}

func (f *guardedFile) Sync() error {
	f.g.enter()
	f.countSync()
	err := f.File.Sync()
	f.g.leave("sync", f.name, err)
	return err
}

func (f *guardedFile) SyncData() error {
	f.g.enter()
	f.countSync()
	err := f.File.SyncData()
	f.g.leave("sync", f.name, err)
	return err
}

func (f *guardedFile) SyncTo(n int64) (bool, error) {
	f.g.enter()
	full, err := f.File.SyncTo(n)
	f.g.leave("sync", f.name, err)
	return full, err
}

// Stat can fail a rotation of the log, which Pebble does not survive.
func (f *guardedFile) Stat() (vfs.FileInfo, error) {
	fi, err := f.File.Stat()
	f.g.leave("stat", f.name, err)
	return fi, err
}

func (f *guardedFile) Close() error {
	err := f.File.Close()
	f.g.leave("close", f.name, err)
	return err
}

func (f *guardedFile) countSync() {
	if f.log {
		f.g.logSyncs.Add(1)
	}
}

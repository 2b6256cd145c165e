package store

import "github.com/cockroachdb/pebble/v2/vfs"

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

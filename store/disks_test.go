package store

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// slowLog is a disk on which syncing the log takes a while, and which counts.
type slowLog struct {
	vfs.FS
	syncs atomic.Int64
	took  time.Duration
}

type slowLogFile struct {
	vfs.File
	fs *slowLog
}

func (fs *slowLog) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &slowLogFile{f, fs}, nil
}

func (f *slowLogFile) slow() {
	f.fs.syncs.Add(1)
	time.Sleep(f.fs.took) // what the disk takes; nothing waits for it to be over
}

func (f *slowLogFile) Sync() error     { f.slow(); return f.File.Sync() }
func (f *slowLogFile) SyncData() error { f.slow(); return f.File.SyncData() }

// heldSync is a disk whose next log sync waits to be let go.
type heldSync struct {
	vfs.FS
	mu      sync.Mutex // guards gate
	gate    chan struct{}
	reached chan struct{}
}

func (fs *heldSync) hold() (release func()) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	gate := make(chan struct{})
	fs.gate, fs.reached = gate, make(chan struct{})
	return func() { close(gate) }
}

func (fs *heldSync) pass() {
	fs.mu.Lock()
	gate := fs.gate
	fs.gate = nil
	fs.mu.Unlock()
	if gate != nil {
		close(fs.reached)
		<-gate
	}
}

func (fs *heldSync) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &heldSyncFile{f, fs}, nil
}

type heldSyncFile struct {
	vfs.File
	fs *heldSync
}

func (f *heldSyncFile) Sync() error     { f.fs.pass(); return f.File.Sync() }
func (f *heldSyncFile) SyncData() error { f.fs.pass(); return f.File.SyncData() }

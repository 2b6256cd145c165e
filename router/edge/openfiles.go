package edge

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store/cache"
)

// openFile is an open blob that several answers share. It is closed when nobody holds it any more.
type openFile struct {
	blob.File
	fd   int // -1: it is no file of the system's
	size int64
	seen atomic.Int64 // when all of it was found in the kernel's memory, Unix nanoseconds
	refs atomic.Int64
	all  *openFiles
}

// openNow opens a blob that no cache holds yet; its only hold is the caller's.
func (f *openFiles) openNow(g manifest.Digest, size int64) (*openFile, error) {
	b, err := f.blobs.Open(g, size)
	if err != nil {
		return nil, err
	}
	o := &openFile{File: b, fd: -1, size: size, all: f}
	if sys, ok := b.(interface{ OSFile() *os.File }); ok {
		if raw, err := sys.OSFile().SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { o.fd = int(fd) }) // good until Close, which comes after the last unref
		}
	}
	o.refs.Store(1)
	f.open.Add(1)
	return o, nil
}

const (
	// What was in the kernel's memory is taken to be there still for so long: to ask costs as much as sending 16 KiB does.
	seenFor = 100 * time.Millisecond
	// seenMost is the largest file that is asked about as a whole.
	seenMost = 16 << 20
)

// cached reports that n bytes from off on are in the kernel's memory, or were a moment ago.
func (o *openFile) cached(off int64, n int) bool {
	if o.size > seenMost {
		return rawCached(o.fd, off, int64(n))
	}
	now := time.Now().UnixNano()
	if now-o.seen.Load() < int64(seenFor) {
		return true
	}
	if !rawCached(o.fd, 0, o.size) {
		return false
	}
	o.seen.Store(now)
	return true
}

// ref reports false if the file is closed already.
func (o *openFile) ref() bool {
	for {
		n := o.refs.Load()
		if n == 0 {
			return false
		}
		if o.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// unref ends a hold. A file that was only read has nothing to tell when it is closed.
func (o *openFile) unref() {
	if o.refs.Add(-1) == 0 {
		_ = o.Close()
		o.all.open.Add(-1)
	}
}

// openFiles keeps files open that are asked for, so that each answer is spared to open one: a bounded number of them, and none for
// longer than openFileAge, because an open file keeps its place on the disk after it was swept away, and its bytes after it was
// restored.
type openFiles struct {
	blobs Blobs
	cache *cache.Cache[fileKey, *openFile]
	open  atomic.Int64 // files that are open, in the cache or out of it
}

// fileKey has the size in it because it is a claim until the file has been opened.
type fileKey struct {
	blob manifest.Digest
	size int64
}

const openFileAge = time.Minute

func newOpenFiles(blobs Blobs, max int) (*openFiles, error) {
	c, err := cache.New(cache.Options[fileKey, *openFile]{
		Hash:     func(k fileKey) uint64 { return binary.LittleEndian.Uint64(k.blob[:]) },
		Capacity: int64(max),
		Released: (*openFile).unref,
		Inline:   true, // opening is short, and who opens stays for it
	})
	if err != nil {
		return nil, fmt.Errorf("cache of open files: %w", err)
	}
	return &openFiles{blobs: blobs, cache: c}, nil
}

// get returns an open blob that the caller must unref.
func (f *openFiles) get(ctx context.Context, g manifest.Digest, size int64) (*openFile, error) {
	if o, ok := f.cache.Get(fileKey{g, size}); ok && o.ref() {
		return o, nil
	}
	return f.load(ctx, g, size)
}

// load is apart from get so that its closure costs a hit nothing.
func (f *openFiles) load(ctx context.Context, g manifest.Digest, size int64) (*openFile, error) {
	o, err := f.cache.Load(ctx, fileKey{g, size}, func(context.Context) (*openFile, error) { return f.openNow(g, size) })
	if err == nil && !o.ref() { // it left the cache before we had it
		o, err = f.openNow(g, size)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %v: %w", g, err)
	}
	return o, nil
}

// drop has a file opened anew.
func (f *openFiles) drop(g manifest.Digest, size int64) { f.cache.Drop(fileKey{g, size}) }

// tend closes what has been open for long, until ctx ends, and then everything.
func (f *openFiles) tend(ctx context.Context) {
	t := time.NewTicker(openFileAge)
	defer t.Stop()
	defer f.cache.DropAll()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			f.cache.DropAll()
		}
	}
}

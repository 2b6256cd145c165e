package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"sync"
	"time"
)

// Mem is a Dir whose file system is in memory: the same code over a map, so that it cannot drift from what it stands in
// for. Where a *Dir is asked for, give it &m.Dir. It forgets everything when it is dropped.
type Mem struct{ Dir }

// NewMem makes an empty Mem. Options that OpenDir would refuse are replaced by the defaults.
func NewMem(opts Options) *Mem {
	m := new(Mem)
	if err := m.Dir.init(newMemFS(), opts); err != nil {
		panic(fmt.Sprintf("blob: the file system in memory failed: %v", err)) // it has no way to
	}
	return m
}

// memFS is a file system of one level of directories.
type memFS struct {
	mu   sync.RWMutex // guards everything, the content of files being written included
	dirs map[string]map[string]*memFile
}

type memFile struct {
	data  []byte // grows until it is closed, then never changes
	mtime time.Time
}

func newMemFS() *memFS {
	return &memFS{dirs: map[string]map[string]*memFile{}}
}

// at finds the directory of a name and the name's last element.
func (m *memFS) at(op, name string) (map[string]*memFile, string, error) {
	dir, base := path.Split(name)
	entries, ok := m.dirs[path.Clean("/" + dir)[1:]]
	if !ok {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return entries, base, nil
}

func (m *memFS) find(op, name string) (*memFile, error) {
	entries, base, err := m.at(op, name)
	if err != nil {
		return nil, err
	}
	f, ok := entries[base]
	if !ok {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return f, nil
}

func (f *memFile) info() fileInfo {
	return fileInfo{size: int64(len(f.data)), mtime: f.mtime, regular: true}
}

func (m *memFS) mkdir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[name] == nil {
		m.dirs[name] = map[string]*memFile{}
	}
	return nil
}

func (m *memFS) create(name string) (tempFile, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entries, base, err := m.at("create", name)
	if err != nil {
		return nil, err
	}
	if entries[base] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	f := new(memFile)
	entries[base] = f
	return memTemp{m, f}, nil
}

type memTemp struct {
	fs *memFS
	f  *memFile
}

func (t memTemp) Write(p []byte) (int, error) {
	t.fs.mu.Lock()
	defer t.fs.mu.Unlock()
	t.f.data = append(t.f.data, p...)
	return len(p), nil
}

func (t memTemp) Sync() error  { return nil }
func (t memTemp) Close() error { return nil }

type memOpen struct{ *bytes.Reader }

func (memOpen) Close() error { return nil }

func (m *memFS) open(name string) (readFile, fileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	f, err := m.find("open", name)
	if err != nil {
		return nil, fileInfo{}, err
	}
	return memOpen{bytes.NewReader(f.data)}, f.info(), nil
}

func (m *memFS) stat(name string) (fileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	f, err := m.find("stat", name)
	if err != nil {
		return fileInfo{}, err
	}
	return f.info(), nil
}

func (m *memFS) rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	src, srcBase, err := m.at("rename", from)
	if err != nil {
		return err
	}
	f, err := m.find("rename", from)
	if err != nil {
		return err
	}
	dst, dstBase, err := m.at("rename", to)
	if err != nil {
		return err
	}
	delete(src, srcBase)
	dst[dstBase] = f
	return nil
}

func (m *memFS) remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.find("remove", name); err != nil {
		return err
	}
	entries, base, err := m.at("remove", name)
	delete(entries, base)
	return err
}

func (m *memFS) setTime(name string, t time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.find("chtimes", name)
	if err != nil {
		return err
	}
	f.mtime = t
	return nil
}

func (m *memFS) syncDir(string) error { return nil }

// In memory nothing is synced, so that a parcel would save nothing.
func (m *memFS) syncAll() error { return errors.ErrUnsupported }
func (m *memFS) syncsAll() bool { return false }

func (m *memFS) list(name string) iter.Seq2[dirEntry, error] {
	m.mu.RLock()
	names := slices.Collect(maps.Keys(m.dirs[name]))
	m.mu.RUnlock()
	return func(yield func(dirEntry, error) bool) {
		for _, n := range names {
			if !yield(dirEntry{name: n}, nil) {
				return
			}
		}
	}
}

package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Only the server reads blobs, and a site may be private: nobody else gets to look.
const (
	fileMode = 0o600
	dirMode  = 0o700
)

// listChunk is how many entries of a directory are in memory at a time.
const listChunk = 512

// osFS is the disk. Names are looked up from the open directory: of a deployment's many small files, the system would otherwise spend
// more on the way to each than on the file. For the same reason what is written, or read once, goes without os.File, which is made
// for files that live longer.
type osFS struct {
	root string
	dir  *os.File // never closed but with o itself: another file would come under its number, and a late look-up into that
	wide bool     // syncAll can be had
}

// openOS opens the directory, which exists.
func openOS(root string) (*osFS, error) {
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	return &osFS{root: root, dir: dir, wide: syncsReliably(dir)}, nil
}

func (o *osFS) path(name string) string { return filepath.Join(o.root, filepath.FromSlash(name)) }

// at runs a call on a name below the directory until no signal interrupts it.
func (o *osFS) at(op, name string, call func(dir int) error) error {
	for {
		err := call(int(o.dir.Fd()))
		runtime.KeepAlive(o.dir)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return &fs.PathError{Op: op, Path: o.path(name), Err: err}
		}
		return nil
	}
}

func (o *osFS) mkdir(name string) error {
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

func (o *osFS) create(name string) (tempFile, error) {
	t := &osTemp{fs: o, name: name}
	err := o.at("create", name, func(dir int) (err error) {
		t.fd, err = unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, fileMode)
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// osTemp is a file that is being written.
type osTemp struct {
	fs   *osFS
	name string
	fd   int
}

func (t *osTemp) Write(p []byte) (written int, err error) {
	for written < len(p) && err == nil {
		err = t.fs.at("write", t.name, func(int) error {
			n, err := unix.Write(t.fd, p[written:])
			written += max(n, 0)
			if n == 0 && err == nil {
				err = io.ErrShortWrite
			}
			return err
		})
	}
	return written, err
}

func (t *osTemp) Sync() error {
	return t.fs.at("sync", t.name, func(int) error { return unix.Fsync(t.fd) })
}

func (t *osTemp) Close() error { return closeFile(t.fs, t.name, t.fd) }

func (o *osFS) open(name string) (readFile, fileInfo, error) {
	var fd int
	err := o.at("open", name, func(dir int) (err error) {
		fd, err = unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fileInfo{}, err
	}
	f := &osRead{fs: o, name: name, fd: fd}
	var st unix.Stat_t
	if err := o.at("stat", name, func(int) error { return unix.Fstat(fd, &st) }); err != nil {
		return nil, fileInfo{}, errors.Join(err, f.Close())
	}
	return f, infoOf(&st), nil
}

// osRead is a file that is read once, and closed by whoever opened it.
type osRead struct {
	fs   *osFS
	name string
	fd   int
}

func (r *osRead) ReadAt(p []byte, off int64) (read int, err error) {
	for read < len(p) && err == nil {
		err = r.fs.at("read", r.name, func(int) error {
			n, err := unix.Pread(r.fd, p[read:], off+int64(read))
			read += max(n, 0)
			if n == 0 && err == nil {
				return io.EOF
			}
			return err
		})
	}
	if errors.Is(err, io.EOF) {
		err = io.EOF // io.ReaderAt has it bare
	}
	return read, err
}

func (r *osRead) Close() error { return closeFile(r.fs, r.name, r.fd) }

// keep is the file for who has it open for long. It must not be used itself any more.
func (r *osRead) keep() *os.File { return os.NewFile(uintptr(r.fd), r.fs.path(r.name)) }

// closeFile is not tried again: on Linux an interrupted one has closed the file.
func closeFile(o *osFS, name string, fd int) error {
	if err := unix.Close(fd); err != nil && err != unix.EINTR {
		return &fs.PathError{Op: "close", Path: o.path(name), Err: err}
	}
	return nil
}

func (o *osFS) stat(name string) (fileInfo, error) {
	var st unix.Stat_t
	if err := o.at("lstat", name, func(dir int) error { return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return fileInfo{}, err
	}
	return infoOf(&st), nil
}

func infoOf(st *unix.Stat_t) fileInfo {
	return fileInfo{size: st.Size, mtime: time.Unix(st.Mtim.Unix()), regular: st.Mode&unix.S_IFMT == unix.S_IFREG}
}

func (o *osFS) rename(from, to string) error {
	return o.at("rename", from, func(dir int) error { return unix.Renameat(dir, from, dir, to) })
}

func (o *osFS) remove(name string) error {
	return o.at("remove", name, func(dir int) error { return unix.Unlinkat(dir, name, 0) })
}

func (o *osFS) setTime(name string, t time.Time) error {
	ts := []unix.Timespec{unix.NsecToTimespec(t.UnixNano()), unix.NsecToTimespec(t.UnixNano())}
	return o.at("chtimes", name, func(dir int) error { return unix.UtimesNanoAt(dir, name, ts, 0) })
}

func (o *osFS) syncDir(name string) error { return syncPath(o.path(name)) }

func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (o *osFS) syncsAll() bool { return o.wide }

func (o *osFS) syncAll() error {
	if !o.wide {
		return errors.ErrUnsupported
	}
	return o.at("syncfs", "", syncFileSystem)
}

func (o *osFS) list(name string) iter.Seq2[dirEntry, error] {
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

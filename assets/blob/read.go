package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"berth/assets/manifest"
)

// Open opens a blob for reading. If size is not negative and the stored size is another, the answer is ErrCorrupt.
func (d *Dir) Open(g manifest.Digest, size int64) (File, error) {
	f, n, err := d.openSound(g, size)
	if err != nil {
		return nil, err
	}
	if disk, ok := f.(*osRead); ok {
		return osFile{disk.keep(), n}, nil
	}
	return anyFile{f, n}, nil
}

// openSound opens a blob that is not known to be damaged, and is of the size.
func (d *Dir) openSound(g manifest.Digest, size int64) (readFile, int64, error) {
	// Asked before the file is opened: afterwards the mark may be gone and the file still the old one.
	damaged := d.damaged.has(g)
	f, n, err := d.open(g)
	if err == nil && damaged {
		err = errors.Join(ErrCorrupt, f.Close())
	}
	if err == nil && size >= 0 && n != size {
		err = errors.Join(fmt.Errorf("%w: %d bytes, want %d", ErrCorrupt, n, size), f.Close())
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open blob %s: %w", label(g), err)
	}
	return f, n, nil
}

// osFile is an open blob on disk. It does not embed the *os.File: a File has no position.
type osFile struct {
	f    *os.File
	size int64
}

func (o osFile) ReadAt(p []byte, off int64) (int, error) { return o.f.ReadAt(p, off) }
func (o osFile) Close() error                            { return o.f.Close() }
func (o osFile) Size() int64                             { return o.size }
func (o osFile) OSFile() *os.File                        { return o.f }

type anyFile struct {
	readFile
	size int64
}

func (a anyFile) Size() int64 { return a.size }

// open opens what is visible. See see for the order of its checks.
func (d *Dir) open(g manifest.Digest) (readFile, int64, error) {
	for {
		if d.closed.Load() {
			return nil, 0, ErrClosed
		}
		rollbacks := d.rollbacks.Load()
		f, fi, err := d.fs.open(fileName(g))
		if err != nil {
			return nil, 0, notFound(err)
		}
		switch {
		case d.veiled.has(g):
			return nil, 0, errors.Join(ErrNotFound, f.Close())
		case d.rollbacks.Load() != rollbacks:
			if err := f.Close(); err != nil {
				return nil, 0, err
			}
		case !fi.regular:
			return nil, 0, errors.Join(fmt.Errorf("%w: not a regular file", ErrCorrupt), f.Close())
		default:
			return f, fi.size, nil
		}
	}
}

// see is stat for what is visible, without a lock. A commit veils a blob before it renames its file, so who found a file
// and then no veil has found one that was committed, unless the veil was lifted by a failed commit in between.
func (d *Dir) see(g manifest.Digest) (fileInfo, error) {
	for {
		if d.closed.Load() {
			return fileInfo{}, ErrClosed
		}
		rollbacks := d.rollbacks.Load()
		fi, err := d.fs.stat(fileName(g))
		switch {
		case err != nil:
			return fileInfo{}, notFound(err)
		case d.veiled.has(g):
			return fileInfo{}, ErrNotFound
		case d.rollbacks.Load() != rollbacks:
			continue
		case !fi.regular:
			return fileInfo{}, fmt.Errorf("%w: not a regular file", ErrCorrupt)
		}
		return fi, nil
	}
}

// usable is see for those who want the blob's bytes. A damaged blob counts as missing, so that it is uploaded again.
func (d *Dir) usable(g manifest.Digest) (fileInfo, error) {
	damaged := d.damaged.has(g)
	fi, err := d.see(g)
	if err == nil && damaged {
		err = fmt.Errorf("%w until it is uploaded again (%w)", ErrNotFound, ErrCorrupt)
	}
	return fi, err
}

func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return err
}

// ReadAll returns the bytes of a blob. It checks the size as Open does, not the content.
func (d *Dir) ReadAll(g manifest.Digest, size int64) ([]byte, error) {
	f, size, err := d.openSound(g, size)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only: nothing to lose
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: %d bytes, want %d", ErrCorrupt, n, len(b))
		}
		return nil, fmt.Errorf("read blob %s: %w", label(g), err)
	}
	return b, nil
}

// Stat describes a blob. One that Verify found damaged is ErrNotFound, and ErrCorrupt too.
func (d *Dir) Stat(g manifest.Digest) (Info, error) {
	fi, err := d.usable(g)
	if err != nil {
		return Info{}, fmt.Errorf("stat blob %s: %w", label(g), err)
	}
	return Info{Digest: g, Size: fi.size, Touched: fi.mtime}, nil
}

// Verify reads a blob and recomputes its digest. If that is another, the answer is ErrCorrupt, and until its bytes are
// uploaded again the blob counts as missing for Stat, Touch, Pin and uploads, and Open refuses it.
func (d *Dir) Verify(g manifest.Digest) error {
	err := d.rehash(g)
	if errors.Is(err, ErrCorrupt) {
		err = d.condemn(g)
	}
	if err != nil {
		return fmt.Errorf("verify blob %s: %w", label(g), err)
	}
	return nil
}

// condemn looks again while nobody can replace the blob's file, and marks it as damaged if it still is: an upload may
// have healed it while it was read.
func (d *Dir) condemn(g manifest.Digest) error {
	done := make(chan struct{})
	defer close(done)
	d.claim(g, done)
	defer d.release(g)
	err := d.rehash(g)
	if errors.Is(err, ErrCorrupt) {
		d.damaged.add(g)
	}
	return err
}

func (d *Dir) rehash(g manifest.Digest) error {
	f, size, err := d.open(g)
	if err != nil {
		return err
	}
	defer f.Close() // read only: nothing to lose
	h := d.hashers.get()
	defer d.hashers.put(h)
	buf := d.buffers.get(maxBuffer)
	defer d.buffers.put(buf)
	n, err := io.CopyBuffer(h, onlyReader{io.NewSectionReader(f, 0, size)}, buf)
	if err != nil {
		return err
	}
	var got manifest.Digest
	h.Sum(got[:0])
	if got != g {
		return fmt.Errorf("%w: its %d bytes are %s", ErrCorrupt, n, label(got))
	}
	return nil
}

// onlyReader hides WriteTo, which would not use our buffer.
type onlyReader struct{ io.Reader }

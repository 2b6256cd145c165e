package blob

import (
	"errors"
	"fmt"
	"io"
	"time"

	"berth/assets/manifest"

	"github.com/zeebo/blake3"
)

// Writer takes the bytes of one blob of unknown length. It ends with Finish or Abort. An error is final: the Writer has
// let go of everything, and its blob is not part of the batch.
type Writer struct {
	batch *Batch
	buf   []byte // length: its size, one of three
	used  int    // bytes of buf that are neither hashed nor written yet
	size  int64
	hash  *blake3.Hasher // nil until something was hashed
	temp  temp
	err   error // what ended it
}

// temp is a file under a temporary name. The zero value is none.
type temp struct {
	name string
	file tempFile // nil once it is being synced
}

// Write takes bytes. More than Options.MaxBlobBytes in all is a *TooLargeError.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.admit(len(p)); err != nil {
		return 0, err
	}
	for rest := p; len(rest) > 0; {
		if w.temp.file != nil && w.used == 0 && len(rest) >= maxBuffer {
			if err := w.spill(rest); err != nil {
				return 0, err
			}
			break
		}
		if err := w.room(); err != nil {
			return len(p) - len(rest), err
		}
		n := copy(w.buf[w.used:], rest)
		w.used += n
		rest = rest[n:]
	}
	w.size += int64(len(p))
	return len(p), nil
}

// ReadFrom takes all that r has, without a buffer besides the Writer's own. An error of r does not end the Writer.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	var total int64
	for empty := 0; ; {
		if err := w.admit(0); err != nil {
			return total, err
		}
		if err := w.room(); err != nil {
			return total, err
		}
		n, err := r.Read(w.buf[w.used:])
		if err := w.admit(n); err != nil {
			return total, err
		}
		w.used += n
		w.size += int64(n)
		total += int64(n)
		if empty++; n > 0 {
			empty = 0
		}
		switch {
		case errors.Is(err, io.EOF):
			return total, nil
		case err == nil && empty >= 100:
			return total, io.ErrNoProgress
		case err != nil:
			return total, err
		}
	}
}

// admit checks that the Writer is alive and may take n more bytes.
func (w *Writer) admit(n int) error {
	if w.err != nil {
		return w.err
	}
	if limit := w.batch.dir.opts.MaxBlobBytes; int64(n) > limit-w.size {
		return w.fail(&TooLargeError{Limit: limit})
	}
	return nil
}

// room makes buf have room for a byte at least: by taking a larger one, or writing it out.
func (w *Writer) room() error {
	if w.used < len(w.buf) {
		return nil
	}
	pool := &w.batch.dir.buffers
	switch len(w.buf) {
	case 0:
		w.buf = pool.get(minBuffer)
	case maxBuffer:
		if err := w.spill(w.buf); err != nil {
			return err
		}
		w.used = 0
	default:
		larger := pool.get(len(w.buf) * bufferRatio)
		copy(larger, w.buf)
		pool.put(w.buf)
		w.buf = larger
	}
	return nil
}

// spill hashes and writes b to the temporary file, making that first if need be.
func (w *Writer) spill(b []byte) error {
	w.digest(b)
	return w.write(b)
}

func (w *Writer) digest(b []byte) {
	if w.hash == nil {
		w.hash = w.batch.dir.hashers.get()
	}
	w.hash.Write(b) // cannot fail
}

func (w *Writer) write(b []byte) error {
	d := w.batch.dir
	if w.temp.file == nil {
		name := d.tempName()
		f, err := d.fs.create(name)
		if err != nil {
			w.temp.name = name // it may be there in spite of the error
			return w.fail(err)
		}
		w.temp = temp{name: name, file: f}
	}
	n, err := w.temp.file.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.fail(err)
	}
	return nil
}

// Finish says that the bytes are complete, and returns their digest and number. They are durable only after Commit.
func (w *Writer) Finish() (manifest.Digest, int64, error) {
	var g manifest.Digest
	if w.err != nil {
		return g, 0, w.err
	}
	w.digest(w.buf[:w.used])
	w.hash.Sum(g[:0])
	stored, err := w.batch.admit(g, w.size)
	switch {
	case err != nil:
		return manifest.Digest{}, 0, w.fail(err)
	case stored:
		w.Abort()
		return g, w.size, nil
	}
	if err := w.keep(g); err != nil {
		w.batch.dir.unpin(g)
		return manifest.Digest{}, 0, err
	}
	return g, w.size, nil
}

// keep writes what is left and hands the file to the batch. A slot is taken first: small blobs open their file here, and
// slots are what bounds those.
func (w *Writer) keep(g manifest.Digest) error {
	d := w.batch.dir
	if w.temp.file == nil && w.batch.inParcel() {
		return w.keepInParcel(g)
	}
	d.syncing <- struct{}{}
	now := d.opts.Now()
	err := w.write(w.buf[:w.used])
	if err == nil {
		err = w.setTime(now)
	}
	if err != nil {
		<-d.syncing
		return err
	}
	w.batch.take(item{digest: g, size: w.size, temp: w.temp.name, at: now}, w.temp.file)
	w.temp = temp{}
	w.end(ErrDone)
	return nil
}

// keepInParcel is keep for a blob that a parcel makes durable: its own file need not be.
func (w *Writer) keepInParcel(g manifest.Digest) error {
	if err := w.batch.parcel.add(g, w.buf[:w.used]); err != nil {
		return w.fail(err)
	}
	now := w.batch.dir.opts.Now()
	if err := w.write(w.buf[:w.used]); err != nil {
		return err
	}
	err := w.temp.file.Close()
	if w.temp.file = nil; err != nil {
		return w.fail(err)
	}
	if err := w.setTime(now); err != nil {
		return err
	}
	w.batch.takeUnsynced(item{digest: g, size: w.size, temp: w.temp.name, at: now, parcel: true})
	w.temp = temp{}
	w.end(ErrDone)
	return nil
}

// setTime gives the file the batch's time, if that is not the system's own.
func (w *Writer) setTime(now time.Time) error {
	d := w.batch.dir
	if !d.ownTime {
		return nil
	}
	if err := d.fs.setTime(w.temp.name, now); err != nil {
		return w.fail(err)
	}
	return nil
}

// Abort drops the bytes. After Finish it does nothing.
func (w *Writer) Abort() { w.end(ErrDone) }

func (w *Writer) fail(err error) error {
	w.end(fmt.Errorf("store blob: %w", err))
	return w.err
}

// end lets go of everything, once.
func (w *Writer) end(err error) {
	if w.err != nil {
		return
	}
	w.err = err
	d := w.batch.dir
	delete(w.batch.writers, w)
	if w.buf != nil {
		d.buffers.put(w.buf)
		w.buf = nil
	}
	if w.hash != nil {
		d.hashers.put(w.hash)
		w.hash = nil
	}
	if w.temp.file != nil {
		_ = w.temp.file.Close() // the file goes: what its closing says does not matter
	}
	d.dropTemp(w.temp.name)
	w.temp = temp{}
}

// dropTemp removes a temporary file. If that fails the next open does it.
func (d *Dir) dropTemp(name string) {
	if name != "" {
		_ = d.fs.remove(name)
	}
}

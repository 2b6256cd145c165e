package compress

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"berth/assets/httpsem"
)

// What a worker reads and writes. Integers are little-endian.
//
//	job     u8 coding, u64 size, size bytes
//	answer  parts: u8 kind, u32 length, length bytes
//	        partData…, then partDone without bytes; or partFailed with a text at any point, which is the worker's last
//
// The answer flows while the job is still being read, so that neither side holds a file.
const (
	jobHeader  = 9
	partHeader = 5

	partData   = 'd'
	partDone   = '.'
	partFailed = '!'

	maxPart = block
)

// Serve is a worker: it encodes the jobs that it reads from in, one after the other, until in ends.
func Serve(in io.Reader, out io.Writer) error {
	src, dst := bufio.NewReaderSize(in, block), &partWriter{w: out}
	dst.buf = make([]byte, partHeader, partHeader+maxPart)
	var own encoders
	for {
		var header [jobHeader]byte
		switch _, err := io.ReadFull(src, header[:]); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("encode worker: read a job: %w", err)
		}
		e, size := httpsem.Encoding(header[0]), int64(binary.LittleEndian.Uint64(header[1:]))
		// Whoever gave the job ends it by ending the process.
		if err := own.encode(context.Background(), dst, src, size, e); err != nil {
			return fmt.Errorf("encode worker: %w", errors.Join(err, dst.finish(partFailed, err.Error())))
		}
		if err := dst.finish(partDone, ""); err != nil {
			return fmt.Errorf("encode worker: answer: %w", err)
		}
	}
}

// partWriter writes an answer. Encoders write a few bytes at a time.
type partWriter struct {
	w   io.Writer
	buf []byte // room for the header of a part, then the part
}

func (p *partWriter) Write(b []byte) (n int, err error) {
	for n < len(b) {
		k := min(len(b)-n, cap(p.buf)-len(p.buf))
		p.buf = append(p.buf, b[n:n+k]...)
		n += k
		if len(p.buf) == cap(p.buf) {
			if err := p.flush(partData); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (p *partWriter) flush(kind byte) error {
	p.buf[0] = kind
	binary.LittleEndian.PutUint32(p.buf[1:], uint32(len(p.buf)-partHeader))
	_, err := p.w.Write(p.buf)
	p.buf = p.buf[:partHeader]
	return err
}

// finish writes what is left of the data, then the last part.
func (p *partWriter) finish(kind byte, text string) error {
	if len(p.buf) > partHeader {
		if err := p.flush(partData); err != nil {
			return err
		}
	}
	p.buf = append(p.buf, text[:min(len(text), maxPart)]...)
	return p.flush(kind)
}

// sendJob writes a job to a worker.
func sendJob(w io.Writer, src io.Reader, size int64, e httpsem.Encoding) error {
	header := binary.LittleEndian.AppendUint64([]byte{byte(e)}, uint64(size))
	if _, err := w.Write(header); err != nil {
		return err
	}
	return copyExactly(w, src, size)
}

var (
	errProtocol = errors.New("it broke the protocol")
	errFlood    = errors.New("it wrote more than any encoding of the file can have")
)

// destinationError tells an error of writing the result from one of reading it.
type destinationError struct{ error }

func (e destinationError) Unwrap() error { return e.error }

// receiveAnswer copies at most limit bytes of a worker's answer.
func receiveAnswer(dst io.Writer, r io.Reader, limit int64) error {
	buf := make([]byte, maxPart)
	for {
		if _, err := io.ReadFull(r, buf[:partHeader]); err != nil {
			return noEOF(err)
		}
		kind, n := buf[0], binary.LittleEndian.Uint32(buf[1:])
		if n > maxPart {
			return errProtocol
		}
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return noEOF(err)
		}
		switch kind {
		case partData:
			if limit -= int64(n); limit < 0 {
				return errFlood
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return destinationError{err}
			}
		case partDone:
			return nil
		case partFailed:
			return errors.New(string(buf[:n]))
		default:
			return errProtocol
		}
	}
}

// encodedLimit is more than any of the encoders makes of size bytes, of which none can be compressed: a header, and less
// than 1 % for what says so.
func encodedLimit(size int64) int64 { return size + size/64 + 1<<10 }

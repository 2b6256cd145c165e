package compress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"berth/assets/httpsem"
)

// Same says whether coded decodes to exactly the bytes of identity, size of them, in every browser: so it also has to be
// one gzip member or one zstd frame of a window that browsers accept, with nothing before it or behind. There they
// differ: one decodes on, another stops, a third fails.
//
// Both may be a stranger's. No more than size+1 decoded bytes are looked at, it ends with the first one that differs,
// and memory is bounded to some 20 MB. The error is the context's, or that of reading one of the two.
func Same(ctx context.Context, coded io.Reader, e httpsem.Encoding, identity io.Reader, size int64) (bool, error) {
	in, plain := &input{ctx: ctx, r: coded}, &input{ctx: ctx, r: identity}
	same, err := decodesTo(in, e, plain, size)
	switch {
	case err != nil:
		return false, fmt.Errorf("compress: compare with the %v: %w", e, err)
	case in.err != nil && !same:
		return false, fmt.Errorf("compress: read the %v: %w", e, in.err)
	}
	return same, nil
}

// decodesTo fails only where identity cannot be read: anything wrong with the coded bytes makes them different.
func decodesTo(coded io.Reader, e httpsem.Encoding, identity io.Reader, size int64) (bool, error) {
	dec, err := newDecoder(coded, e, size)
	if err != nil {
		return false, nil
	}
	defer dec.Close()
	decoded := guarded{dec}
	want, got := make([]byte, block), make([]byte, block)
	for left := size; left > 0; left -= int64(len(want)) {
		want = want[:min(int64(len(want)), left)]
		if _, err := io.ReadFull(identity, want); err != nil {
			return false, fmt.Errorf("%d bytes before the end: %w", left, noEOF(err))
		}
		if _, err := io.ReadFull(decoded, got[:len(want)]); err != nil || !bytes.Equal(want, got[:len(want)]) {
			return false, nil
		}
	}
	n, err := io.ReadFull(decoded, got[:1])
	return n == 0 && err == io.EOF, nil
}

var (
	errSize     = errors.New("promises another size")
	errTrailing = errors.New("bytes behind the end")
)

// newDecoder decodes a stream whose io.EOF means that the coded bytes were at their end too.
func newDecoder(coded io.Reader, e httpsem.Encoding, size int64) (io.ReadCloser, error) {
	switch e {
	case httpsem.Gzip:
		return newGzipMember(bufio.NewReader(coded))
	case httpsem.Zstd:
		frame, err := newZstdFrame(bufio.NewReader(coded), size)
		if err != nil {
			return nil, err
		}
		d, err := zstd.NewReader(frame, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderMaxMemory(zstdWindow)) // with one goroutine it decodes in ours
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case httpsem.Brotli: // a window of more than 16 MiB needs an extension that it does not know, as browsers do not
		return io.NopCloser(brotli.NewReader(coded)), nil
	}
	return nil, fmt.Errorf("%v is not a coding to decode", e)
}

// gzipMember is one member of a gzip file, with nothing behind it.
type gzipMember struct {
	src *bufio.Reader
	z   *gzip.Reader
}

func newGzipMember(src *bufio.Reader) (*gzipMember, error) {
	const flags, reserved = 3, 0xe0 // RFC 1952 §2.3.1.2: must be zero, and decoders must say so
	if head, err := src.Peek(flags + 1); err != nil || head[flags]&reserved != 0 {
		return nil, gzip.ErrHeader
	}
	z, err := gzip.NewReader(src)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &gzipMember{src: src, z: z}, nil
}

func (m *gzipMember) Read(p []byte) (int, error) {
	n, err := m.z.Read(p)
	if err == io.EOF { // src has ReadByte, so that nothing was read ahead
		err = atEnd(m.src)
	}
	return n, err
}

func (m *gzipMember) Close() error { return m.z.Close() }

// atEnd is io.EOF if there is nothing more to read.
func atEnd(src *bufio.Reader) error {
	if _, err := src.Peek(1); err != nil {
		return err
	}
	return errTrailing
}

// guarded makes an error of a panic. Bytes that a decoder does not survive are not what a file is to be served as, and
// whoever uploaded them may not end the process.
type guarded struct{ r io.Reader }

func (g guarded) Read(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, fmt.Errorf("decoder panicked: %v", v)
		}
	}()
	return g.r.Read(p)
}

// Package compress makes content codings of files and checks those that others made. It takes the time that small
// results need, so nothing here is ever called on behalf of a request.
package compress

import (
	"context"
	"fmt"
	"io"
	"math/bits"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"berth/assets/httpsem"
)

// Encoder makes content codings. Pool does it in processes of the lowest priority, Local here and now; for the same
// bytes both write the same.
//
// Encode writes size bytes of src to dst in coding e. After an error what dst got is of no use. It is safe for
// concurrent use.
type Encoder interface {
	Encode(ctx context.Context, dst io.Writer, src io.Reader, size int64, e httpsem.Encoding) error
}

// Local is an Encoder that works in the goroutine that calls it: for tests, and for where no process can be started.
type Local struct{}

// Encode is the function Encode.
func (Local) Encode(ctx context.Context, dst io.Writer, src io.Reader, size int64, e httpsem.Encoding) error {
	return Encode(ctx, dst, src, size, e)
}

// Brotli's quality by the size of the file. Of a minified script, a page, a style sheet and a bundle of 3.5 MB there
// remain (single core, processor time):
//
//	            script  page    style   bundle
//	            245 KB  293 KB  10 KB   3.5 MB
//	gzip 9       35.2    26.8    29.7    23.5 %   18-27 MB/s
//	zstd best    34.0    25.3    28.6    21.8 %   7-21 MB/s (small ones pay for 35 MB of tables)
//	br 5         33.1    25.5    26.8    21.8 %   18-29 MB/s
//	br 9         32.6    24.4    26.8    21.0 %   8-11 MB/s
//	br 10        30.6    22.8    24.6    19.4 %   1.1-1.3 MB/s
//	br 11        30.1    22.2    24.4    18.9 %   0.5 MB/s
//
// The last two are worth their time, which idle cores have, as long as it stays in the seconds: 2 s for 1 MiB at 11, 7 s
// for 8 MiB at 10 (20 s of the worst bytes found). What is larger is rarely text that many fetch.
const (
	brotli11 = 1 << 20
	brotli10 = 8 << 20

	// brotliWindow keeps the memory of this package, and of those who decode, to 4 MiB windows. 16 MiB save 1 % of text.
	brotliWindow    = 22
	minBrotliWindow = 16

	// zstdWindow is what RFC 9659 allows for the content coding: browsers refuse more.
	zstdWindow = 8 << 20
)

// block is how much is read at once, so how often a context is asked. Its size is part of the result: brotli looks at how
// much it is given first.
const block = 64 << 10

// Encode writes size bytes of src to dst in coding e: gzip, zstd or brotli. Equal bytes give equal results, with one
// release of this program. Memory is bounded for any size, to some 200 MB. A context that ends, ends it at the next
// block that is read; the slowest brotli needs up to 2 s to get there.
func Encode(ctx context.Context, dst io.Writer, src io.Reader, size int64, e httpsem.Encoding) error {
	return new(encoders).encode(ctx, dst, src, size, e)
}

// encoders are for one goroutine, and keep what is dear to make: the tables of zstd cost more time than 64 KiB of text to
// encode. Nothing of a file is left for the next. The other two cost little, or are made for the size of the file.
type encoders struct {
	zstd *zstd.Encoder
}

// encode is Encode. After an error the encoders are in no state that is known.
func (m *encoders) encode(ctx context.Context, dst io.Writer, src io.Reader, size int64, e httpsem.Encoding) error {
	if err := check(size, e); err != nil {
		return err
	}
	w, err := m.writer(dst, size, e)
	if err != nil {
		return fmt.Errorf("compress: encode in %v: %w", e, err)
	}
	if err := copyExactly(w, &input{ctx: ctx, r: src}, size); err != nil {
		return fmt.Errorf("compress: encode in %v: %w", e, err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("compress: encode in %v: %w", e, err)
	}
	return nil
}

func check(size int64, e httpsem.Encoding) error {
	if size < 0 {
		return fmt.Errorf("compress: %d is no size", size)
	}
	if Suffix(e) == "" {
		return fmt.Errorf("compress: %v (%d) is not a coding to encode in", e, e)
	}
	return nil
}

func (m *encoders) writer(dst io.Writer, size int64, e httpsem.Encoding) (io.WriteCloser, error) {
	switch e {
	case httpsem.Gzip: // neither a name nor a time in its header
		return gzip.NewWriterLevel(dst, gzip.BestCompression)
	case httpsem.Zstd:
		if m.zstd == nil {
			w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(zstdWindow),
				zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true)) // with one goroutine, results do not depend on timing
			if err != nil {
				return nil, err
			}
			m.zstd = w
		}
		m.zstd.ResetContentSize(dst, size)
		return m.zstd, nil
	default:
		return brotli.NewWriterOptions(dst, brotliOptions(size)), nil
	}
}

func brotliOptions(size int64) brotli.WriterOptions {
	o := brotli.WriterOptions{Quality: 9, LGWin: min(max(bits.Len64(uint64(size)+16), minBrotliWindow), brotliWindow)}
	switch {
	case size <= brotli11:
		o.Quality = 11
	case size <= brotli10:
		o.Quality = 10
	}
	return o
}

// copyExactly writes in whole blocks, however src hands its bytes out: results must not depend on it.
func copyExactly(dst io.Writer, src io.Reader, size int64) error {
	b := make([]byte, min(block, size))
	for left := size; left > 0; left -= int64(len(b)) {
		b = b[:min(int64(len(b)), left)]
		if _, err := io.ReadFull(src, b); err != nil {
			return fmt.Errorf("%d bytes before the end: %w", left, noEOF(err))
		}
		if _, err := dst.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// noEOF keeps the end of a file that should go on from being taken for success.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// input reads until its context ends, and remembers what went wrong: codecs wrap, replace or swallow errors.
type input struct {
	ctx context.Context // of the one call that the input is made for
	r   io.Reader
	err error // not io.EOF
}

func (in *input) Read(p []byte) (int, error) {
	if err := in.ctx.Err(); err != nil {
		in.err = err
		return 0, err
	}
	n, err := in.r.Read(p)
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

// Worth says whether a variant is kept: it saves at least 10 % of the file.
func Worth(identity, coded int64) bool {
	return coded > 0 && identity > 0 && coded <= identity-(identity/10+min(1, identity%10))
}

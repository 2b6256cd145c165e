package control

import (
	"context"
	"fmt"
	"io"
	"strings"

	"berth/assets/blob"
	"berth/assets/compress"
	"berth/assets/httpsem"
	"berth/store"
)

// fileError says that one coding of one file cannot be made, while others can.
type fileError struct{ err error }

func (e *fileError) Error() string { return e.err.Error() }

// make writes one form into the batch. The zero value: it saves too little.
func (c *encodeChunk) make(ctx context.Context, src blob.File, e httpsem.Encoding) (store.FileRef, error) {
	w, err := c.batch.Create()
	if err != nil {
		return store.FileRef{}, fmt.Errorf("encode: %w", err)
	}
	defer w.Abort() // after Finish it does nothing
	in, out := &heedfulReader{r: io.NewSectionReader(src, 0, src.Size())}, &savingWriter{w: w, identity: src.Size()}
	err = callEncoder(ctx, c.task.job.svc.deps.Encoder, out, in, src.Size(), e)
	switch {
	case ctx.Err() != nil:
		return store.FileRef{}, ctx.Err()
	case out.err != nil:
		return store.FileRef{}, fmt.Errorf("store an encoded form: %w", out.err)
	case in.err != nil:
		return store.FileRef{}, fmt.Errorf("encode: %w", in.err)
	case err != nil:
		return store.FileRef{}, c.blame(ctx, e, err)
	case !compress.Worth(src.Size(), out.n):
		return store.FileRef{}, nil
	}
	var ref store.FileRef
	if ref.Digest, ref.Size, err = w.Finish(); err != nil {
		return store.FileRef{}, fmt.Errorf("store an encoded form: %w", err)
	}
	return ref, nil
}

// blame finds out whether it is the file or the encoder: a broken encoder must not have every file given up.
func (c *encodeChunk) blame(ctx context.Context, e httpsem.Encoding, cause error) error {
	const probe = "berth berth berth berth berth berth berth berth"
	err := callEncoder(ctx, c.task.job.svc.deps.Encoder, io.Discard, strings.NewReader(probe), int64(len(probe)), e)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("the encoder does not work: %w", cause)
	}
	return &fileError{cause}
}

func callEncoder(ctx context.Context, enc Encoder, dst io.Writer, src io.Reader, size int64, e httpsem.Encoding) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the encoder panicked: %v", v)
		}
	}()
	return enc.Encode(ctx, dst, src, size, e)
}

// heedfulReader remembers a failed read: an encoder may hide it.
type heedfulReader struct {
	r   io.Reader
	err error
}

func (h *heedfulReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if err != nil && err != io.EOF {
		h.err = err
	}
	return n, err
}

// savingWriter passes on what is worth keeping. The rest of what is not is dropped, not refused: an encoder in another
// process would have to be killed for it.
type savingWriter struct {
	w        *blob.Writer
	identity int64
	n        int64
	err      error // of the disk
}

func (s *savingWriter) Write(p []byte) (int, error) {
	if s.n += int64(len(p)); s.err == nil && compress.Worth(s.identity, s.n) {
		if _, s.err = s.w.Write(p); s.err != nil {
			return 0, s.err
		}
	}
	return len(p), s.err
}

// decodes says whether a blob is the coded form of another.
func decodes(ctx context.Context, blobs *blob.Dir, coded store.FileRef, e httpsem.Encoding, identity store.FileRef) (bool, error) {
	c, err := blobs.Open(coded.Digest, coded.Size)
	if err != nil {
		return false, err
	}
	defer c.Close() // read only: nothing to lose
	f, err := blobs.Open(identity.Digest, identity.Size)
	if err != nil {
		return false, err
	}
	defer f.Close() // likewise
	return compress.Same(ctx, io.NewSectionReader(c, 0, coded.Size), e, io.NewSectionReader(f, 0, identity.Size), identity.Size)
}

package edge

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store/cache"
)

// copySize is the piece in which files are read and sent.
const copySize = 64 << 10

// entryCost is what a cached body costs beside its bytes, about.
const entryCost = 256

// bodies gives the contents of small files from memory.
type bodies struct {
	blobs Blobs
	cache bodyCache
}

// bodyCache is what is needed of a *cache.Cache.
type bodyCache interface {
	Get(g manifest.Digest) ([]byte, bool)
	Worth(g manifest.Digest) bool
	Load(ctx context.Context, g manifest.Digest, fill func(context.Context) ([]byte, error)) ([]byte, error)
	Stats() cache.Stats
}

func newBodies(blobs Blobs, o Options) (*bodies, error) {
	c, err := cache.New(cache.Options[manifest.Digest, []byte]{
		Hash:     func(g manifest.Digest) uint64 { return binary.LittleEndian.Uint64(g[:]) }, // uniform already
		Weight:   func(_ manifest.Digest, b []byte) int64 { return int64(len(b)) + entryCost },
		Capacity: o.BodyCache,
	})
	if err != nil {
		return nil, fmt.Errorf("body cache: %w", err)
	}
	return &bodies{blobs: blobs, cache: c}, nil
}

// get returns a whole blob, to be read only. Blobs never change, so nothing is ever dropped from the cache but by
// its bound.
func (b *bodies) get(ctx context.Context, g manifest.Digest, size int64) ([]byte, error) {
	if data, ok := b.cache.Get(g); ok && int64(len(data)) == size {
		return data, nil
	}
	if !b.cache.Worth(g) {
		data, err := b.blobs.ReadAll(g, size)
		return whole(data, err, g, size)
	}
	return b.load(ctx, g, size)
}

// load is apart from get so that its closure costs a hit nothing.
func (b *bodies) load(ctx context.Context, g manifest.Digest, size int64) ([]byte, error) {
	data, err := b.cache.Load(ctx, g, func(context.Context) ([]byte, error) { return b.blobs.ReadAll(g, size) })
	return whole(data, err, g, size)
}

// whole is what was read of a blob, unless it is not of its size.
func whole(data []byte, err error, g manifest.Digest, size int64) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("read blob %v: %w", g, err)
	}
	if int64(len(data)) != size {
		return nil, fmt.Errorf("read blob %v: %d bytes instead of %d: %w", g, len(data), size, blob.ErrCorrupt)
	}
	return data, nil
}

// blobStream sends parts of an open blob, or of one in memory, with text between them. Once the head is out, a failing read
// can only cut the connection, which is how the client learns that the body is incomplete.
type blobStream struct {
	conn   *conn // over which the file may go without being read here; nil: read it
	srv    *Server
	file   *openFile // nil: data has the blob
	data   []byte
	digest manifest.Digest
	size   int64 // of the blob

	text  []byte // comes first
	off   int64  // then left bytes of the blob from here
	left  int64
	parts []assets.Part // then each of these
	tail  []byte        // then this

	sent   int64
	used   bool
	failed bool
}

// WriteTo is what fasthttp calls. Its own copying would go through 4 KiB at a time.
func (b *blobStream) WriteTo(w io.Writer) (int64, error) {
	if out, ok := w.(*bufio.Writer); ok && b.conn != nil && b.conn.raw != nil && b.file.fd >= 0 {
		return b.sendFile(out)
	}
	buf := b.srv.buffers.Get().(*[]byte)
	defer b.srv.buffers.Put(buf)
	for {
		data, err := b.next(*buf)
		if err == io.EOF {
			return b.sent, nil
		}
		if err != nil {
			return b.sent, err
		}
		n, err := w.Write(data)
		b.sent += int64(n)
		if err != nil {
			b.failed = true
			return b.sent, err
		}
	}
}

// sendFile sends the rest of the file past out, which fasthttp writes to the connection through.
func (b *blobStream) sendFile(out *bufio.Writer) (n int64, err error) {
	if err = out.Flush(); err == nil {
		n, err = b.conn.sendFile(b.file, b.off, b.left)
	}
	b.off, b.left, b.sent = b.off+n, b.left-n, b.sent+n
	if err != nil {
		b.failed = true
		if err == io.ErrUnexpectedEOF {
			b.srv.badBlob(b.digest, b.off, err)
			b.srv.files.drop(b.digest, b.size)
		}
	}
	return b.sent, err
}

// Read is here because a body stream must have it.
func (b *blobStream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	data, err := b.next(p)
	n := copy(p, data)
	if err == nil && n < len(data) { // text or memory that p has no room for
		b.text = data[n:]
	}
	return n, err
}

func (b *blobStream) readFile(p []byte) (int, error) {
	p = p[:min(int64(len(p)), b.left)]
	n, err := b.file.ReadAt(p, b.off)
	b.off += int64(n)
	b.left -= int64(n)
	if n == len(p) {
		return n, nil // ReadAt may return io.EOF with the last bytes
	}
	b.failed = true
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	b.srv.badBlob(b.digest, b.off, err)
	b.srv.files.drop(b.digest, b.size)
	return n, err
}

// badBlob counts and logs a blob that could not be sent in full.
func (s *Server) badBlob(g manifest.Digest, off int64, err error) {
	s.stats.badBlobs.Add(1)
	s.stats.faults.Add(1)
	s.faults.report("blob cannot be read", "blob", g.String(), "offset", off, "err", err)
}

func (b *blobStream) Close() error {
	if b.file == nil {
		return nil
	}
	b.file.unref()
	b.file = nil
	return nil
}

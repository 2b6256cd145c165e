package edge

import (
	"fmt"
	"io"

	"github.com/valyala/fasthttp"

	"berth/assets"
)

// setParts sends several runs of a blob. A small blob is in memory; of a large one, each run is read from the file when
// its turn comes.
func (s *Server) setParts(x *exchange, resp *fasthttp.Response) error {
	b := &x.plan.Body
	if err := checkParts(b); err != nil {
		return err
	}
	stream := blobStream{srv: s, digest: b.Blob, size: b.BlobSize, parts: b.Parts, tail: b.Tail, used: true}
	var err error
	if b.BlobSize > s.opts.BodyCacheMaxItem {
		if stream.file, err = s.files.get(s.base, b.Blob, b.BlobSize); err != nil {
			return err
		}
	} else if stream.data, err = s.bodies.get(s.base, b.Blob, b.BlobSize); err != nil {
		return err
	}
	x.stream = stream
	resp.SetBodyStream(&x.stream, int(b.Length))
	return nil
}

// checkParts makes sure that the head tells the truth about a body: a length that is off by one would put every
// later answer on the connection out of step.
func checkParts(b *assets.Body) error {
	length := int64(len(b.Tail))
	for i := range b.Parts {
		p := &b.Parts[i]
		if p.Offset < 0 || p.Length < 0 || p.Offset > b.BlobSize || p.Length > b.BlobSize-p.Offset {
			return fmt.Errorf("part %d+%d is not inside blob %v of %d bytes", p.Offset, p.Length, b.Blob, b.BlobSize)
		}
		length += int64(len(p.Head)) + p.Length
	}
	if length != b.Length {
		return fmt.Errorf("%d parts of %d bytes are announced as %d", len(b.Parts), length, b.Length)
	}
	return nil
}

// more moves on to what comes next, until there is something to send: text, or left bytes of the blob. It reports whether
// there is.
func (b *blobStream) more() bool {
	for len(b.text) == 0 && b.left == 0 {
		switch {
		case len(b.parts) > 0:
			p := &b.parts[0]
			b.text, b.off, b.left = p.Head, p.Offset, p.Length
			b.parts = b.parts[1:]
		case len(b.tail) > 0:
			b.text, b.tail = b.tail, nil
		default:
			return false
		}
	}
	return true
}

// next returns the next bytes to send, which may be in buf.
func (b *blobStream) next(buf []byte) ([]byte, error) {
	switch {
	case !b.more():
		return nil, io.EOF
	case len(b.text) > 0:
		text := b.text
		b.text = nil
		return text, nil
	case b.file == nil:
		data := b.data[b.off : b.off+b.left]
		b.left = 0
		return data, nil
	}
	n, err := b.readFile(buf)
	return buf[:n], err
}

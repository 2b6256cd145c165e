package edge

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/valyala/fasthttp"

	"berth/assets"
	"berth/assets/blob"
)

// render makes the plan the response. fasthttp writes Date, Content-Type, Content-Encoding and Content-Length first
// and the other fields after them in the order of the plan; the order of fields of different names means nothing (RFC
// 9110 section 5.3). A body that cannot be had is found out here, before a byte of the head is written.
func (s *Server) render(x *exchange, ctx *fasthttp.RequestCtx) answer {
	p, resp := &x.plan, &ctx.Response
	if p.Status < 200 || p.Status > 599 {
		return s.fault(x, internalError(), "plan has no valid status", fmt.Errorf("status %d", p.Status))
	}
	h := &resp.Header
	h.SetStatusCode(p.Status)
	h.DisableNormalizing() // names are canonical already
	for i := range p.Fields {
		f := &p.Fields[i]
		if !ownedByTransport(f.Name) {
			h.AddBytesKV(bytesOf(f.Name), f.Value)
		}
	}
	x.status = p.Status
	if p.Head || ctx.IsHead() {
		resp.SkipBody = true
		h.SetContentLength(int(p.Body.Length)) // of 204 and 304, fasthttp announces none
		return answer{}
	}
	if err := s.setBody(ctx.Conn().(*conn), x, resp); err != nil {
		if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt) {
			s.stats.badBlobs.Add(1)
		}
		return s.fault(x, internalError(), "blob cannot be had", err)
	}
	return answer{}
}

// setBody sets what the client will be sent, without copying it.
func (s *Server) setBody(c *conn, x *exchange, resp *fasthttp.Response) error {
	b := &x.plan.Body
	switch b.Kind {
	case assets.BodyInline:
		if int64(len(b.Inline)) != b.Length {
			return fmt.Errorf("inline body of %d bytes is announced as %d", len(b.Inline), b.Length)
		}
		resp.SetBodyRaw(b.Inline)
	case assets.BodyBlob:
		if b.Offset < 0 || b.Length < 0 || b.Offset > b.BlobSize || b.Length > b.BlobSize-b.Offset {
			return fmt.Errorf("range %d+%d is not inside blob %v of %d bytes", b.Offset, b.Length, b.Blob, b.BlobSize)
		}
		if b.BlobSize > s.opts.BodyCacheMaxItem {
			return s.setStream(c, x, resp)
		}
		data, err := s.bodies.get(s.base, b.Blob, b.BlobSize)
		if err != nil {
			return err
		}
		x.body = data[b.Offset : b.Offset+b.Length]
		resp.SetBodyRaw(x.body)
	case assets.BodyMultipart:
		return s.setParts(x, resp)
	default:
		return nil
	}
	x.sent = b.Length
	return nil
}

// setStream sends a blob from its file. fasthttp closes the stream, whatever happens to the connection.
func (s *Server) setStream(c *conn, x *exchange, resp *fasthttp.Response) error {
	b := &x.plan.Body
	f, err := s.files.get(s.base, b.Blob, b.BlobSize)
	if err != nil {
		return err
	}
	x.file = f
	x.stream = blobStream{conn: c, srv: s, file: f, digest: b.Blob, size: b.BlobSize, off: b.Offset, left: b.Length, used: true}
	resp.SetBodyStream(&x.stream, int(b.Length))
	return nil
}

// ownedByTransport reports whether a field is the connection's or the framing's, so that no plan can say anything about
// it (RFC 9110 section 7.6.1).
func ownedByTransport(name string) bool {
	switch len(name) {
	case 2:
		return name == "Te" || name == "TE"
	case 4:
		return name == "Date"
	case 7:
		return name == "Trailer" || name == "Upgrade"
	case 10:
		return name == "Connection" || name == "Keep-Alive"
	case 14:
		return name == "Content-Length"
	case 16:
		return name == "Proxy-Connection"
	case 17:
		return name == "Transfer-Encoding"
	}
	return false
}

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

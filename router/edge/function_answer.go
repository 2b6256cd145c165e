package edge

import (
	"bufio"
	"io"
	"net/http"

	"github.com/valyala/fasthttp"
)

// maxUnchunked bounds an answer of unknown length to a client of HTTP/1.0, which has to be told the length first. It is in memory until
// the client has it, and the function counts as running until then.
const maxUnchunked = 1 << 20

// functionAnswer is the body of a function's answer on its way out.
type functionAnswer struct {
	server *Server
	res    *http.Response // nil: no function answers
	body   *functionBody  // of the request; nil: none
	sent   int64
	failed bool
}

// renderFunction makes the head of a function's answer the response, and has its body sent as it comes.
func (s *Server) renderFunction(x *exchange, ctx *fasthttp.RequestCtx) answer {
	res, resp := x.answered.res, &ctx.Response
	h := &resp.Header
	h.SetStatusCode(x.plan.Status)
	h.DisableNormalizing()
	for i := range x.plan.Fields {
		h.AddBytesKV(bytesOf(x.plan.Fields[i].Name), x.plan.Fields[i].Value)
	}
	x.status = x.plan.Status
	length := int(res.ContentLength)
	switch {
	case ctx.IsHead():
		resp.SkipBody = true
		h.SetContentLength(length)
		x.answered.end()
	case x.status == fasthttp.StatusNoContent, x.status == fasthttp.StatusNotModified, length == 0:
		x.answered.end()
	case length < 0 && !ctx.Request.Header.IsHTTP11():
		return s.renderUnchunked(x, resp)
	default:
		resp.SetBodyStream(&x.answered, length)
	}
	return answer{}
}

func (s *Server) renderUnchunked(x *exchange, resp *fasthttp.Response) answer {
	whole, err := io.ReadAll(io.LimitReader(x.answered.res.Body, maxUnchunked+1))
	if err != nil || len(whole) > maxUnchunked {
		x.answered.end()
		s.faults.report("function's answer cannot be sent to a client of HTTP/1.0", "deployment", x.serving.no, "bytes", len(whole), "err", err)
		a := badGateway()
		a.close = x.uploading
		return a
	}
	x.answered.sent = int64(len(whole))
	resp.SetBodyRaw(whole)
	return answer{}
}

// Read is what fasthttp calls for a body of unknown length: it sends each piece at once.
func (f *functionAnswer) Read(p []byte) (int, error) {
	n, err := f.res.Body.Read(p)
	f.sent += int64(n)
	if err != nil && err != io.EOF {
		f.failed = true
	}
	return n, err
}

// WriteTo is what fasthttp calls for a body of known length. What has come is sent before more is waited for.
func (f *functionAnswer) WriteTo(w io.Writer) (int64, error) {
	buf := f.server.buffers.Get().(*[]byte)
	defer f.server.buffers.Put(buf)
	for {
		n, err := f.Read(*buf)
		if n > 0 {
			if _, err := w.Write((*buf)[:n]); err != nil {
				f.failed = true
				return f.sent, err
			}
		}
		if err == io.EOF {
			return f.sent, nil
		}
		if err != nil {
			return f.sent, err
		}
		if out, ok := w.(*bufio.Writer); ok && f.sent < f.res.ContentLength {
			if err := out.Flush(); err != nil {
				f.failed = true
				return f.sent, err
			}
		}
	}
}

// Close is what fasthttp calls, whatever happens to the connection.
func (f *functionAnswer) Close() error {
	f.end()
	return nil
}

// end lets go of the function, and of the request's body. It may be called again.
func (f *functionAnswer) end() {
	if f.res == nil {
		return
	}
	_ = f.res.Body.Close() // what it could not tell was told by Read
	if f.body != nil {
		f.body.Stop()
	}
	f.res, f.body = nil, nil
}

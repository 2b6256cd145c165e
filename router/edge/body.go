package edge

import (
	"cmp"
	"errors"
	"io"
	"os"

	"github.com/valyala/fasthttp"
)

// discardBody reads a request's body away, so that the client hears its answer and the connection can go on. The body
// is never held: it passes through one buffer.
func (s *Server) discardBody(c *conn, ctx *fasthttp.RequestCtx) answer {
	length := ctx.Request.Header.ContentLength()
	if length > s.opts.MaxBodyBytes {
		return bodyTooLarge()
	}
	body := ctx.RequestBodyStream()
	if body == nil {
		return answer{}
	}
	// A chunked body may be nearly all framing, and its extensions and trailer have no bound of their own. Eight bytes
	// for each that counts is more than one-byte chunks need.
	c.budget = 8*s.opts.MaxBodyBytes + s.opts.MaxHeaderBytes
	defer func() { c.budget = 0 }()
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	for total := 0; ; {
		n, err := body.Read(*buf)
		if total += n; total > s.opts.MaxBodyBytes {
			return bodyTooLarge()
		}
		if err == io.EOF {
			if length < 0 {
				c.used = c.received // the chunks came after the head that was counted
			}
			return answer{}
		}
		if err != nil {
			return bodyFault(cmp.Or(c.readErr, err))
		}
	}
}

func bodyFault(err error) answer {
	switch {
	case errors.Is(err, errBodyBudget):
		return bodyTooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return slowRequest()
	}
	return badRequest()
}

// expect decides on "Expect: 100-continue" before a body is invited (RFC 9110 section 10.1.1): what would be refused
// after it is refused before it. fasthttp writes the status it returns, without a body, and closes.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	h := &ctx.Request.Header
	c := ctx.Conn().(*conn)
	used := c.used
	x := s.begin(c, ctx)
	a := x.checkFraming(h)
	switch {
	case a.status != 0:
	case len(h.RequestURI()) > s.opts.MaxTargetBytes:
		a = targetTooLong()
	case h.ContentLength() > s.maxBody():
		a = bodyTooLarge()
	default:
		c.asked, x.asked = x.asked, routing{} // the handler begins it again
		s.exchanges.Put(x)
		c.x, c.used = nil, used
		return fasthttp.StatusContinue
	}
	s.note(x, ctx)
	x.status = a.status
	if a.status == 400 {
		s.stats.badRequests.Add(1)
	}
	return a.status
}

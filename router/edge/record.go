package edge

import (
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"berth/router"
)

// Bounds of what a log line repeats of a request: a client chooses all of it.
const (
	maxLogMethod = 32
	maxLogTarget = 2048
	maxLogField  = 512
)

// recordBytes is what a fresh record has room for: a usual browser's request.
const recordBytes = 512

// record is one request in the access log. Its strings are clones: fasthttp's die with the request.
type record struct {
	start    time.Time
	duration time.Duration
	client   netip.Addr
	route    router.Decision
	status   int
	bytes    int64
	aborted  bool
	http10   bool

	method, host, target, userAgent, referer span
	buf                                      []byte // what the spans are of
}

// span is a part of a record's buf, which the bounds keep far below 64 KiB.
type span struct{ from, to uint16 }

// newRecord makes a record that a usual request fits into.
func newRecord() *record { return &record{buf: make([]byte, 0, recordBytes)} }

func (r *record) keep(b []byte, max int) span {
	from := len(r.buf)
	r.buf = append(r.buf, b[:min(max, len(b))]...)
	return span{uint16(from), uint16(len(r.buf))}
}

func (r *record) text(s span) []byte { return r.buf[s.from:s.to] }

// reset empties the record but for its buffer.
func (r *record) reset() { *r = record{buf: r.buf[:0]} }

// noteGet makes the record of a plain request that is answered without fasthttp.
func (s *Server) noteGet(c *conn, l *lane, target []byte, client netip.Addr) *record {
	if s.access == nil {
		return nil
	}
	r := s.access.take()
	r.start, r.client, r.route = c.asked.began, client, c.asked.route
	r.host = r.keep(bytesOf(string(l.query.Host)), len(l.query.Host))
	r.method = r.keep(bytesOf(fasthttp.MethodGet), maxLogMethod)
	r.target = r.keep(target, maxLogTarget)
	r.userAgent = r.keep(bytesOf(l.head.userAgent), maxLogField)
	r.referer = r.keep(bytesOf(l.head.referer), maxLogField)
	return r
}

// note begins the record of an exchange, while the request's bytes are there.
func (s *Server) note(x *exchange, ctx *fasthttp.RequestCtx) {
	if s.access == nil {
		return
	}
	h := &ctx.Request.Header
	r := s.access.take()
	if r.start = x.asked.began; r.start.IsZero() {
		r.start = time.Now()
	}
	r.http10 = !h.IsHTTP11()
	if len(h.RawHeaders()) > 0 { // else the head was refused, and fasthttp says "GET /"
		r.method = r.keep(h.Method(), maxLogMethod)
		r.target = r.keep(h.RequestURI(), maxLogTarget)
	}
	r.userAgent = r.keep(h.UserAgent(), maxLogField)
	r.referer = r.keep(h.Referer(), maxLogField)
	x.record = r
}

package edge

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"berth/assets"
	"berth/assets/catalog"
	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/store/cache"
)

const (
	// maxPreparedPath and maxNoneMatch bound what of a request becomes part of a key.
	maxPreparedPath = 1024
	maxNoneMatch    = 64

	// preparedCost is what a prepared answer costs beside its bytes, about.
	preparedCost = 400
)

// answers are whole answers to plain requests, as fasthttp wrote them the first time. An answer holds for all requests of its key:
// only plans that depend on nothing else are kept (assets.Plan.Fixed), so that nothing has to be dropped when routes or settings
// change, and what a key of a changed site would find is not asked for any more.
type answers struct {
	cache   *cache.Cache[answerKey, *prepared]
	unknown atomic.Pointer[prepared] // for every host that is not known; nil: nobody asked for one yet
}

// answerKey is what a prepared answer depends on. Made-up requests cannot make many: the path is that of a file, the query does not
// count, only one spelling of a path does, there are 150 classes of Accept-Encoding, and a condition counts only if it is true.
type answerKey struct {
	content   catalog.Content
	path      string // as it was asked for, without the query
	noneMatch string // the field If-None-Match
	accepts   uint16
	noIndex   bool
	noCORS    bool
}

// prepared is an answer: head, but that the date in it is old, and a body, which is in memory or in a file. Nothing of it changes.
type prepared struct {
	status int
	head   []byte
	date   int    // where in head the value of Date is
	body   []byte // nil: none, or it is the blob
	blob   manifest.Digest
	size   int64 // of the body
}

func (p *prepared) fromFile() bool { return p.body == nil && p.size > 0 }

func newAnswers(capacity int64) (*answers, error) {
	seed := maphash.MakeSeed()
	c, err := cache.New(cache.Options[answerKey, *prepared]{
		Hash: func(k answerKey) uint64 {
			h := maphash.String(seed, k.path) ^ (uint64(k.content.No)<<20^k.content.Form)*0x9e3779b97f4a7c15 ^ uint64(k.accepts)<<32
			if k.noneMatch != "" {
				h ^= maphash.String(seed, k.noneMatch) << 1
			}
			return h
		},
		Weight: func(k answerKey, p *prepared) int64 {
			return int64(len(k.path) + len(k.noneMatch) + cap(p.head) + len(p.body) + preparedCost)
		},
		Capacity: capacity,
		Inline:   true,
	})
	if err != nil {
		return nil, fmt.Errorf("answer cache: %w", err)
	}
	return &answers{cache: c}, nil
}

func (a *answers) get(k answerKey) *prepared {
	p, _ := a.cache.Get(k)
	return p
}

// keep prepares the answer of an exchange that has been rendered, if it is one that others will get too.
func (s *Server) keep(x *exchange, ctx *fasthttp.RequestCtx) {
	k, ok := s.keyOf(x, ctx)
	if !ok {
		return
	}
	if p := s.answers.get(k); p != nil {
		return
	}
	if !s.answers.cache.Worth(k) {
		return
	}
	p := x.prepare(&ctx.Response.Header)
	if p == nil {
		return
	}
	k.path, k.noneMatch = strings.Clone(k.path), strings.Clone(k.noneMatch)
	_, _ = s.answers.cache.Load(s.base, k, func(context.Context) (*prepared, error) { return p, nil })
}

// keepUnknown prepares the answer for hosts that are not known: strangers can ask for those without end.
func (s *Server) keepUnknown(x *exchange, ctx *fasthttp.RequestCtx) {
	if s.answers.unknown.Load() != nil || !ctx.IsGet() || !ctx.Request.Header.IsHTTP11() || !x.head.plain() {
		return
	}
	a := unknownHost()
	if p := prepare(a.status, &ctx.Response.Header, len(a.body)); p != nil {
		p.body = []byte(a.body)
		s.answers.unknown.Store(p)
	}
}

// keyOf is for requests that answerHere would have looked up: the answer to any other may have been brought about by something that a
// key does not know.
func (s *Server) keyOf(x *exchange, ctx *fasthttp.RequestCtx) (k answerKey, ok bool) {
	p, h := &x.plan, &x.head
	target := ctx.Request.Header.RequestURI()
	switch {
	case !p.Fixed, x.skew.on, x.serving.content == catalog.Content{}, !ctx.IsGet(), !ctx.Request.Header.IsHTTP11(), !h.plain():
		return k, false
	case target[0] != '/', firstControl(target) < len(target), bytes.IndexByte(target, '#') >= 0:
		return k, false
	case h.ifNoneMatch != "" && (p.Status != fasthttp.StatusNotModified || len(h.ifNoneMatch) > maxNoneMatch || strings.IndexByte(h.ifNoneMatch, ',') >= 0):
		return k, false
	}
	path := originPath(target)
	if len(path) > maxPreparedPath || !plainlySpelt(path) {
		return k, false
	}
	var accepts acceptClass
	return answerKey{
		content: x.serving.content, path: view(path), noneMatch: h.ifNoneMatch, accepts: accepts.of(h.acceptEncoding),
		noIndex: x.req.NoIndex, noCORS: x.req.NoCORS,
	}, true
}

// plainlySpelt says that a path is spelt as browsers do: encoded is what must be (RFC 3986 section 2.4, the URL standard's path percent-encode
// set), with capitals, and there are no empty segments and none of dots.
func plainlySpelt(path []byte) bool {
	segment := 0
	for i := 0; i < len(path); i++ {
		switch b := path[i]; {
		case b == '%':
			v, ok := hexByte(path[i+1:])
			if !ok || !encodedInPaths(v) {
				return false
			}
			i += 2
		case encodedInPaths(b):
			return false
		case b == '/' && i > 0:
			if name := path[segment+1 : i]; len(name) == 0 || dots(name) {
				return false
			}
			segment = i
		}
	}
	return !dots(path[min(segment+1, len(path)):])
}

func dots(name []byte) bool { return string(name) == "." || string(name) == ".." }

func encodedInPaths(b byte) bool {
	return b <= ' ' || b >= 0x7f || strings.IndexByte("\"#%<>?^`{}", b) >= 0
}

// hexByte reads two hexadecimal digits, capitals.
func hexByte(b []byte) (v byte, ok bool) {
	const digits = "0123456789ABCDEF"
	if len(b) < 2 {
		return 0, false
	}
	high, low := strings.IndexByte(digits, b[0]), strings.IndexByte(digits, b[1])
	return byte(high<<4 | low), high >= 0 && low >= 0
}

// prepare takes down what fasthttp is about to send.
func (x *exchange) prepare(h *fasthttp.ResponseHeader) *prepared {
	b := &x.plan.Body
	if b.Kind == assets.BodyNone {
		return prepare(x.plan.Status, h, -1)
	}
	if b.Kind != assets.BodyBlob || b.Offset != 0 || b.Length != b.BlobSize || x.file != nil && x.file.fd < 0 {
		return nil
	}
	p := prepare(x.plan.Status, h, int(b.Length))
	if p != nil {
		p.body, p.blob = x.body, b.Blob
	}
	return p
}

// prepare is for a body of that size, or none if it is negative. It returns nil if the head has no date.
func prepare(status int, h *fasthttp.ResponseHeader, size int) *prepared {
	if size >= 0 {
		h.SetContentLength(size) // as fasthttp will
	}
	p := &prepared{status: status, head: bytes.Clone(h.Header()), size: int64(max(size, 0))}
	const name = "\r\nDate: "
	at := bytes.Index(p.head, []byte(name))
	if at < 0 || at+len(name)+dateLen > len(p.head) {
		return nil
	}
	p.date = at + len(name)
	return p
}

// acceptClass remembers the class of the last Accept-Encoding that was asked for: nearly always it is the same again.
type acceptClass struct {
	field [64]byte
	n     uint8
	known bool
	class uint16
}

func (a *acceptClass) of(field string) uint16 {
	if a.known && string(a.field[:a.n]) == field {
		return a.class
	}
	accepted := httpsem.ParseAcceptEncoding(field)
	class := accepted.Class()
	if len(field) <= len(a.field) {
		a.n, a.known, a.class = uint8(copy(a.field[:], field)), true, class
	}
	return class
}

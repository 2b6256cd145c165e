package assets

import (
	"net/http"
	"strings"

	"berth/assets/httpsem"
)

const (
	cacheRevalidate = "public, max-age=0, must-revalidate"
	cacheNothing    = "no-store"

	maxScratch = 64 << 10 // a Plan that grew beyond it does not keep it
	fieldsHint = 12
)

// Plan decides the response to req. It is total: every request gets a status.
func (s *Site) Plan(dst *Plan, req *Request) {
	dst.reset()
	path, query := dst.split(req.Target)
	// Redirect rules answer here, for every method, by the encoded path; a rewrite replaces path and goes on.
	s.answer(dst, req, path, query)
	dst.defaults()
	// Header rules apply here, by the encoded path of the request, to every status below 500.
	if dst.Status == http.StatusNotFound {
		// A deployment may bring the page in a moment, so no rule may let anybody keep its absence.
		dst.add("Cache-Control", static(cacheNothing))
	}
}

func (s *Site) answer(dst *Plan, req *Request, path, query string) {
	switch {
	case strings.EqualFold(req.Method, http.MethodGet):
	case strings.EqualFold(req.Method, http.MethodHead):
		dst.Head = true
	default:
		dst.Status = http.StatusMethodNotAllowed
		dst.add("Allow", static("GET, HEAD")) // RFC 9110 §15.5.6 wants it
		return
	}
	path = dst.decode(path)
	switch r := s.resolve(dst, path); r.outcome {
	case found:
		s.serve(dst, req, r.entry)
	case moved:
		dst.Status = http.StatusPermanentRedirect
		dst.add("Location", dst.location(r.path, r.slash, query))
	default:
		s.answerMissing(dst, req, path)
	}
}

// answerMissing takes the nearest 404.html; a site that has none above path but has an /index.html is a single-page
// application, which does its own routing.
func (s *Site) answerMissing(dst *Plan, req *Request, path string) {
	page := s.notFound.nearest(path)
	if page < 0 && s.index >= 0 {
		s.serve(dst, req, s.index)
		return
	}
	switch {
	case page < 0:
		dst.Status = http.StatusNotFound
	case httpsem.IdentityForbidden(req.AcceptEncoding):
		dst.Status = http.StatusNotAcceptable
	default:
		dst.Status = http.StatusNotFound
		s.setBody(dst, page)
	}
}

// serve answers with a file: 406, 304 or 200, in this order.
func (s *Site) serve(dst *Plan, req *Request, entry int) {
	if httpsem.IdentityForbidden(req.AcceptEncoding) {
		dst.Status = http.StatusNotAcceptable
		return
	}
	etag := dst.etag(s.files.At(entry).Key)
	if req.IfNoneMatch != "" && httpsem.NoneMatch(req.IfNoneMatch, view(etag)) {
		dst.Status = http.StatusNotModified // with the fields that RFC 9110 §15.4.5 wants
	} else {
		dst.Status = http.StatusOK
		s.setBody(dst, entry)
	}
	dst.add("ETag", etag)
	if !req.Authorization && req.Range == "" {
		dst.add("Cache-Control", static(cacheRevalidate))
	}
	if req.NoIndex && dst.Status == http.StatusOK {
		dst.add("X-Robots-Tag", static("noindex"))
	}
}

func (s *Site) setBody(dst *Plan, entry int) {
	e := s.files.At(entry)
	dst.Body = Body{Kind: BodyBlob, Blob: e.Digest, BlobSize: e.Size, Length: e.Size}
	dst.add("Content-Type", static(s.types[entry].String()))
}

// defaults adds what every response below 500 has.
func (p *Plan) defaults() {
	p.add("Access-Control-Allow-Origin", static("*"))
	p.add("Referrer-Policy", static("strict-origin-when-cross-origin"))
	if p.Body.Kind != BodyNone { // exactly then there is a Content-Type
		p.add("X-Content-Type-Options", static("nosniff"))
	}
}

// etag is the key in quotes, a strong entity tag: two files with one key have the same bytes and the same extension.
func (p *Plan) etag(key [16]byte) []byte {
	start := len(p.scratch)
	p.scratch = append(p.scratch, '"')
	for _, c := range key {
		p.scratch = append(p.scratch, lowerHex[c>>4], lowerHex[c&15])
	}
	p.scratch = append(p.scratch, '"')
	return p.scratch[start:len(p.scratch):len(p.scratch)]
}

func (p *Plan) add(name string, value []byte) {
	p.Fields = append(p.Fields, Field{Name: name, Value: value})
}

func (p *Plan) reset() {
	if cap(p.scratch) > maxScratch {
		p.scratch = nil
	}
	if p.Fields == nil {
		p.Fields = make([]Field, 0, fieldsHint)
	}
	*p = Plan{Fields: p.Fields[:0], scratch: p.scratch[:0]}
}

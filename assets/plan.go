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
	dst.Head = strings.EqualFold(req.Method, http.MethodHead)
	asked, query := dst.split(req.Target)
	// Redirects come first, for every method and even where there is a file; they and the header rules know the path as
	// it was asked for, encoded. A rewrite only replaces the path.
	path, redirected := s.redirect(dst, req, asked, query)
	if !redirected {
		s.answer(dst, req, path, query)
	}
	dst.defaults()
	s.applyHeaders(dst, req, asked)
	dst.insist()
}

func (s *Site) answer(dst *Plan, req *Request, path, query string) {
	if !dst.Head && !strings.EqualFold(req.Method, http.MethodGet) {
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
	switch {
	case page < 0 && s.index >= 0:
		s.fallBack(dst, req)
	case page < 0:
		dst.Status = http.StatusNotFound
	case httpsem.IdentityForbidden(req.AcceptEncoding):
		dst.Status = http.StatusNotAcceptable
	default:
		dst.Status = http.StatusNotFound
		s.setBody(dst, page)
	}
}

// serve answers with a file: 406, 304, and then the file or the part of it that was asked for. If-Match guards what a
// client is about to change, and nothing here can be changed; the original ignores it, and so do we.
func (s *Site) serve(dst *Plan, req *Request, entry int) {
	if httpsem.IdentityForbidden(req.AcceptEncoding) {
		dst.Status = http.StatusNotAcceptable
		return
	}
	tag := httpsem.ETag{Key: s.files.At(entry).Key}
	if httpsem.Evaluate("", req.IfNoneMatch, tag) == httpsem.NotModified {
		dst.Status = http.StatusNotModified // with the fields that RFC 9110 §15.4.5 wants
	} else if s.send(dst, req, entry, tag); dst.Status == http.StatusRequestedRangeNotSatisfiable {
		return
	}
	dst.add("ETag", dst.etag(tag))
	if !req.Authorization && req.Range == "" {
		dst.add("Cache-Control", static(cacheRevalidate))
	}
	if req.NoIndex && dst.Status != http.StatusNotModified {
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

// insist has the last word, after the header rules.
func (p *Plan) insist() {
	if p.fallback {
		p.add("Vary", static("Sec-Fetch-Dest")) // one field line more is as good as one more member (RFC 9110 §5.3)
	}
	if p.Status == http.StatusNotFound {
		// A deployment may bring the page in a moment, so no rule may let anybody keep its absence.
		p.remove("Cache-Control")
		p.add("Cache-Control", static(cacheNothing))
	}
}

// etag is the file's key in quotes, a strong entity tag: two files with one key have the same bytes and extension.
func (p *Plan) etag(tag httpsem.ETag) []byte {
	start := len(p.scratch)
	p.scratch = tag.Append(p.scratch)
	return p.scratch[start:len(p.scratch):len(p.scratch)]
}

func (p *Plan) add(name string, value []byte) {
	p.Fields = append(p.Fields, Field{Name: name, Value: value})
}

// remove drops every field of a name, in its canonical spelling.
func (p *Plan) remove(name string) {
	kept := p.Fields[:0]
	for _, f := range p.Fields {
		if f.Name != name {
			kept = append(kept, f)
		}
	}
	p.Fields = kept
}

func (p *Plan) reset() {
	if cap(p.scratch) > maxScratch {
		p.scratch = nil
	}
	if p.Fields == nil {
		p.Fields = make([]Field, 0, fieldsHint)
	}
	p.Status, p.Fields, p.Body, p.Head = 0, p.Fields[:0], Body{}, false
	p.Missing, p.KeptSource = false, 0
	p.fallback, p.scratch = false, p.scratch[:0]
}

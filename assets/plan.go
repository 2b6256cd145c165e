package assets

import (
	"net/http"
	"strings"
)

const (
	maxScratch = 64 << 10 // a Plan that grew beyond it does not keep it
	fieldsHint = 12
)

// Plan decides the response to req. It is total: every request gets a status. The order of evaluation is this function,
// answer and answerMissing, and nothing else.
func (s *Site) Plan(dst *Plan, req *Request) {
	dst.reset()
	dst.Head = strings.EqualFold(req.Method, http.MethodHead)
	asked, query := dst.split(req.Target)
	if t := dst.Trace; t != nil {
		t.say(StageTarget, "path %q, query %q", asked, query)
	}
	// Redirects come first, for every method and even where there is a file; they and the header rules know the path as
	// it was asked for, encoded. A rewrite only replaces the path.
	path, redirected := s.redirect(dst, req, asked, query)
	if !redirected {
		s.answer(dst, req, path, query)
	}
	dst.from = fromDefaults
	dst.defaults(req)
	s.applyHeaders(dst, req, asked)
	dst.from = fromServer
	dst.insist()
}

func (s *Site) answer(dst *Plan, req *Request, path, query string) {
	dst.from = fromMethod
	if !dst.Head && !strings.EqualFold(req.Method, http.MethodGet) {
		dst.Status = http.StatusMethodNotAllowed
		dst.add("Allow", static("GET, HEAD")) // RFC 9110 §15.5.6 wants it
		if t := dst.Trace; t != nil {
			t.say(StageMethod, "%q is neither GET nor HEAD: 405", req.Method)
		}
		return
	}
	path = dst.decode(path)
	r := s.resolve(dst, path)
	if t := dst.Trace; t != nil {
		t.resolved(s, path, &r)
	}
	switch r.outcome {
	case found:
		dst.from = fromFile
		f := s.file(r.entry)
		s.serve(dst, req, &f)
		dst.Fixed = s.fixed(dst, req, r.entry)
	case moved:
		dst.from = fromMove
		dst.Status = http.StatusPermanentRedirect
		dst.add("Location", dst.location(r.path, r.slash, query))
	default:
		dst.Missing = true
		s.answerMissing(dst, req, path)
	}
}

// fixed is for Plan.Fixed, where a file answers.
func (s *Site) fixed(dst *Plan, req *Request, entry int) bool {
	return (dst.Status == http.StatusOK || dst.Status == http.StatusNotModified) && !dst.ruled &&
		!req.Authorization && req.Range == "" && !s.headers.OfHosts() && !s.hints.Based(entry)
}

// answerMissing answers for a path that the deployment has no file for. A page that is still open may want what an
// earlier deployment had there. Otherwise there is the nearest 404.html; a site that has none above path but has an
// /index.html is a single-page application, which does its own routing.
func (s *Site) answerMissing(dst *Plan, req *Request, path string) {
	if s.serveKept(dst, req, path) {
		return
	}
	switch page := s.notFound.nearest(path); {
	case page >= 0:
		dst.from = fromNotFoundPage
		f := s.file(page)
		s.serveNotFoundPage(dst, req, &f)
	case s.index >= 0:
		dst.from = fromFallback
		s.fallBack(dst, req)
	default:
		dst.Status = http.StatusNotFound
		if t := dst.Trace; t != nil {
			t.say(StageMissing, "neither a 404.html above the path nor an /index.html: a bare 404")
		}
	}
}

// defaults adds what every response below 500 has.
func (p *Plan) defaults(req *Request) {
	if !req.NoCORS {
		p.add("Access-Control-Allow-Origin", static("*"))
	}
	p.add("Referrer-Policy", static("strict-origin-when-cross-origin"))
	if p.Body.Kind != BodyNone { // exactly then there is a Content-Type
		p.add("X-Content-Type-Options", static("nosniff"))
	}
}

// insist has the last word, after the header rules.
func (p *Plan) insist() {
	p.vary()
	switch p.Status {
	case http.StatusNotFound, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		// A deployment may bring the page in a moment, and who asks next may ask for another part of the file. So no rule
		// may let anybody keep these: whoever asks badly on purpose would take a file away from all behind the same cache.
		p.forbidCaching()
	}
}

func (p *Plan) forbidCaching() {
	p.removeAll(func(name string) bool { return name == "Cache-Control" || ForSharedCaches(name) })
	p.add("Cache-Control", static(cacheNothing))
}

func (p *Plan) reset() {
	if cap(p.scratch) > maxScratch {
		p.scratch = nil
	}
	if p.Fields == nil {
		p.Fields = make([]Field, 0, fieldsHint)
	}
	p.Status, p.Fields, p.Body, p.Head = 0, p.Fields[:0], Body{}, false
	p.Missing, p.Page, p.Fixed, p.ruled, p.KeptSource = false, false, false, false, 0
	p.fallback, p.encoded, p.scratch = false, false, p.scratch[:0]
	p.from = fromRedirect
	p.Trace.reset()
}

package assets

import (
	"net/http"
	"strings"
	"time"

	"berth/assets/httpsem"
	"berth/assets/manifest"
)

const (
	cacheRevalidate = "public, max-age=0, must-revalidate"
	cacheNothing    = "no-store"
	cacheAsIs       = "no-transform" // of what is sent in a content coding: a proxy that decoded it would break its tag
)

// file is one that a request can be answered with.
type file struct {
	manifest.Entry
	no  int // of its entry; notOurs: it is of an earlier deployment, and known in no coding and with no hints
	typ httpsem.MediaType
}

const notOurs = -1

func (s *Site) file(no int) file {
	return file{Entry: s.files.At(no), no: no, typ: s.typeOf(no)}
}

// serve answers with a file: 406, 412, 304, and then the file, parts of it, or 416 (RFC 9110 §13.2.2).
//
// If-Match guards what a client is about to change, and nothing here can be changed: the original ignores it, and so do
// we. But beside a Range it keeps parts of two files from being joined (§13.1.1), and there it counts.
func (s *Site) serve(dst *Plan, req *Request, f *file) {
	fields := httpsem.RequestFields{
		Get: !dst.Head, AcceptEncoding: req.AcceptEncoding, IfNoneMatch: req.IfNoneMatch, IfRange: req.IfRange, Range: req.Range,
	}
	if fields.Get && req.Range != "" {
		fields.IfMatch = req.IfMatch
	}
	s.negotiate(dst, &fields, f)
	switch dst.Status {
	case http.StatusNotAcceptable, http.StatusPreconditionFailed:
		return
	case http.StatusRequestedRangeNotSatisfiable:
		dst.refuseRange()
		return
	case http.StatusNotModified: // with the fields that §15.4.5 wants
	default:
		s.send(dst, f)
		dst.add("Accept-Ranges", static("bytes"))
	}
	dst.Page = dst.Status != http.StatusPartialContent && strings.HasPrefix(f.typ.String(), "text/html")
	dst.add("ETag", dst.etag())
	dst.cacheControl(req)
	if (req.NoIndex || f.no == notOurs) && dst.Status != http.StatusNotModified {
		dst.add("X-Robots-Tag", static("noindex"))
	}
	if dst.Status == http.StatusOK {
		s.hint(dst, req, f)
	}
}

// serveNotFoundPage answers 404 with a page. Nothing but its coding is the client's to choose, and it has no tag: what is
// not there is not to be kept.
func (s *Site) serveNotFoundPage(dst *Plan, req *Request, f *file) {
	if t := dst.Trace; t != nil {
		t.say(StageMissing, "%q is the nearest 404.html", f.Path)
	}
	s.negotiate(dst, &httpsem.RequestFields{AcceptEncoding: req.AcceptEncoding}, f)
	if dst.Status == http.StatusOK {
		dst.Status, dst.Page = http.StatusNotFound, true
		s.send(dst, f)
	}
}

// negotiate sets the status and what of the file it is about.
func (s *Site) negotiate(dst *Plan, fields *httpsem.RequestFields, f *file) {
	stored := &dst.stored
	stored.Set = httpsem.IdentityOnly
	stored.Sizes[httpsem.Identity], stored.Keys[httpsem.Identity] = f.Size, f.Key
	plain := false
	if variants := s.variants.Set(f.no); variants != 0 {
		dst.encoded = true
		s.addVariants(stored, variants, f.no)
	} else if !httpsem.IdentityForbidden(fields.AcceptEncoding) {
		// There is nothing to choose. Nearly every other request has no condition either, and its answer is known.
		fields.AcceptEncoding = ""
		plain = fields.IfNoneMatch == "" && fields.Range == ""
	}
	if plain {
		dst.answer.Status, dst.answer.ETag, dst.answer.Size = http.StatusOK, httpsem.ETag{Key: f.Key}, f.Size
	} else {
		httpsem.Negotiate(&dst.answer, fields, stored)
	}
	dst.Status = dst.answer.Status
	dst.encoded = dst.encoded || dst.Status == http.StatusNotAcceptable
	if t := dst.Trace; t != nil {
		t.negotiated(dst, fields, f)
	}
}

func (s *Site) addVariants(stored *httpsem.Stored, set httpsem.EncodingSet, no int) {
	stored.Set |= set
	for e := httpsem.Identity + 1; int(e) < httpsem.NumEncodings; e++ {
		if blob, size, ok := s.variants.At(no, e); ok {
			stored.Sizes[e], stored.Keys[e] = size, [16]byte(blob[:16])
		}
	}
}

// etag is of the representation that was selected: a strong tag, for it names the bytes.
func (p *Plan) etag() []byte {
	start := len(p.scratch)
	p.scratch = p.answer.ETag.Append(p.scratch)
	return p.scratch[start:len(p.scratch):len(p.scratch)]
}

func (p *Plan) cacheControl(req *Request) {
	kept := !req.Authorization && req.Range == ""
	switch asIs := p.answer.ETag.Encoding != httpsem.Identity; {
	case asIs && kept:
		p.add("Cache-Control", static(cacheAsIs+", "+cacheRevalidate))
	case asIs:
		p.add("Cache-Control", static(cacheAsIs))
	case kept:
		p.add("Cache-Control", static(cacheRevalidate))
	}
}

// hint adds the links that a browser may follow before it has read the page. Those that a <base> has a say in are
// written with the origin that the client used.
func (s *Site) hint(dst *Plan, req *Request, f *file) {
	link := s.hints.At(f.no)
	if link == nil {
		return
	}
	if s.hints.Based(f.no) {
		start := len(dst.scratch)
		dst.scratch = append(dst.scratch, req.Host...)
		if req.Port != "" {
			dst.scratch = append(append(dst.scratch, ':'), req.Port...)
		}
		mid := len(dst.scratch)
		dst.scratch = s.hints.Append(dst.scratch, f.no, req.Scheme, view(dst.scratch[start:mid]))
		link = dst.scratch[mid:len(dst.scratch):len(dst.scratch)]
	}
	dst.add("Link", link)
}

// serveKept answers with a file of an earlier deployment, if one is kept for the path. A page never is (kept.Keepable): it
// would show what has been taken back.
func (s *Site) serveKept(dst *Plan, req *Request, path string) bool {
	if req.Kept == nil {
		return false
	}
	k, ok := req.Kept.Lookup(path, req.Now)
	if !ok {
		if t := dst.Trace; t != nil {
			t.say(StageKept, "no earlier deployment's file is kept for %q", path)
		}
		return false
	}
	if t := dst.Trace; t != nil {
		t.say(StageKept, "%q of deployment %d is kept until %s", k.Path, k.Source, time.Unix(k.Until, 0).UTC().Format(time.RFC3339))
	}
	dst.from, dst.KeptSource = fromKept, k.Source
	s.serve(dst, req, &file{Entry: k.Entry, no: notOurs, typ: httpsem.MediaTypeOf(k.Path)})
	return true
}

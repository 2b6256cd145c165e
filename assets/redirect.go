package assets

import (
	"net/http"

	"berth/assets/rules"
)

// redirect finds the rule of _redirects for an encoded path. It answers, or returns the path to go on with: a rule of
// status 200 replaces it, once.
func (s *Site) redirect(dst *Plan, req *Request, path, query string) (next string, answered bool) {
	n, ok := s.redirects.Find(path)
	if !ok {
		return path, false
	}
	start := len(dst.scratch)
	dst.asked = rules.Request{Scheme: req.Scheme, Host: req.Host, Path: path, Query: query}
	dst.scratch, ok = s.redirects.Answer(dst.scratch, n, &dst.asked)
	if !ok {
		return path, false
	}
	to := dst.scratch[start:len(dst.scratch):len(dst.scratch)]
	status := s.redirects.Rule(n).Status
	if status == http.StatusOK {
		return view(to), false
	}
	dst.Status = status
	dst.add("Location", to)
	if status != http.StatusPermanentRedirect { // the original's 308 has no body
		dst.explain(to)
	}
	return path, true
}

// explain gives a redirect the body that a person sees whose client does not follow it.
func (p *Plan) explain(location []byte) {
	start := len(p.scratch)
	p.scratch = append(append(p.scratch, "Redirecting to "...), location...)
	text := p.scratch[start:len(p.scratch):len(p.scratch)]
	p.Body = Body{Kind: BodyInline, Inline: text, Length: int64(len(text))}
	p.add("Content-Type", static("text/plain;charset=UTF-8"))
}

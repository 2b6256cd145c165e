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
		if t := dst.Trace; t != nil {
			t.say(StageRedirects, "none of %d rules matches", s.redirects.Len())
		}
		return path, false
	}
	dst.ruled = true
	start, rule := len(dst.scratch), s.redirects.Rule(n)
	dst.asked = rules.Request{Scheme: req.Scheme, Host: req.Host, Path: path, Query: query}
	if dst.scratch, ok = s.redirects.Answer(dst.scratch, n, &dst.asked); !ok {
		if t := dst.Trace; t != nil {
			t.sayLine(StageRedirects, rules.RedirectsFile, rule.Line, "%s %s matches, but makes no URL of this path", rule.From, rule.To)
		}
		return path, false
	}
	to := dst.scratch[start:len(dst.scratch):len(dst.scratch)]
	if answered = rule.Status != http.StatusOK; answered {
		dst.sendElsewhere(rule.Status, to)
	}
	if t := dst.Trace; t != nil {
		t.redirected(rule, to)
	}
	return view(to), answered
}

func (p *Plan) sendElsewhere(status int, to []byte) {
	p.Status = status
	p.add("Location", to)
	if status != http.StatusPermanentRedirect { // the original's 308 has no body
		p.explain(to)
	}
}

// explain gives a redirect the body that a person sees whose client does not follow it.
func (p *Plan) explain(location []byte) {
	start := len(p.scratch)
	p.scratch = append(append(p.scratch, "Redirecting to "...), location...)
	text := p.scratch[start:len(p.scratch):len(p.scratch)]
	p.Body = Body{Kind: BodyInline, Inline: text, Length: int64(len(text))}
	p.add("Content-Type", static("text/plain;charset=UTF-8"))
}

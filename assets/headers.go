package assets

import "berth/assets/httpsem"

// applyHeaders carries out the rules of _headers that match the host and the encoded path that was asked for.
func (s *Site) applyHeaders(dst *Plan, req *Request, path string) {
	var lines map[string][]int
	if dst.Trace != nil {
		lines = s.traceHeaders(dst, req, path)
	}
	s.headers.Apply(&dst.changes, req.Host, path)
	own := len(dst.Fields) // those before the rules': a rule replaces no other rule's, as every name is changed once
	for i := range dst.changes.List {
		c := &dst.changes.List[i]
		if why := dst.whyNot(c.Name, c.Add, c.Value); why != "" {
			if t := dst.Trace; t != nil {
				t.say(StageHeaders, "%s is left alone: %s", c.Name, why)
			}
			continue
		}
		if c.Replace {
			own -= dst.removeOf(own, c.Name)
		}
		if !c.Add {
			continue
		}
		dst.add(c.Name, c.Value)
		if t := dst.Trace; t != nil {
			t.originateRule(c, lines)
		}
	}
}

// whyNot says why a rule must not have its way with a field of this response; empty: it may.
func (p *Plan) whyNot(name string, set bool, value []byte) string {
	switch {
	case p.fallback && set && keepsLong(name, value):
		return "the next deployment may bring the file that the fallback stands for"
	case p.Body.Kind == BodyMultipart && (name == "Content-Type" || name == "Content-Encoding"):
		return "it says how the parts are told apart, and has a coding in each"
	case p.Body.Kind == BodyBlob && name == "Content-Encoding" && p.answer.ETag.Encoding != httpsem.Identity:
		return "the server chose the coding"
	}
	return ""
}

package assets

// applyHeaders carries out the rules of _headers that match the host and the encoded path that was asked for.
func (s *Site) applyHeaders(dst *Plan, req *Request, path string) {
	var lines map[string][]int
	if dst.Trace != nil {
		lines = s.traceHeaders(dst, req, path)
	}
	s.headers.Apply(&dst.changes, req.Host, path)
	for i := range dst.changes.List {
		c := &dst.changes.List[i]
		if dst.fallback && c.Add && keepsLong(c.Name, c.Value) {
			if t := dst.Trace; t != nil {
				t.say(StageHeaders, "%s is not set: the next deployment may bring the file that the fallback stands for", c.Name)
			}
			continue
		}
		if c.Replace {
			dst.remove(c.Name)
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

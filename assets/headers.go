package assets

// applyHeaders carries out the rules of _headers that match the host and the encoded path that was asked for.
func (s *Site) applyHeaders(dst *Plan, req *Request, path string) {
	s.headers.Apply(&dst.changes, req.Host, path)
	for i := range dst.changes.List {
		c := &dst.changes.List[i]
		if dst.fallback && c.Add && keepsLong(c.Name, c.Value) {
			continue
		}
		if c.Replace {
			dst.remove(c.Name)
		}
		if c.Add {
			dst.add(c.Name, c.Value)
		}
	}
}

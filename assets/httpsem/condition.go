package httpsem

import "strings"

// NoneMatch says whether an If-None-Match field holds the entity tag of the representation, so that GET and HEAD are
// to be answered 304 (RFC 9110 §13.1.2). The comparison is the weak one: W/ counts for nothing on either side. "*"
// matches every representation. After a malformed element the rest of the list is not believed: the request is
// answered in full, which is always right.
func NoneMatch(field, etag string) bool {
	field = strings.Trim(field, ows)
	if field == "*" {
		return true
	}
	etag = strings.TrimPrefix(etag, "W/")
	for {
		field = strings.TrimLeft(field, ows+",") // empty elements are to be ignored (§5.6.1.2)
		field = strings.TrimPrefix(field, "W/")
		tag, rest, ok := cutEntityTag(field)
		if !ok {
			return false
		}
		field = strings.TrimLeft(rest, ows)
		if field != "" && field[0] != ',' {
			return false
		}
		if tag == etag {
			return true
		}
	}
}

const ows = " \t"

// cutEntityTag splits a leading opaque-tag, quotes included, from s (§8.8.3).
func cutEntityTag(s string) (tag, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[:i+1], s[i+1:], true
		case c <= ' ' || c == 0x7f:
			return "", "", false
		}
	}
	return "", "", false
}

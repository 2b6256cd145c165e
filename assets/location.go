package assets

import (
	"strings"
	"unicode/utf8"
)

// location makes the value of a Location field for a path of this site (decoded, and a slash after it if slash is set)
// and a query as split left it. The path leaves percent-encoded: a name may hold "?", "#" and "%", and line breaks
// must not reach a header.
func (p *Plan) location(path string, slash bool, query string) []byte {
	start := len(p.scratch)
	p.scratch = append(p.scratch, '/')
	for _, c := range []byte(afterLeadingRun(path)) {
		if escapes[c]&inLocation != 0 {
			p.scratch = appendEscape(p.scratch, c)
		} else {
			p.scratch = append(p.scratch, c)
		}
	}
	if slash && len(p.scratch) > start+1 { // what the run swallowed is one slash already
		p.scratch = append(p.scratch, '/')
	}
	p.appendQuery(query)
	return p.scratch[start:len(p.scratch):len(p.scratch)]
}

// appendQuery appends "?" and the query as a URL parser would write it; an empty query is none.
func (p *Plan) appendQuery(query string) {
	query, _, _ = strings.Cut(query, "#")
	if strings.Trim(query, "\t\r\n") == "" {
		return
	}
	p.scratch = append(p.scratch, '?')
	for _, c := range []byte(query) {
		switch {
		case c == '\t' || c == '\r' || c == '\n':
		case escapes[c]&inQuery != 0:
			p.scratch = appendEscape(p.scratch, c)
		default:
			p.scratch = append(p.scratch, c)
		}
	}
}

// afterLeadingRun cuts from path what a browser could read as the start of a scheme-relative URL: the leading run of
// slashes, backslashes, white space and their escaped spellings. Like the original it cuts white space without any slash
// too, so that a directory with a space before its name is not redirected to.
func afterLeadingRun(path string) string {
	rest := path[1:]
	for rest != "" {
		n := 1
		switch r, size := utf8.DecodeRuneInString(rest); {
		case r == '/' || r == '\\':
		case isSpace(r):
			n = size
		case escapedSlash(rest):
			n = len("%2F")
		default:
			return rest
		}
		rest = rest[n:]
	}
	return rest
}

func escapedSlash(s string) bool {
	if len(s) < 3 || s[0] != '%' {
		return false
	}
	switch s[1:3] {
	case "2F", "2f", "5C", "5c", "09":
		return true
	}
	return false
}

// isSpace is JavaScript's white space and line ends.
func isSpace(r rune) bool {
	switch {
	case r >= '\t' && r <= '\r', r == ' ', r == 0xa0, r == 0x1680, r >= 0x2000 && r <= 0x200a:
		return true
	case r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000, r == 0xfeff:
		return true
	}
	return false
}

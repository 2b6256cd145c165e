package assets

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"berth/assets/rules"
)

// split parses the request target as a browser parses the path of a URL (WHATWG URL, special schemes): the path with
// its dot segments resolved and odd bytes percent-encoded, escapes that came with it untouched; the query as it came,
// without "?" (appendQuery normalises it, where it is needed). An ordinary target is sliced, not copied. A target that
// is no path ("*") is taken as if it had the slash.
func (p *Plan) split(target string) (path, query string) {
	for len(target) > 0 && target[len(target)-1] <= ' ' {
		target = target[:len(target)-1]
	}
	if len(target) == 0 || target[0] != '/' {
		return p.normalise(target)
	}
	for i := 0; i < len(target); i++ {
		c := target[i]
		if c == '?' {
			return target[:i], target[i+1:]
		}
		if escapes[c]&inTarget != 0 || c == '/' && i+1 < len(target) && (target[i+1] == '.' || target[i+1] == '%') {
			return p.normalise(target)
		}
	}
	return target, ""
}

// Address is what a browser's address bar would have of a request's target: the encoded path, which _routes.json is matched with, and
// "?" and the query, encoded too; "" if there is none. Both are valid until p is used again.
func (p *Plan) Address(target string) (path, query string) {
	p.scratch = p.scratch[:0]
	path, query = p.split(target)
	start := len(p.scratch)
	p.appendQuery(query)
	return path, view(p.scratch[start:])
}

// normalise is split for targets with anything out of the ordinary.
func (p *Plan) normalise(target string) (path, query string) {
	target, _, _ = strings.Cut(target, "#")
	target, query, _ = strings.Cut(target, "?")
	start := len(p.scratch)
	for rest, more := skipSeparator(target), true; more; {
		p.scratch = append(p.scratch, '/')
		segment := len(p.scratch)
		rest, more = p.appendSegment(rest)
		switch rules.DotSegment(p.scratch[segment:]) {
		case 0:
			continue
		case 1:
			p.scratch = p.scratch[:segment-1]
		case 2:
			p.scratch = p.scratch[:segment-1]
			if up := bytes.LastIndexByte(p.scratch[start:], '/'); up >= 0 {
				p.scratch = p.scratch[:start+up]
			}
		}
		if !more {
			p.scratch = append(p.scratch, '/')
		}
	}
	return view(p.scratch[start:]), query
}

// skipSeparator cuts the slash that starts a path, which may hide behind bytes that count for nothing.
func skipSeparator(target string) string {
	t := strings.TrimLeft(target, "\t\r\n")
	if t != "" && (t[0] == '/' || t[0] == '\\') {
		return t[1:]
	}
	return target
}

// appendSegment copies the first segment of rest, percent-encoding what has to be. More says that a separator ended it.
func (p *Plan) appendSegment(path string) (rest string, more bool) {
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '/' || c == '\\':
			return path[i+1:], true
		case c == '\t' || c == '\r' || c == '\n': // a URL parser drops them wherever they stand
		case escapes[c]&inPath != 0:
			p.scratch = appendEscape(p.scratch, c)
		default:
			p.scratch = append(p.scratch, c)
		}
	}
	return "", false
}

// decode undoes percent-encoding all or nothing, as decodeURIComponent does: where one escape is malformed or the
// result is not UTF-8, the path stays as it is.
func (p *Plan) decode(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	start := len(p.scratch)
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			p.scratch = append(p.scratch, path[i])
			continue
		}
		if i+2 >= len(path) || unhex[path[i+1]] < 0 || unhex[path[i+2]] < 0 {
			return path
		}
		p.scratch = append(p.scratch, byte(unhex[path[i+1]])<<4|byte(unhex[path[i+2]]))
		i += 2
	}
	if decoded := p.scratch[start:]; utf8.Valid(decoded) {
		return view(decoded)
	}
	return path
}

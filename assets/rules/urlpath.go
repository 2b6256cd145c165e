package rules

import (
	"bytes"
	"strings"
)

// The parser of the original runs paths through a URL of a made-up scheme, for which a backslash is an ordinary
// character. Destinations meet the rules of http and https later, when they are resolved.

// normalPath percent-encodes a path and resolves its dot segments. It adds the slash that a path begins with.
func normalPath(path string) string {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	path = escaped(path, inPath)
	if !mayHaveDots(path) {
		return path
	}
	return string(resolveDots([]byte(path)))
}

// splitReference cuts what follows the authority of a URL. Without "?" or "#", and with nothing behind them, query and
// fragment are empty.
func splitReference(s string) (path, query, fragment string) {
	s, fragment, _ = strings.Cut(s, "#")
	path, query, _ = strings.Cut(s, "?")
	return path, query, fragment
}

// normalReference is normalPath for a path with query and fragment.
func normalReference(s string) string {
	path, query, fragment := splitReference(s)
	path = normalPath(path)
	if query != "" {
		path += "?" + escaped(query, inQuery)
	}
	if fragment != "" {
		path += "#" + escaped(fragment, inFragment)
	}
	return path
}

func mayHaveDots[T string | []byte](path T) bool {
	for i := 0; i+1 < len(path); i++ {
		if path[i] == '/' && (path[i+1] == '.' || path[i+1] == '%') {
			return true
		}
	}
	return false
}

// resolveDots resolves the dot segments of a path, in place: the result is never longer.
func resolveDots(path []byte) []byte {
	out := path[:0]
	for i := 0; i < len(path); {
		end := len(path)
		if n := bytes.IndexByte(path[i+1:], '/'); n >= 0 {
			end = i + 1 + n
		}
		n := DotSegment(path[i+1 : end])
		if n == 0 {
			out = append(out, path[i:end]...)
		}
		if up := bytes.LastIndexByte(out, '/'); n == 2 && up >= 0 {
			out = out[:up]
		}
		if n > 0 && end == len(path) {
			out = append(out, '/')
		}
		i = end
	}
	return out
}

// DotSegment is 1 or 2 for a dot segment of so many dots, each of them spelled "." or "%2e", and 0 for any other segment.
// The planner asks it too: a rule's path and a request's must be cleaned alike, or the rule could not match.
func DotSegment(segment []byte) int {
	if len(segment) > 6 {
		return 0
	}
	n := 0
	for len(segment) > 0 {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case len(segment) >= 3 && segment[0] == '%' && segment[1] == '2' && segment[2]|0x20 == 'e':
			segment = segment[3:]
		default:
			return 0
		}
		n++
	}
	if n > 2 {
		return 0
	}
	return n
}

// collapseSlashes cuts the run of slashes and backslashes that starts path down to one slash, in place. Two would make
// it a URL without a scheme, whose host is what follows.
func collapseSlashes(path []byte) []byte {
	n := 0
	for n < len(path) && (path[n] == '/' || path[n] == '\\') {
		n++
	}
	if n < 2 {
		return path
	}
	return append(path[:1], path[n:]...)
}

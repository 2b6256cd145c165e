package edge

import (
	"bytes"
	"strings"
	"unsafe"
)

// view is b as a string, without a copy: good for as long as b is left alone.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// targetForm is one of the forms of RFC 9112 section 3.2.
type targetForm uint8

const (
	originForm targetForm = iota
	asteriskForm
	badForm
)

// splitTarget finds the origin-form and the authority of a request target. An absolute-form target replaces the
// Host field (section 3.2.2); any other leaves it.
func splitTarget(target, host []byte) (form targetForm, origin, authority []byte) {
	if len(target) > 0 && target[0] == '/' {
		return originForm, target, host
	}
	if len(target) == 1 && target[0] == '*' {
		return asteriskForm, nil, host
	}
	rest, ok := cutScheme(target)
	if !ok {
		return badForm, nil, nil
	}
	end := bytes.IndexAny(rest, "/?#")
	if end < 0 {
		return originForm, slash(), rest
	}
	if end == 0 || rest[end] != '/' {
		// "http://host?query" is legal but for the empty path, which would have to be made up; nobody sends it.
		return badForm, nil, nil
	}
	return originForm, rest[end:], rest[:end]
}

func slash() []byte { return []byte("/") }

func cutScheme(target []byte) (rest []byte, ok bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) > len(scheme) && foldEqual(target[:len(scheme)], scheme) {
			return target[len(scheme):], true
		}
	}
	return nil, false
}

// originPath is the path of an origin-form target.
func originPath(origin []byte) []byte {
	if i := bytes.IndexAny(origin, "?#"); i >= 0 {
		return origin[:i]
	}
	return origin
}

// portOf is the port that a valid authority names, "" if there is none or it is the scheme's own.
func portOf(authority, scheme string) string {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 || strings.IndexByte(authority[colon:], ']') >= 0 {
		return ""
	}
	port := strings.TrimLeft(authority[colon+1:], "0")
	if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return ""
	}
	return port
}

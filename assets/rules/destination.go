package rules

import (
	"strings"
	"unsafe"
)

type destKind uint8

const (
	local      destKind = iota // written as a path
	sameScheme                 // written as //host/path
	secure                     // written as https://host/path
)

// destination is what a redirect leads to, cut into the parts of a URL, ready but for the placeholders.
type destination struct {
	kind     destKind
	constant bool // no placeholder anywhere

	fixed string    // the path, if it has no placeholder; begins with "/", as path does
	path  template  // nil: fixed
	rest  *destRest // nil: nothing
}

// destRest is what most destinations do not have.
type destRest struct {
	at       authority // unless host is set
	host     template  // an authority with placeholders, to be parsed when they are replaced
	query    template  // without "?"
	fragment template  // without "#"
}

var noRest destRest

// more is never nil.
func (d *destination) more() *destRest {
	if d.rest == nil {
		return &noRest
	}
	return d.rest
}

// parseTo checks the form of a rule's destination and normalises it. The result begins with "https://", "//" or "/". Whether
// a host is one, newDestination says.
func parseTo(token string) (to string, kind destKind, ok bool) {
	if rest, isURL := strings.CutPrefix(token, "https://"); isURL {
		to, ok = normalRemote("https://", strings.TrimLeft(rest, "/"))
		return to, secure, ok
	}
	if rest := strings.TrimLeft(token, "/"); len(token)-len(rest) >= 2 {
		host, after := cutAuthority(rest)
		if DotSegment([]byte(host)) > 0 { // "//../x", which the original resolves: no host has that name
			return rooted(normalReference("/" + rest)), local, true
		}
		if after = normalReference(after); len(rest) == len(host) || rest[len(host)] == '?' || rest[len(host)] == '#' {
			after = after[1:] // the slash comes when the destination is resolved
		}
		return token[:len(token)-len(rest)] + escaped(host, inPath) + after, sameScheme, true
	}
	if !strings.HasPrefix(token, "/") {
		return "", local, false
	}
	return rooted(normalReference(token)), local, true // a dot segment makes several slashes, as in "/.//x"
}

// rooted is path with one slash in front of it.
func rooted(path string) string {
	if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") {
		return path
	}
	return "/" + strings.TrimLeft(path, "/")
}

func normalRemote(scheme, rest string) (string, bool) {
	host, after := cutAuthority(rest)
	return scheme + host + normalReference(oneSlash(after)), host != ""
}

// oneSlash drops the second slash of a path behind an authority: like the original, a rule takes https://host//path for
// https://host/path.
func oneSlash(after string) string {
	if strings.HasPrefix(after, "//") {
		return after[1:]
	}
	return after
}

// cutAuthority cuts a URL behind its authority, which a backslash ends as a slash does.
func cutAuthority(rest string) (host, after string) {
	end := strings.IndexAny(rest, "/\\?#")
	if end < 0 {
		return rest, ""
	}
	if rest[end] == '\\' {
		return rest[:end], "/" + rest[end+1:]
	}
	return rest[:end], rest[end:]
}

// newDestination compiles what parseTo made of a destination. Not ok is a host or port that no URL can have.
func newDestination(to string, kind destKind, names []string) (d destination, ok bool) {
	d.kind = kind
	var more destRest
	rest := to
	if kind != local {
		var host string
		host, rest = cutAuthority(strings.TrimLeft(strings.TrimPrefix(to, "https:"), "/\\"))
		more.host = newTemplate(host, names)
		if more.at, ok = parseAuthority(sample(more.host)); !ok {
			return d, false
		}
		if more.host.constant() {
			more.host = nil
		}
	}
	path, query, fragment := splitReference(rest)
	if path == "" && !more.hostEndsInPath() {
		path = "/"
	}
	if strings.Contains(path, `\`) { // of http and https it is a slash
		path = string(resolveDots([]byte(strings.ReplaceAll(path, `\`, "/"))))
	}
	if kind == local {
		path = rooted(path)
	}
	d.fixed = path
	if len(names) > 0 && strings.IndexByte(path, ':') >= 0 {
		if t := newTemplate(path, names); !t.constant() {
			d.fixed, d.path = "", t
		}
	}
	more.query = newTemplate(escaped(query, inSpecialQuery), names)
	more.fragment = newTemplate(fragment, names)
	d.constant = more.host == nil && d.path == nil && more.query.constant() && more.fragment.constant()
	if kind != local || more.query != nil || more.fragment != nil {
		kept := more // more itself stays off the heap
		d.rest = &kept
	}
	return d, true
}

// hostEndsInPath reports a host whose last placeholder may bring a path of its own.
func (d *destRest) hostEndsInPath() bool {
	return len(d.host) > 0 && d.host[len(d.host)-1].capture >= 0
}

// sample is t with something for each placeholder that could stand in a host name.
func sample(t template) string {
	var b strings.Builder
	for _, p := range t {
		if p.capture < 0 {
			b.WriteString(p.text)
		} else {
			b.WriteByte('x')
		}
	}
	return b.String()
}

// anyHost reports that whoever makes the URL chooses the site: a placeholder is the end of the host's name.
func (d *destination) anyHost() bool {
	host := d.more().host
	if len(host) == 0 {
		return false
	}
	last := host[len(host)-1]
	if last.capture < 0 && strings.Trim(last.text, ":0123456789") == "" && len(host) > 1 {
		last = host[len(host)-2]
	}
	return last.capture >= 0
}

func (d *destination) weight() int64 {
	w := int64(unsafe.Sizeof(*d)) + d.path.weight() + int64(len(d.fixed)) // which often is a part of the rule's text
	if r := d.rest; r != nil {
		w += int64(unsafe.Sizeof(*r)) + int64(len(r.at.user)+len(r.at.host)+len(r.at.port)) + r.host.weight() + r.query.weight() + r.fragment.weight()
	}
	return w
}

package rules

import "strings"

// answer is a destination being resolved against a request.
type answer struct {
	dest     *destination
	fixed    string // what dest.fixed is for
	req      *Request
	captures captures
	out      []byte
	start    int // of what is appended
}

func (a *answer) room() int { return maxExpanded - (len(a.out) - a.start) }

// rewrite appends the path of the resolved destination.
func (a *answer) rewrite() bool {
	_, path, ok := a.authority()
	if !ok {
		return false
	}
	a.out = append(a.out, path...)
	return a.pathFrom(a.start, a.dest.kind == local)
}

// location appends the resolved destination.
func (a *answer) location() bool {
	if a.dest.kind == local {
		return a.pathFrom(a.start, true) && a.rest()
	}
	at, path, ok := a.authority()
	if !ok {
		return false
	}
	mine := "http"
	if a.req.Scheme == "https" {
		mine = "https"
	}
	scheme := mine
	if a.dest.kind == secure {
		scheme = "https"
	}
	if at.port == "443" && scheme == "https" || at.port == "80" && scheme == "http" {
		at.port = ""
	}
	if scheme != mine || at.host != a.req.Host || at.port != "" {
		return a.remote(scheme, at, path) && a.rest()
	}
	a.out = append(a.out, path...)
	if !a.pathFrom(a.start, false) {
		return false
	}
	if here := a.out[a.start:]; len(here) > 1 && here[1] == '/' { // without a host it would be read as one
		a.out = a.out[:a.start]
		return a.remote(scheme, at, path) && a.rest()
	}
	return a.rest()
}

// authority replaces the placeholders of a host and parses the result. What a placeholder holds is a name or the end
// of one, so that it cannot turn what is written behind it into something else: only a placeholder that ends the host
// may go on with a path, and there the slash of an empty path comes only now.
func (a *answer) authority() (at authority, path string, ok bool) {
	more := a.dest.more()
	if more.host == nil {
		return more.at, "", true
	}
	mark := len(a.out)
	defer func() { a.out = a.out[:mark] }()
	for i, p := range more.host {
		text := p.text
		if p.capture >= 0 {
			text = a.captures.text(p.capture)
			if slash := strings.IndexAny(text, "/\\"); slash >= 0 && i == len(more.host)-1 {
				text, path = text[:slash], escaped(strings.ReplaceAll(text[slash:], "\\", "/"), inPath)
			}
			if strings.ContainsAny(text, "/\\@?#") || len(text) > a.room() {
				return authority{}, "", false
			}
		}
		a.out = append(a.out, text...)
	}
	if path == "" && a.dest.path == nil && a.fixed == "" {
		path = "/"
	}
	at, ok = parseAuthority(string(a.out[mark:]))
	return at, path, ok
}

func (a *answer) remote(scheme string, at authority, path string) bool {
	a.out = append(append(a.out, scheme...), "://"...)
	a.out = append(append(a.out, at.user...), at.host...)
	if at.port != "" {
		a.out = append(append(a.out, ':'), at.port...)
	}
	begin := len(a.out)
	a.out = append(a.out, path...)
	return a.pathFrom(begin, false)
}

// pathFrom appends the destination's path to what is out[begin:]. A path of this site must not begin with two slashes:
// for a client that would be another host.
func (a *answer) pathFrom(begin int, ofSite bool) bool {
	if fixed := a.fixed; len(fixed) > a.room() {
		return false
	} else if fixed != "" {
		a.out = append(a.out, fixed...)
	}
	var ok bool
	if a.out, ok = a.dest.path.expand(a.out, &a.captures, inPath, a.room()); !ok {
		return false
	}
	if a.dest.constant {
		return true
	}
	path := a.out[begin:]
	for i, c := range path {
		if c == '\\' {
			path[i] = '/'
		}
	}
	if mayHaveDots(path) {
		path = resolveDots(path)
	}
	if ofSite {
		path = collapseSlashes(path)
	}
	a.out = a.out[:begin+len(path)]
	return true
}

// rest appends query and fragment.
func (a *answer) rest() bool {
	ok := true
	mark := len(a.out)
	a.out = append(a.out, '?')
	if a.out, ok = a.dest.more().query.expand(a.out, &a.captures, inSpecialQuery, a.room()); !ok {
		return false
	}
	if len(a.out) == mark+1 {
		a.out = appendQuery(a.out, a.req.Query)
	}
	if len(a.out) == mark+1 {
		a.out = a.out[:mark]
	}
	mark = len(a.out)
	a.out = append(a.out, '#')
	if a.out, ok = a.dest.more().fragment.expand(a.out, &a.captures, inFragment, a.room()); !ok {
		return false
	}
	if len(a.out) == mark+1 {
		a.out = a.out[:mark]
	}
	return a.room() >= 0
}

// appendQuery appends the query of a request target as a URL parser would write it.
func appendQuery(dst []byte, query string) []byte {
	query, _, _ = strings.Cut(query, "#")
	for i := range len(query) {
		switch c := query[i]; {
		case c == '\t' || c == '\r' || c == '\n': // a URL parser drops them wherever they stand
		case escapes[c]&inSpecialQuery != 0:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

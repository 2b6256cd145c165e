package rules

import "strings"

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

	at       authority // unless host is set
	host     template  // an authority with placeholders, to be parsed when they are replaced
	path     template  // begins with "/"
	query    template  // without "?"
	fragment template  // without "#"
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
			return "/" + strings.TrimLeft(normalReference("/"+rest), "/"), local, true
		}
		if after = normalReference(after); len(rest) == len(host) || rest[len(host)] == '?' || rest[len(host)] == '#' {
			after = after[1:] // the slash comes when the destination is resolved
		}
		return token[:len(token)-len(rest)] + escaped(host, inPath) + after, sameScheme, true
	}
	if !strings.HasPrefix(token, "/") {
		return "", local, false
	}
	to = normalReference(token)
	if strings.HasPrefix(to, "//") { // made by a dot segment, as in "/.//x"
		to = "/" + strings.TrimLeft(to, "/")
	}
	return to, local, true
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
	rest := to
	if kind != local {
		var host string
		host, rest = cutAuthority(strings.TrimLeft(strings.TrimPrefix(to, "https:"), "/\\"))
		d.host = newTemplate(host, names)
		if d.at, ok = parseAuthority(sample(d.host)); !ok {
			return d, false
		}
		if d.host.constant() {
			d.host = nil
		}
	}
	path, query, fragment := splitReference(rest)
	if path == "" && !d.hostEndsInPath() {
		path = "/"
	}
	if strings.Contains(path, `\`) { // of http and https it is a slash
		path = string(resolveDots([]byte(strings.ReplaceAll(path, `\`, "/"))))
	}
	if kind == local {
		path = "/" + strings.TrimLeft(path, "/")
	}
	d.path = newTemplate(path, names)
	d.query = newTemplate(escaped(query, inSpecialQuery), names)
	d.fragment = newTemplate(fragment, names)
	d.constant = d.host == nil && d.path.constant() && d.query.constant() && d.fragment.constant()
	return d, true
}

// hostEndsInPath reports a host whose last placeholder may bring a path of its own.
func (d *destination) hostEndsInPath() bool {
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
	if len(d.host) == 0 {
		return false
	}
	last := d.host[len(d.host)-1]
	if last.capture < 0 && strings.Trim(last.text, ":0123456789") == "" && len(d.host) > 1 {
		last = d.host[len(d.host)-2]
	}
	return last.capture >= 0
}

func (d *destination) weight() int64 {
	return int64(len(d.at.user)+len(d.at.host)+len(d.at.port)) + d.host.weight() + d.path.weight() + d.query.weight() + d.fragment.weight()
}

package hints

import (
	"strings"

	"golang.org/x/net/idna"
)

// reference is a URL reference taken apart as a URL parser does it for http and https (WHATWG URL §4.4), with what must
// be escaped escaped. What the page's own URL would have to supply is left out: such a reference is resolved as far as it
// goes without.
type reference struct {
	origin string // "https://host:port", "//host:port" or nothing
	path   string // as written; with an origin it is empty or begins with "/"
	query  string // with its "?"
	hash   string // with its "#"
}

// parseReference is not ok for what is no URL, for other schemes, and for a URL with a password: nothing of a page is
// fetched from there.
func parseReference(s string) (r reference, ok bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	scheme, rest := cutScheme(s)
	if scheme != "" && scheme != "http" && scheme != "https" {
		return r, false
	}
	rest, hash, hasHash := strings.Cut(rest, "#")
	rest, query, hasQuery := strings.Cut(rest, "?")
	if hasHash {
		r.hash = "#" + escaped(hash, inHash)
	}
	if hasQuery {
		r.query = "?" + escaped(query, inQuery)
	}
	rest = strings.ReplaceAll(rest, `\`, "/")
	if !strings.HasPrefix(rest, "//") {
		r.path = escaped(rest, inPath)
		return r, scheme == "" // "https:x" depends on the page's scheme, and nobody writes it
	}
	rest = strings.TrimLeft(rest, "/")
	host, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	host, ok = authority(host, scheme)
	if r.origin = "//" + host; scheme != "" {
		r.origin = scheme + ":" + r.origin
	}
	r.path = escaped(path, inPath)
	return r, ok
}

// cutScheme splits off the scheme, in lower case.
func cutScheme(s string) (scheme, rest string) {
	for i := range len(s) {
		c := s[i] | 0x20
		switch {
		case s[i] == ':' && i > 0:
			return strings.ToLower(s[:i]), s[i+1:]
		case 'a' <= c && c <= 'z':
		case i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.'):
		default:
			return "", s
		}
	}
	return "", s
}

// authority is host and port as a URL parser writes them.
func authority(s, scheme string) (string, bool) {
	host, port := s, ""
	if colon := strings.LastIndexByte(s, ':'); colon > strings.LastIndexByte(s, ']') {
		host, port = s[:colon], strings.TrimLeft(s[colon+1:], "0")
	}
	if len(port) > 5 || strings.Trim(port, "0123456789") != "" || len(port) == 5 && port > "65535" {
		return "", false
	}
	if port == "443" && scheme == "https" || port == "80" && scheme == "http" {
		port = ""
	}
	host, ok := hostName(host)
	if port != "" {
		host += ":" + port
	}
	return host, ok
}

func hostName(s string) (string, bool) {
	host := strings.ToLower(s)
	if strings.IndexFunc(host, func(r rune) bool { return r >= 0x80 }) >= 0 {
		domains := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckHyphens(false), idna.StrictDomainName(false))
		var err error
		if host, err = domains.ToASCII(host); err != nil {
			return "", false
		}
	}
	allowed := "abcdefghijklmnopqrstuvwxyz0123456789-._"
	if name := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"); len(name) == len(host)-2 {
		host, allowed = name, "0123456789abcdef:."
		return "[" + name + "]", name != "" && strings.Trim(host, allowed) == ""
	}
	return host, host != "" && strings.Trim(host, allowed) == ""
}

// resolve resolves href against the base. A target on the page's own server comes without origin: it begins with "/"
// ("//" if only the scheme is the page's), and a base that is relative to the page itself leaves it relative, which means
// the same (RFC 8288 §3.2) wherever the page is served.
func (base reference) resolve(href string) (string, bool) {
	if scheme, _ := cutScheme(strings.TrimLeft(href, " \t\r\n\f")); scheme != "" && scheme != "http" && scheme != "https" {
		return verbatim(strings.TrimFunc(href, isSpace)), true
	}
	r, ok := parseReference(href)
	if scheme, _, _ := strings.Cut(base.origin, "//"); scheme != "" && strings.HasPrefix(r.origin, "//") {
		r, ok = parseReference(scheme + strings.TrimLeftFunc(href, func(r rune) bool { return r <= ' ' }))
	}
	if !ok {
		return "", false
	}
	switch {
	case r.origin != "":
	case r.path == "":
		if r.query == "" {
			r.query = base.query
		}
		r.origin, r.path = base.origin, base.path
	case r.path[0] == '/':
		r.origin = base.origin
	default:
		r.origin, r.path = base.origin, base.path[:strings.LastIndexByte(base.path, '/')+1]+r.path
		if r.origin != "" && r.path[0] != '/' {
			r.path = "/" + r.path
		}
	}
	return r.origin + r.cleanPath() + r.query + r.hash, true
}

// normal is the base without dot segments: "/a/.." is the directory "/", and nothing is resolved against "/a/".
func (base reference) normal() reference {
	if base.path != "" {
		base.path = base.cleanPath()
	}
	return base
}

// cleanPath is the path without dot segments, written so that it is read as a path.
func (r reference) cleanPath() string {
	rooted := r.origin != "" || strings.HasPrefix(r.path, "/")
	var kept []string
	up := 0 // segments at the start that leave the page's directory
	rest, more := strings.TrimPrefix(r.path, "/"), true
	if !rooted {
		rest = r.path
	}
	for more {
		var s string
		s, rest, more = strings.Cut(rest, "/")
		switch dots(s) {
		case 0:
			kept = append(kept, s)
			continue
		case 2:
			if len(kept) > up {
				kept = kept[:len(kept)-1]
			} else if !rooted {
				kept = append(kept, "..")
				up++
			}
		}
		if !more {
			kept = append(kept, "") // "a/." is a directory
		}
	}
	path := strings.Join(kept, "/")
	switch {
	case r.origin != "":
		return "/" + path
	case rooted && strings.HasPrefix(path, "/"):
		return "/./" + path // two slashes would begin a host
	case rooted:
		return "/" + path
	case path == "" && r.path != "":
		return "./"
	case strings.HasPrefix(path, "/"), strings.Contains(path[:max(0, strings.IndexByte(path+"/", '/'))], ":"):
		return "./" + path // neither a path from the root nor a scheme
	}
	return path
}

// dots is 1 for a segment ".", 2 for one "..", in any spelling.
func dots(s string) int {
	if len(s) > len("%2e%2e") {
		return 0
	}
	switch s = strings.ReplaceAll(strings.ToLower(s), "%2e", "."); s {
	case ".", "..":
		return len(s)
	}
	return 0
}

// What a URL parser escapes beside controls, the space and what is not ASCII (WHATWG URL §1.3).
const (
	inPath  = "\"#<>?^`{}"
	inQuery = "\"#<>'"
	inHash  = "\"<>`"
)

func escaped(s, set string) string {
	var b strings.Builder
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(set, r) {
			escape(&b, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

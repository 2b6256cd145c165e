package kept

import (
	"strings"

	"berth/assets/httpsem"
)

// Keepable says whether a file may be kept at all: by its path, as it stands in a manifest.
//
// Pages are not, they are what a deployment replaces. Neither is what nobody's page loads, and what its owner may have
// taken away because it should not have been there: names that begin with a dot, source maps, control files. The same holds
// for their precompressed forms.
func Keepable(path string) bool {
	if path == "" || strings.Contains(path, "/.") {
		return false
	}
	first, _, _ := strings.Cut(path[1:], "/")
	for _, suffix := range []string{".br", ".gz", ".zst"} {
		path = strings.TrimSuffix(path, suffix)
		first = strings.TrimSuffix(first, suffix)
	}
	if isControl(first) || hasSuffixFold(path, ".map") {
		return false
	}
	typ := httpsem.MediaTypeOf(path).String()
	return !strings.HasPrefix(typ, "text/html") && !strings.HasPrefix(typ, "application/xhtml+xml")
}

// isControl knows the names, in the root of a site, of what tells the server or the client what to do.
func isControl(name string) bool {
	switch name {
	case "_headers", "_redirects", "_routes.json", "_worker.js", "_worker.bundle", "functions", "berth.toml", "wrangler.toml",
		"wrangler.json", "wrangler.jsonc":
		return true
	}
	return false
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// inURL is a table, written once when the program starts: the bytes that a file's name cannot have as they are in the path
// of a URL. They are those of the WHATWG path percent-encode set, and whatever would be syntax there.
var inURL = func() (escaped [256]bool) {
	for c := range escaped {
		escaped[c] = c <= ' ' || c >= 0x7f || strings.IndexByte("\"#%<>?\\^`{}", byte(c)) >= 0
	}
	return escaped
}()

// urlPath is a file's path as a browser asks for it, which is what rules are matched against. A path without anything to
// escape is returned as it is.
func urlPath(path string) string {
	const upperHex = "0123456789ABCDEF"
	n := 0
	for i := range len(path) {
		if inURL[path[i]] {
			n++
		}
	}
	if n == 0 {
		return path
	}
	b := make([]byte, 0, len(path)+2*n)
	for i := range len(path) {
		if c := path[i]; inURL[c] {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

package assets

import (
	"net/http"
	"strconv"
	"strings"
)

// fallBack answers for a path that a single-page application routes by itself. What the browser wants for a script, an
// image and the like must not be a page: it would fail in some obscure way, and be kept.
func (s *Site) fallBack(dst *Plan, req *Request) {
	dst.fallback = true
	if subresource(req.SecFetchDest) {
		dst.Status = http.StatusNotFound
		if t := dst.Trace; t != nil {
			t.say(StageMissing, "the fallback /index.html is of no use as %q: 404", req.SecFetchDest)
		}
		return
	}
	if t := dst.Trace; t != nil {
		t.say(StageMissing, "no 404.html above the path: /index.html is the fallback of a single-page application")
	}
	shell := s.file(s.index)
	s.serve(dst, req, &shell)
}

// subresource knows the destinations (Fetch Metadata; Fetch §2.2.5) that no page is of use for. What fetch() asks for is
// "empty": that may be anything, and so may what a browser of the future says.
func subresource(dest string) bool {
	switch dest {
	case "audio", "audioworklet", "embed", "font", "image", "json", "manifest", "object", "paintworklet", "report", "script",
		"serviceworker", "sharedworker", "speculationrules", "style", "track", "video", "webidentity", "worker", "xslt":
		return true
	}
	return false
}

// longest is how many seconds a rule may have a fallback page kept for. Such rules are meant for files that are not
// there, "/assets/*" say, and the next deployment may bring them.
const longest = 3600

// keepsLong reports that a field lets caches keep a response for longer than that.
func keepsLong(name string, value []byte) bool {
	switch {
	case name == "Expires": // a date is hardly ever written for less
		return true
	case name == "X-Accel-Expires": // seconds, or "@" and a date
		return tooLong(view(value))
	case name != "Cache-Control" && !ForSharedCaches(name):
		return false
	}
	for directive := range strings.SplitSeq(view(value), ",") {
		key, arg, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(key) {
		case "immutable":
			return true
		case "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error":
			if tooLong(strings.Trim(arg, `"`)) {
				return true
			}
		}
	}
	return false
}

func tooLong(seconds string) bool {
	n, err := strconv.ParseUint(seconds, 10, 32)
	return err != nil || n > longest
}

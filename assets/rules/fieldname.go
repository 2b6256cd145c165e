package rules

import (
	"net/textproto"
	"strings"
)

const setCookie = "Set-Cookie"

// canonicalName is the usual spelling of a field name. It reports false for what is no token (RFC 9110 §5.6.2).
func canonicalName(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	for i := range len(name) {
		if !tokenByte(name[i]) {
			return "", false
		}
	}
	switch canonical := textproto.CanonicalMIMEHeaderKey(name); canonical {
	case "Etag":
		return "ETag", true
	case "Www-Authenticate":
		return "WWW-Authenticate", true
	default:
		return canonical, true
	}
}

func tokenByte(c byte) bool {
	switch {
	case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// whyForbidden says why a rule must not touch a field; empty: it may.
func whyForbidden(canonical string) string {
	switch canonical {
	case "Content-Length", "Transfer-Encoding", "Content-Range", "Trailer":
		return "it says where the response ends or which part it is, which the server alone knows; remove the line"
	case "Connection", "Keep-Alive", "Upgrade", "Te", "Http2-Settings":
		return "it belongs to one connection (RFC 9110 §7.6.1), not to the page; remove the line"
	case "Date":
		return "it is the time of the response (RFC 9110 §6.6.1), which the server writes; remove the line"
	}
	if strings.HasPrefix(canonical, "Proxy-") {
		return "it is between a proxy and its client; remove the line"
	}
	return ""
}

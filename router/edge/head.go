package edge

import (
	"bytes"
	"strings"
)

// head holds the fields of a request that matter here and to the planner. Values are views of the request's bytes or of
// joined; a field that is absent is "".
type head struct {
	acceptEncoding    string
	authorization     string
	cookie            string
	deploymentID      string
	forwardedFor      string
	forwardedProto    string
	host              string
	ifMatch           string
	ifModifiedSince   string
	ifNoneMatch       string
	ifRange           string
	rangeField        string
	referer           string
	secFetchDest      string
	secFetchMode      string
	secPurpose        string
	userAgent         string
	contentLength     string
	transferEncoding  string
	hasLength, hasTE  bool
	hasAuthentication bool
	closes            bool // Connection holds the close option
	odd               bool // there is a control character, or a field by which fasthttp goes
	hosts             int  // lines of Host

	joined []byte // scratch for fields that came in several lines
	joins  int
}

// maxJoins bounds the repeated lines of one request: each costs a copy of what was joined before.
const maxJoins = 32

// parse reads the raw header block of a request that fasthttp has accepted, and reports whether RFC 9112 lets us accept
// it too. fasthttp is lenient where being so invites smuggling: it takes a bare LF for a line's end, unfolds lines, and lets
// names hold spaces.
func (h *head) parse(raw []byte) bool {
	*h = head{joined: h.joined[:0]}
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return false
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || !plainName(line[:colon]) {
			return false // section 5.1 and, for a line that begins with white space, section 5.2
		}
		h.odd = h.odd || !plainText(line)
		h.set(line[:colon], trimSpace(line[colon+1:]))
		if h.joins > maxJoins {
			return false
		}
	}
	return true
}

// plainName reports whether b is a token (RFC 9110 section 5.6.2).
func plainName(b []byte) bool {
	for _, c := range b {
		if !inTokens[c] {
			return false
		}
	}
	return true
}

var inTokens = func() (in [256]bool) {
	for c := byte(0x21); c < 0x7f; c++ {
		in[c] = !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, rune(c))
	}
	return in
}()

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// set stores a field that is of interest. The length of a name tells most of them apart before any is compared.
func (h *head) set(name, value []byte) {
	switch len(name) {
	case 4:
		if foldEqual(name, "host") {
			h.host = view(value)
			h.hosts++
		}
	case 5:
		h.take(&h.rangeField, name, "range", value)
	case 6:
		if !h.take(&h.cookie, name, "cookie", value) {
			h.odd = h.odd || foldEqual(name, "expect")
		}
	case 7:
		if !h.take(&h.referer, name, "referer", value) {
			h.odd = h.odd || foldEqual(name, "trailer")
		}
	case 8:
		_ = h.take(&h.ifMatch, name, "if-match", value) || h.take(&h.ifRange, name, "if-range", value)
	case 10:
		if !h.take(&h.userAgent, name, "user-agent", value) && foldEqual(name, "connection") {
			h.closes = h.closes || hasClose(value)
		}
	case 11:
		h.take(&h.secPurpose, name, "sec-purpose", value)
	case 13:
		if h.take(&h.authorization, name, "authorization", value) {
			h.hasAuthentication = true
			return
		}
		h.take(&h.ifNoneMatch, name, "if-none-match", value)
	case 14:
		if h.take(&h.contentLength, name, "content-length", value) {
			h.hasLength = true
			return
		}
		_ = h.take(&h.secFetchDest, name, "sec-fetch-dest", value) || h.take(&h.secFetchMode, name, "sec-fetch-mode", value)
	case 15:
		_ = h.take(&h.acceptEncoding, name, "accept-encoding", value) || h.take(&h.forwardedFor, name, "x-forwarded-for", value) ||
			h.take(&h.deploymentID, name, "x-deployment-id", value)
	case 17:
		if h.take(&h.transferEncoding, name, "transfer-encoding", value) {
			h.hasTE = true
			return
		}
		_ = h.take(&h.ifModifiedSince, name, "if-modified-since", value) ||
			h.take(&h.forwardedProto, name, "x-forwarded-proto", value)
	}
}

// scheme is that by which the client asked, as far as a proxy that is trusted tells.
func (h *head) scheme(trusted bool) string {
	if trusted && h.forwardedProto != "" {
		return forwardedScheme(h.forwardedProto)
	}
	return "http"
}

// hasClose reports whether a Connection field lists the close option. fasthttp knows it only alone and in lower case, and
// forgets it over the next line of the field.
func hasClose(value []byte) bool {
	for option := range bytes.SplitSeq(value, []byte{','}) {
		if option = trimSpace(option); len(option) == len("close") && foldEqual(option, "close") {
			return true
		}
	}
	return false
}

// take stores value if name is want. A second line of the same name is joined to the first (RFC 9110 section 5.3). For
// a field that is not a list the result is no valid value, and is thus ignored like any other invalid one.
func (h *head) take(dst *string, name []byte, want string, value []byte) bool {
	if !foldEqual(name, want) {
		return false
	}
	if *dst == "" {
		*dst = view(value)
		return true
	}
	h.joins++
	separator := ", "
	if want == "cookie" {
		separator = "; " // RFC 9113 section 8.2.3 splits cookies; joining them is the reverse
	}
	from := len(h.joined)
	h.joined = append(h.joined, *dst...)
	h.joined = append(h.joined, separator...)
	h.joined = append(h.joined, value...)
	*dst = view(h.joined[from:])
	return true
}

// foldEqual compares b with lower, which is lower-case ASCII of the same length.
func foldEqual(b []byte, lower string) bool {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

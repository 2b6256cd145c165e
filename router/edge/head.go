package edge

import (
	"bytes"
	"encoding/binary"
	"math/bits"
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
		end := firstControl(raw) // nearly always where the line ends
		if end+1 >= len(raw) || raw[end] != '\r' || raw[end+1] != '\n' {
			if end = bytes.IndexByte(raw, '\n') - 1; end < 0 || raw[end] != '\r' {
				return false
			}
			h.odd = true
		}
		line := raw[:end]
		raw = raw[end+2:]
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || !plainName(line[:colon]) {
			return false // section 5.1 and, for a line that begins with white space, section 5.2
		}
		h.set(line[:colon], trimSpace(line[colon+1:]))
		if h.joins > maxJoins {
			return false
		}
	}
	return true
}

// firstControl is where the first control character of b is; len(b): there is none. Sixteen bytes are looked at at a time.
func firstControl(b []byte) int {
	const highs = 0x8080808080808080
	rest := b
	for len(rest) >= 16 {
		first, second := controls(rest), controls(rest[8:])
		if (first|second)&highs == 0 {
			rest = rest[16:]
			continue
		}
		at := 8 + bits.TrailingZeros64(second&highs)/8
		if first&highs != 0 {
			at = bits.TrailingZeros64(first&highs) / 8
		}
		if rest = rest[at:]; control(rest[0]) {
			return len(b) - len(rest)
		}
		rest = rest[1:]
	}
	for i, c := range rest {
		if control(c) {
			return len(b) - len(rest) + i
		}
	}
	return len(b)
}

// controls has the high bit of each control character of eight bytes, and at times that of one which follows those, or what is not ASCII (after "has a
// byte less than n" of Sean Anderson's Bit Twiddling Hacks). The other bits mean nothing.
func controls(b []byte) uint64 {
	const ones = 0x0101010101010101
	v := binary.LittleEndian.Uint64(b)
	return ((v - 0x20*ones) | (v + ones)) &^ v // less than 0x20, or 0x7f
}

func control(c byte) bool { return c < 0x20 || c == 0x7f }

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
		if nameIs(name, "host") {
			h.host = view(value)
			h.hosts++
		}
	case 5:
		h.take(&h.rangeField, name, "range", value)
	case 6:
		if !h.take(&h.cookie, name, "cookie", value) {
			h.odd = h.odd || nameIs(name, "expect")
		}
	case 7:
		if !h.take(&h.referer, name, "referer", value) {
			h.odd = h.odd || nameIs(name, "trailer")
		}
	case 8:
		_ = h.take(&h.ifMatch, name, "if-match", value) || h.take(&h.ifRange, name, "if-range", value)
	case 10:
		if !h.take(&h.userAgent, name, "user-agent", value) && nameIs(name, "connection") {
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
	if !nameIs(name, want) {
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

// nameIs compares a token with lower, which is lower-case letters and hyphens of the same length, 4 to 24. Of the characters of tokens only capitals
// become letters by the bit that is added, and none a hyphen.
func nameIs(name []byte, lower string) bool {
	const fold = 0x2020202020202020
	want, le, n := bytesOf(lower), binary.LittleEndian, len(lower)
	if n < 8 {
		return le.Uint32(name)|fold>>32 == le.Uint32(want) && le.Uint32(name[n-4:])|fold>>32 == le.Uint32(want[n-4:])
	}
	return le.Uint64(name)|fold == le.Uint64(want) && le.Uint64(name[n-8:])|fold == le.Uint64(want[n-8:]) &&
		(n <= 16 || le.Uint64(name[8:])|fold == le.Uint64(want[8:]))
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

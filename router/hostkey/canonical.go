package hostkey

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// maxAuthority bounds what is worth mapping: four bytes for every character of the longest name, a dot and a port.
// UTS #46 ignores some code points wholly (soft hyphen), so without it a name of any length could be a short one.
const maxAuthority = 4*maxName + len(".:65535")

// browsers is the UTS #46 processing of the WHATWG URL standard's "domain to ASCII" with beStrict false, which is what
// made the Host header of every request that a browser sends: non-transitional, joiners and the Bidi rule checked,
// hyphens not ("r3---sn-abc" and "-a" are hosts in use). ASCII is judged by scan afterwards, not by STD3.
var browsers = idna.New(
	idna.MapForLookup(),
	idna.BidiRule(),
	idna.CheckHyphens(false),
	idna.StrictDomainName(false),
)

// Canonical returns the canonical form of a Host header or URL authority (RFC 3986 section 3.2.2, without userinfo).
//
//   - A port (empty, or at most five digits) and one trailing dot are dropped.
//   - A name is mapped to lower-case ASCII by UTS #46 lookup processing, as browsers do it. What comes out is at most 253
//     characters of labels of 1 to 63 letters, digits, '-' and '_', in any order: the underscore is in use
//     and browsers send it, as they do a leading or trailing hyphen. Other characters that a URL could carry in a host
//     (such as "!" or an escape) are refused: nothing that Berth serves could be named so.
//   - An A-label (xn--) must be valid: one that does not decode, or that stands for a label written otherwise, is refused.
//   - An IPv4 address, or an IPv6 address in brackets, becomes its canonical text (RFC 5952), without brackets.
//     Zones are refused. So is a name whose last label is a number ("1.2.3", "0x7f.1"): clients disagree on which address that is.
//     An IPv6 address without brackets is accepted, so that Canonical(string(h)) == h for every h it returned.
//
// It never panics, and every error is ErrMalformed. A host that is canonical but for port and trailing dot costs no
// allocation: the result is then a substring of authority, and lives and dies with it. (Names with A-labels
// in scripts that have rules of their own, such as Arabic or Thai, are the exception: checking them allocates.)
func Canonical(authority string) (Host, error) {
	h, reason := canonical(authority)
	if reason != nil {
		return "", refuse(authority, reason)
	}
	return h, nil
}

func canonical(authority string) (Host, error) {
	switch {
	case authority == "":
		return "", ErrEmpty
	case len(authority) > maxAuthority:
		return "", ErrTooLong
	case authority[0] == '[':
		return bracketed(authority)
	}
	colon := strings.IndexByte(authority, ':')
	if colon < 0 {
		return name(authority)
	}
	if strings.IndexByte(authority[colon+1:], ':') >= 0 {
		return address6(authority)
	}
	if !validPort(authority[colon+1:]) {
		return "", ErrPort
	}
	return name(authority[:colon])
}

// bracketed is an IP-literal of RFC 3986, of which only IPv6 exists.
func bracketed(authority string) (Host, error) {
	inside, rest, closed := strings.Cut(authority[1:], "]")
	if !closed {
		return "", ErrAddress
	}
	if rest != "" && (rest[0] != ':' || !validPort(rest[1:])) {
		return "", ErrPort
	}
	return address6(inside)
}

// validPort accepts the empty port: RFC 3986 section 3.2.3 lets "host:" stand for the default.
func validPort(s string) bool {
	return len(s) <= 5 && allDigits(s)
}

func address6(s string) (Host, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", ErrAddress
	}
	var buf [64]byte
	text := addr.AppendTo(buf[:0])
	if string(text) == s {
		return Host(s), nil
	}
	return Host(text), nil
}

// name canonicalises a reg-name.
func name(s string) (Host, error) {
	s, reason := lower(s)
	if reason != nil {
		return "", reason
	}
	// After mapping, not before: U+3002 and its kin are dots too.
	s = strings.TrimSuffix(s, ".")
	ace, reason := scan(s)
	if reason != nil {
		return "", reason
	}
	if endsInNumber(s) {
		if _, err := netip.ParseAddr(s); err != nil {
			return "", ErrAddress
		}
		return Host(s), nil
	}
	// What lower mapped is checked again: the mapping of a name is not promised to be a fixed point of itself.
	if ace && !validALabels(s) {
		return "", ErrIDNA
	}
	return Host(s), nil
}

// lower maps s to lower-case ASCII, or returns s itself where there is nothing to map.
func lower(s string) (string, error) {
	upper := false
	for i := range len(s) {
		c := s[i]
		if c >= 0x80 {
			mapped, err := browsers.ToASCII(s)
			if err != nil {
				return "", ErrIDNA
			}
			return mapped, nil
		}
		upper = upper || 'A' <= c && c <= 'Z'
	}
	if upper {
		return strings.ToLower(s), nil
	}
	return s, nil
}

// scan checks the length, labels and characters of a lower-case name, and reports whether any label claims to be an A-label.
func scan(s string) (ace bool, reason error) {
	if s == "" {
		return false, ErrEmpty
	}
	start := 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.':
			if i == start || i-start > maxLabel {
				return false, ErrLabel
			}
			ace = ace || strings.HasPrefix(s[start:i], acePrefix)
			start = i + 1
		default:
			return false, ErrCharacter
		}
	}
	if last := len(s) - start; last == 0 || last > maxLabel {
		return false, ErrLabel
	}
	if len(s) > maxName {
		return false, ErrTooLong
	}
	return ace || strings.HasPrefix(s[start:], acePrefix), nil
}

// endsInNumber is the "ends in a number" test of the WHATWG URL standard on a canonical name: such a host is an IPv4
// address or nothing.
func endsInNumber(s string) bool {
	last := s[strings.LastIndexByte(s, '.')+1:]
	if last == "" {
		return false
	}
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return allHex(hex)
	}
	return allDigits(last)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// allHex accepts lower-case hex digits only.
func allHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

package rules

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// domains is the processing of domain names in URLs, as browsers do it (WHATWG "domain to ASCII" with beStrict false).
var domains = idna.New(
	idna.MapForLookup(),
	idna.BidiRule(),
	idna.CheckHyphens(false),
	idna.StrictDomainName(false),
)

// authority is the part of a URL between "//" and its path.
type authority struct {
	user string // with "@", or empty
	host string // lower case, in ASCII
	port string // without leading zeros; empty: none given
}

// parseAuthority parses text as a URL parser does for http and https. Not ok is a host or port that no URL can have.
func parseAuthority(text string) (a authority, ok bool) {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		user, password, _ := strings.Cut(text[:at], ":")
		if user = escaped(user, inUserinfo); password != "" {
			user += ":" + escaped(password, inUserinfo)
		}
		if user != "" {
			a.user = user + "@"
		}
		text = text[at+1:]
	}
	host := text
	if colon := strings.LastIndexByte(text, ':'); colon > strings.LastIndexByte(text, ']') {
		host = text[:colon]
		if a.port, ok = parsePort(text[colon+1:]); !ok {
			return authority{}, false
		}
	}
	a.host, ok = parseHost(host)
	return a, ok
}

func parsePort(s string) (string, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return "", false
		}
		if n = 10*n + int(s[i]-'0'); n > 65535 {
			return "", false
		}
	}
	if s == "" {
		return "", true
	}
	if s = strings.TrimLeft(s, "0"); s == "" {
		s = "0"
	}
	return s, true
}

// parseHost makes a host what it is in a parsed URL. A name that ends in a number has to be a plain IPv4 address: how
// clients read the other forms ("1.2.3", "0x7f.1") differs.
func parseHost(s string) (string, bool) {
	const maxHost = 4 * 254 // four bytes for each character of the longest name
	if s == "" || len(s) > maxHost {
		return "", false
	}
	if s[0] == '[' {
		addr, err := netip.ParseAddr(strings.TrimSuffix(s[1:], "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || s[len(s)-1] != ']' {
			return "", false
		}
		return "[" + addr.String() + "]", true
	}
	if plainHost(s) {
		return s, true
	}
	s, err := domains.ToASCII(string(unescape(s)))
	if err != nil || s == "" || strings.ContainsFunc(s, notInHost) {
		return "", false
	}
	if !endsInNumber(s) {
		return s, true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(s, "."))
	return addr.String(), err == nil
}

// plainHost reports that s is its own canonical form for sure.
func plainHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return !strings.Contains(s, "xn--") && !endsInNumber(s)
}

// notInHost is the forbidden domain code points of the WHATWG URL standard, and what should not be left by then.
func notInHost(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("#/:<>?@[\\]^|%", r)
}

func endsInNumber(s string) bool {
	s = strings.TrimSuffix(s, ".")
	last := s[strings.LastIndexByte(s, '.')+1:]
	if last == "" {
		return false
	}
	if rest, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// unescape decodes the percent-escapes of s and leaves what is none.
func unescape(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0 {
			b = append(b, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		} else {
			b = append(b, s[i])
		}
	}
	return b
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

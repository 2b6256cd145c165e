package hints

import (
	"strings"
	"unicode/utf8"
)

// The grammar of a value, which Append relies on:
//
//	value  = link *( ", " link )
//	link   = "<" target `>; rel="` rel `"` [ "; as=" token ]
//
// Neither target, rel nor token holds "<", and no target or rel holds ">" or a quotation mark.
const separator = ", "

// format writes a link. Not ok is one that no browser could use: its target is not a URL, or its rel or as holds
// what would end the parameter early. atOrigin says that Append may write the origin into it.
func (d *document) format(l link) (value string, atOrigin, ok bool) {
	target, based := "", d.found.Based
	if based {
		if target, ok = d.base.resolve(l.href); !ok {
			return "", false, false
		}
	} else {
		target = verbatim(l.href)
	}
	rel, ok := quotable(l.rel)
	if !ok || target == "" {
		return "", false, false
	}
	value = "<" + target + `>; rel="` + rel + `"`
	if l.as != "" {
		if !isToken(l.as) {
			return "", false, false
		}
		value += "; as=" + l.as
	}
	return value, based && target[0] == '/', true
}

// verbatim is a target as it was written, but for what must not be in a field or would end the target: a URL parser drops
// line ends and tabs, and writes the rest with percent signs itself. What is not ASCII stays, in UTF-8, as in the original.
func verbatim(href string) string {
	var b strings.Builder
	for _, r := range href {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
		case r == 0: // HTML §13.2.5.36
			escape(&b, utf8.RuneError)
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || strings.ContainsRune(`<>"`, r):
			escape(&b, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escape writes the percent-encoding of a character's UTF-8.
func escape(b *strings.Builder, r rune) {
	const digits = "0123456789ABCDEF"
	var raw [utf8.UTFMax]byte
	for _, c := range raw[:utf8.EncodeRune(raw[:], r)] {
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&0xf])
	}
}

// quotable is rel with every white space a space, if it can stand in quotes as it is.
func quotable(rel string) (string, bool) {
	b := []byte(rel)
	for i, c := range b {
		switch {
		case isBlank(c):
			b[i] = ' '
		case c < ' ' || c >= 0x7f || strings.IndexByte(`<>"\`, c) >= 0:
			return "", false
		}
	}
	return string(b), true
}

// isToken is RFC 9110 §5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

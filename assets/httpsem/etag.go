package httpsem

import "strings"

const (
	keyDigits = 32 // of a key, in hexadecimal
	lowerHex  = "0123456789abcdef"

	// MaxETag is the length of the longest entity tag that we make, in bytes.
	MaxETag = len(`"`) + keyDigits + len("-gzip") + len(`"`)
)

// ETag is the strong entity tag of one representation of a file: a key, then the content coding unless that is identity,
// as in "0123…cdef" and "89ab…4567-br". Representations that differ in their coding differ in their bytes, so they may
// not share a strong tag (RFC 9110 §8.8.3.3).
//
// The key of identity is the asset key, which makes its tag the reference's own. That of a coding is the beginning of
// the digest of the coded bytes, and not the asset key: the same file coded by another release, or by whoever uploaded
// it, has other bytes, and a strong tag that outlived them would join parts of the two.
type ETag struct {
	Key      [16]byte
	Encoding Encoding
}

// Append appends the tag as the ETag field has it, quotes included.
func (t ETag) Append(dst []byte) []byte {
	dst = append(dst, '"')
	dst = appendHex(dst, &t.Key)
	if t.Encoding != Identity {
		dst = append(dst, '-')
		dst = append(dst, t.Encoding.String()...)
	}
	return append(dst, '"')
}

// ParseETag is the inverse of Append, as strict. A weak tag is not one of ours: cut the W/ off first where the
// comparison is to be weak.
func ParseETag(s string) (ETag, bool) {
	if len(s) < keyDigits+2 || s[0] != '"' || s[len(s)-1] != '"' {
		return ETag{}, false
	}
	t := ETag{}
	for i := range t.Key {
		both := unhex(s[1+2*i])<<4 | unhex(s[2+2*i])
		if both < 0 {
			return ETag{}, false
		}
		t.Key[i] = byte(both)
	}
	switch s[1+keyDigits : len(s)-1] {
	case "":
	case "-gzip":
		t.Encoding = Gzip
	case "-zstd":
		t.Encoding = Zstd
	case "-br":
		t.Encoding = Brotli
	default:
		return ETag{}, false
	}
	return t, true
}

// unhex is negative for what is no lower-case digit; upper case would make another tag.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

func appendHex(dst []byte, key *[16]byte) []byte {
	for _, c := range key {
		dst = append(dst, lowerHex[c>>4], lowerHex[c&15])
	}
	return dst
}

// tagList reads the entity tags of an If-Match or If-None-Match field one by one.
type tagList struct{ rest string }

// next is the next tag, quotes included, without the W/ of a weak one. After a malformed element the rest of the list is
// not believed.
func (l *tagList) next() (tag string, weak, ok bool) {
	s := strings.TrimLeft(l.rest, ows+",") // empty elements are to be ignored (§5.6.1.2)
	s, weak = strings.CutPrefix(s, "W/")   // case-sensitive (§8.8.3)
	tag, s, ok = cutEntityTag(s)
	s = strings.TrimLeft(s, ows)
	if !ok || s != "" && s[0] != ',' {
		l.rest = ""
		return "", false, false
	}
	l.rest = s
	return tag, weak, true
}

// nextOfOurs is the next tag that could be one of ours and that the comparison lets count.
func (l *tagList) nextOfOurs(c comparison) (t ETag, ok bool) {
	for {
		tag, weak, ok := l.next()
		if !ok {
			return ETag{}, false
		}
		if t, ours := ParseETag(tag); ours && !(weak && c == strongly) {
			return t, true
		}
	}
}

// cutEntityTag splits a leading opaque-tag, quotes included, from s (§8.8.3).
func cutEntityTag(s string) (tag, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[:i+1], s[i+1:], true
		case c <= ' ' || c == 0x7f:
			return "", "", false
		}
	}
	return "", "", false
}

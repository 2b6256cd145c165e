package hints

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Append appends the Link field of an entry. The targets of a document with a <base> are written with the origin, as
// the original does it: scheme and authority are those that the client used, "http" or "https" and the host, with
// the port if it is not the scheme's own. Everything else is as At has it, and so is everything if authority is empty.
func (l *Listing) Append(dst []byte, entry int, scheme, authority string) []byte {
	value, based := l.lookup(entry)
	if !based || authority == "" {
		return append(dst, value...)
	}
	for {
		open := bytes.IndexByte(value, '<') // it is nowhere but before a target
		if open < 0 {
			return append(dst, value...)
		}
		dst, value = append(dst, value[:open+1]...), value[open+1:]
		if value[0] != '/' {
			continue
		}
		dst = append(append(dst, scheme...), ':')
		if len(value) < 2 || value[1] != '/' {
			dst = append(append(dst, "//"...), authority...)
		}
	}
}

// isValue checks a value as far as it must be for it to stand in a field and for Append.
func isValue(s string) bool {
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return len(s) > 2 && s[0] == '<' && !strings.HasSuffix(s, "<") && utf8.ValidString(s)
}

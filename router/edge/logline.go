package edge

import (
	"strconv"
	"time"
	"unicode/utf8"
)

const logTimeFormat = "2006-01-02T15:04:05.000Z"

// appendLine appends the record as one line of JSON.
func (r *record) appendLine(b []byte) []byte {
	b = append(b, `{"ts":"`...)
	b = r.start.UTC().AppendFormat(b, logTimeFormat)
	b = append(b, `","client":"`...)
	if r.client.IsValid() {
		b = r.client.AppendTo(b)
	}
	b = append(b, `","host":`...)
	b = appendJSON(b, r.text(r.host))
	b = append(b, `,"method":`...)
	b = appendJSON(b, r.text(r.method))
	b = append(b, `,"target":`...)
	b = appendJSON(b, r.text(r.target))
	if r.http10 {
		b = append(b, `,"proto":"HTTP/1.0"`...)
	} else {
		b = append(b, `,"proto":"HTTP/1.1"`...)
	}
	b = appendNumber(b, `,"status":`, int64(r.status))
	b = appendNumber(b, `,"bytes":`, r.bytes)
	b = appendNumber(b, `,"duration_us":`, r.duration.Microseconds())
	b = appendNumber(b, `,"deployment":`, int64(r.route.Deployment))
	b = appendNumber(b, `,"project":`, int64(r.route.Project))
	b = append(b, `,"user_agent":`...)
	b = appendJSON(b, r.text(r.userAgent))
	b = append(b, `,"referer":`...)
	b = appendJSON(b, r.text(r.referer))
	if r.aborted {
		b = append(b, `,"aborted":true`...) // the client did not get all of it
	}
	return append(b, "}\n"...)
}

// appendDropped says that requests are missing from the log before this line.
func appendDropped(b []byte, now time.Time, n uint64) []byte {
	b = append(b, `{"ts":"`...)
	b = now.UTC().AppendFormat(b, logTimeFormat)
	b = append(b, `","dropped":`...)
	b = strconv.AppendUint(b, n, 10)
	return append(b, "}\n"...)
}

func appendNumber(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), n, 10)
}

// appendJSON appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD: JSON has no other way to hold them.
func appendJSON(b, s []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for len(s) > 0 {
		n := 0
		for n < len(s) && plainJSON(s[n]) {
			n++
		}
		b, s = append(b, s[:n]...), s[n:]
		if len(s) == 0 {
			break
		}
		c, size := s[0], 1
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < utf8.RuneSelf:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			var r rune
			r, size = utf8.DecodeRune(s)
			b = utf8.AppendRune(b, r)
		}
		s = s[size:]
	}
	return append(b, '"')
}

// plainJSON reports whether a byte stands for itself in a JSON string, and is a character of its own.
func plainJSON(c byte) bool { return c >= ' ' && c < 0x7f && c != '"' && c != '\\' }

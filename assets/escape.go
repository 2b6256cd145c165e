package assets

import "unsafe"

// Where a byte has to be percent-encoded, and (inTarget) which bytes make a target's path more than a slice of it.
const (
	inPath     = 1 << iota // WHATWG path percent-encode set
	inQuery                // WHATWG special-query percent-encode set
	inLocation             // of a file's name in a URL: as in a path, and whatever would be syntax there
	inTarget
)

// escapes and unhex are tables: written once, when the program starts.
var (
	escapes = func() (t [256]uint8) {
		for c := range t {
			if c <= ' ' || c >= 0x7f {
				t[c] = inPath | inQuery | inLocation | inTarget
			}
		}
		for _, c := range `"<>` {
			t[c] |= inPath | inQuery | inLocation | inTarget
		}
		for _, c := range "^`{}" {
			t[c] |= inPath | inLocation | inTarget
		}
		t['\''] |= inQuery
		t['?'] |= inLocation
		t['%'] |= inLocation
		t['#'] |= inQuery | inLocation | inTarget
		t['\\'] |= inLocation | inTarget
		return t
	}()
	unhex = func() (t [256]int8) {
		for c := range t {
			t[c] = -1
		}
		for i, c := range "0123456789abcdef" {
			t[c] = int8(i)
		}
		for i, c := range "ABCDEF" {
			t[c] = int8(i + 10)
		}
		return t
	}()
)

const (
	upperHex = "0123456789ABCDEF"
	lowerHex = "0123456789abcdef"
)

func appendEscape(b []byte, c byte) []byte { return append(b, '%', upperHex[c>>4], upperHex[c&15]) }

// view is b as a string without a copy; b must not change while the string is in use.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// static is s as bytes without a copy. They must not be written to, as no Field's value may be.
func static(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

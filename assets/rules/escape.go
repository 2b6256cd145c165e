package rules

// Percent-encode sets of the WHATWG URL standard.
const (
	inPath = 1 << iota
	inQuery
	inSpecialQuery // of http and https
	inFragment
	inUserinfo
	inValue // of what a placeholder brings into a header value: not in the standard
)

// escapes is a table: written once, when the program starts.
var escapes = func() (t [256]uint8) {
	for c := range t {
		if c < ' ' || c >= 0x7f {
			t[c] = inPath | inQuery | inSpecialQuery | inFragment | inUserinfo | inValue
		}
	}
	for set, chars := range map[uint8]string{
		inPath:         " \"#<>?^`{}",
		inQuery:        " \"#<>",
		inSpecialQuery: " \"#<>'",
		inFragment:     " \"<>`",
		inUserinfo:     " \"#<>?^`{}/:;=@[\\]|",
	} {
		for _, c := range chars {
			t[c] |= set
		}
	}
	return t
}()

const upperHex = "0123456789ABCDEF"

// appendEscaped appends s with the bytes of set percent-encoded. Escapes that s has are left as they are.
func appendEscaped(dst []byte, s string, set uint8) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; escapes[c]&set != 0 {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// escaped is appendEscaped for strings; one that needs no escape is returned as it is.
func escaped(s string, set uint8) string {
	for i := range len(s) {
		if escapes[s[i]]&set != 0 {
			return string(appendEscaped(make([]byte, 0, len(s)+16), s, set))
		}
	}
	return s
}

package convert

import (
	"regexp/syntax"
	"unicode"
)

// set is a set of ASCII characters. What lies beyond ASCII is in no canonical host.
type set [2]uint64

func (s set) has(c byte) bool   { return c < 128 && s[c>>6]&(1<<(c&63)) != 0 }
func (s *set) add(c byte)       { s[c>>6] |= 1 << (c & 63) }
func (s set) and(t set) set     { return set{s[0] & t[0], s[1] & t[1]} }
func (s set) or(t set) set      { return set{s[0] | t[0], s[1] | t[1]} }
func (s set) covers(t set) bool { return t.and(s) == t }
func (s set) empty() bool       { return s == set{} }
func (s *set) addRange(lo, hi rune) {
	for r := max(lo, 0); r <= hi && r < 128; r++ {
		s.add(byte(r))
	}
}

func setOf(text string) (s set) {
	for i := range len(text) {
		s.add(text[i])
	}
	return s
}

// The characters of canonical hosts, and what may follow a host.
type alphabet struct {
	digits, letters, plain, label, host, ends set
}

// ascii returns the sets that conversion asks about. It is a function because packages here have no variables.
func ascii() (a alphabet) {
	a.digits.addRange('0', '9')
	a.letters.addRange('a', 'z')
	a.plain = a.digits.or(a.letters)
	a.label = a.plain.or(setOf("-_"))
	a.host = a.label.or(setOf("."))
	a.ends = setOf("/:")
	return a
}

// oneChar returns the characters that re matches if it matches exactly one, whichever it is.
func oneChar(re *syntax.Regexp) (s set, ok bool) {
	switch re.Op {
	case syntax.OpCapture:
		return oneChar(re.Sub[0])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		s.addRange(0, 127)
		return s, true
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			s.addRange(re.Rune[i], re.Rune[i+1])
		}
		return s, true
	case syntax.OpLiteral:
		if len(re.Rune) != 1 {
			return s, false
		}
		if c, ok := lowerOf(re.Rune[0], re.Flags&syntax.FoldCase != 0); ok {
			s.add(c)
		}
		return s, true
	}
	return s, false
}

// lowerOf returns the ASCII character that stands for r in a host: r itself or, where case is ignored, its lower case.
// The syntax tree keeps the upper case of what is to be folded.
func lowerOf(r rune, fold bool) (c byte, ok bool) {
	if fold {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			if 'a' <= f && f <= 'z' {
				return byte(f), true
			}
		}
	}
	return byte(r), r < 128
}

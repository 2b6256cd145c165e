package rules

import (
	"iter"
	"strings"
	"unicode/utf8"
)

// isSpace is JavaScript's white space and line ends: with the byte order mark, without U+0085.
func isSpace(r rune) bool {
	switch {
	case r >= '\t' && r <= '\r', r == ' ', r == 0xa0, r == 0x1680, r >= 0x2000 && r <= 0x200a:
		return true
	case r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000, r == 0xfeff:
		return true
	}
	return false
}

// lines yields the lines of text that are not empty and no comment, trimmed, with their numbers.
func lines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range strings.SplitSeq(text, "\n") {
			n++
			if last := len(line) - 1; last < 0 || !isVisible(line[0]) || !isVisible(line[last]) {
				line = strings.TrimFunc(line, isSpace)
			}
			if line != "" && line[0] != '#' && !yield(n, line) {
				return
			}
		}
	}
}

// isVisible reports ASCII that is neither space nor control.
func isVisible(c byte) bool { return c > ' ' && c < 0x7f }

// longer reports whether s has more than limit UTF-16 units, which is what the original counts.
func longer(s string, limit int) bool {
	if len(s) <= limit {
		return false
	}
	units := 0
	for _, r := range s {
		units++
		if r > 0xffff {
			units++
		}
		if units > limit {
			return true
		}
	}
	return false
}

// cutComment drops what follows the first white space that has a "#" behind it. "/a /b#frag" has no comment.
func cutComment(line string) string {
	for i, r := range line {
		if isSpace(r) && strings.HasPrefix(line[i+utf8.RuneLen(r):], "#") {
			return strings.TrimRightFunc(line[:i], isSpace)
		}
	}
	return line
}

// hasControl reports whether s has a C0 control other than a tab, or DEL: no header field may carry them (RFC 9110
// §5.5), and in a URL nobody means them.
func hasControl(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

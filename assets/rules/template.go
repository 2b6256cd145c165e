package rules

import (
	"strings"
	"unsafe"
)

// template is text with placeholders in it; nil is the empty text.
type template []piece

type piece struct {
	text    string
	capture int // -1: text; else what that capture holds
}

// newTemplate finds the placeholders of names in text. Where several names could be meant it is the longest: of id and
// idx, ":idx" is idx. What is not captured stays as it is written.
func newTemplate(text string, names []string) template {
	var t template
	start := 0
	for i := 0; i < len(text); i++ {
		if text[i] != ':' {
			continue
		}
		capture := longestName(text[i+1:], names)
		if capture < 0 {
			continue
		}
		if i > start {
			t = append(t, piece{text[start:i], -1})
		}
		t = append(t, piece{"", capture})
		i += len(names[capture])
		start = i + 1
	}
	if start < len(text) {
		t = append(t, piece{text[start:], -1})
	}
	return t
}

func longestName(text string, names []string) int {
	best := -1
	for i, name := range names {
		if strings.HasPrefix(text, name) && (best < 0 || len(name) > len(names[best])) {
			best = i
		}
	}
	return best
}

func (t template) constant() bool {
	for _, p := range t {
		if p.capture >= 0 {
			return false
		}
	}
	return true
}

// expand appends t with its placeholders replaced, and what they hold escaped for where it goes; room is how much may
// be appended. What is too long is found before any of it is copied: a file can have thousands of values that are.
func (t template) expand(dst []byte, c *captures, set uint8, room int) ([]byte, bool) {
	if t.length(c) > room {
		return dst, false
	}
	end := len(dst) + room
	for _, p := range t {
		if p.capture < 0 {
			dst = append(dst, p.text...)
		} else {
			dst = appendEscaped(dst, c.text(p.capture), set)
		}
		if len(dst) > end {
			return dst, false
		}
	}
	return dst, true
}

// length is that of the expansion before anything is escaped.
func (t template) length(c *captures) int {
	n := 0
	for _, p := range t {
		if p.capture < 0 {
			n += len(p.text)
		} else {
			n += len(c.text(p.capture))
		}
	}
	return n
}

func (t template) weight() int64 {
	w := int64(len(t)) * int64(unsafe.Sizeof(piece{}))
	for _, p := range t {
		w += int64(len(p.text))
	}
	return w
}

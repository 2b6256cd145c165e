package rules

import "strings"

// pattern is a compiled source: literal text, placeholders and at most one "*".
//
// It matches what the anchored regular expression would match in which a placeholder is [^/]+ (in a host, [^.]+) and
// "*" is .*, with the same captures: every placeholder, from the left, as long as it can be. To make the first ones
// longest is to put every text between them as far right as it can be. Of two placements that are valid, the one that
// takes the later place for each text is valid too: each of its gaps is the end of a gap of the one, so that it holds no
// separator, and no shorter than that of the other. So one placement is rightmost in all, and reading from right to
// left, each text at the last place that fits, finds it without ever going back. With a "*" that is done for what
// follows it, then for what precedes it: up to its last separator, that is tied to the same separators of the path,
// counted from the left, and only the rest can move.
type pattern struct {
	sep   byte
	names []string // of the captures, in the order of the text

	head  []element // all of it, or with a "*": up to the last separator before the "*"
	seps  int       // in head, with a "*"
	tail  []element // between head and "*"
	after []element // behind "*"
	splat bool

	glob []string // not nil: a pattern of _routes.json, the texts between its "*"s; nothing else is set
}

type elementKind uint8

const (
	literal elementKind = iota
	placeholder
	splat
)

type element struct {
	kind elementKind
	text string // of a literal, or the name
	sep  int    // where in a literal its last separator is; -1: it has none
}

// scan cuts the text of a pattern into elements.
func scan(text string, sep byte) []element { return appendScanned(nil, text, sep) }

func appendScanned(els []element, text string, sep byte) []element {
	start := 0
	flush := func(end int) {
		if end > start {
			els = append(els, newLiteral(text[start:end], sep))
		}
	}
	for i := 0; i < len(text); {
		n := 0
		switch {
		case text[i] == '*':
			n = 1
		case text[i] == ':':
			n = nameLen(text[i+1:])
			if n > 0 {
				n++
			}
		}
		if n == 0 {
			i++
			continue
		}
		flush(i)
		if text[i] == '*' {
			els = append(els, element{kind: splat, text: "splat"})
		} else {
			els = append(els, element{kind: placeholder, text: text[i+1 : i+n]})
		}
		i += n
		start = i
	}
	flush(len(text))
	return els
}

func newLiteral(text string, sep byte) element {
	return element{text: text, sep: strings.LastIndexByte(text, sep)}
}

// nameLen is the length of the placeholder name that s starts with: a letter, then letters, digits and "_".
func nameLen(s string) int {
	n := 0
	for n < len(s) {
		c := s[n]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (n == 0 || (c < '0' || c > '9') && c != '_') {
			break
		}
		n++
	}
	return n
}

// captureNames lists what a pattern captures.
func captureNames(els []element) []string {
	var names []string
	for _, e := range els {
		if e.kind != literal {
			names = append(names, e.text)
		}
	}
	return names
}

// compile makes a pattern of elements with at most one splat.
func compile(els []element, sep byte) pattern {
	p := pattern{sep: sep, names: captureNames(els), head: els}
	for i, e := range els {
		if e.kind == splat {
			p.splat = true
			p.after = els[i+1:]
			p.cutHead(els[:i])
		}
	}
	return p
}

// cutHead divides what precedes the "*" behind its last separator.
func (p *pattern) cutHead(els []element) {
	p.head, p.tail = nil, els
	for i := len(els) - 1; i >= 0; i-- {
		e := els[i]
		if e.kind != literal || e.sep < 0 {
			continue
		}
		p.head = append(append(p.head, els[:i]...), newLiteral(e.text[:e.sep+1], p.sep))
		p.tail = nil
		if rest := e.text[e.sep+1:]; rest != "" {
			p.tail = append(p.tail, newLiteral(rest, p.sep))
		}
		p.tail = append(p.tail, els[i+1:]...)
		break
	}
	for _, e := range p.head {
		if e.kind == literal {
			p.seps += strings.Count(e.text, string(p.sep))
		}
	}
}

package nginx

import (
	"fmt"
	"strings"
)

// kind of a token.
type kind uint8

const (
	word kind = iota
	semicolon
	open
	closing
	end
)

type token struct {
	kind   kind
	text   string // of a word, without its quotes and escapes
	quoted bool
	line   int
}

// lexer divides the text of one file as nginx does: see the comments at its rules.
type lexer struct {
	text string
	at   int
	line int // of at, from 1
	most int // bytes of a word
}

func (l *lexer) errorf(line int, format string, args ...any) error {
	return &Error{Position: Position{Line: line}, Message: fmt.Sprintf(format, args...)}
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// next returns the next token.
func (l *lexer) next() (token, error) {
	l.skip()
	if l.at >= len(l.text) {
		return token{kind: end, line: l.line}, nil
	}
	t := token{line: l.line}
	switch l.text[l.at] {
	case ';':
		t.kind = semicolon
	case '{':
		t.kind = open
	case '}':
		t.kind = closing
	case '"', '\'':
		return l.quotedWord()
	default:
		return l.plainWord()
	}
	l.at++
	return t, nil
}

// skip passes white space and comments. A # begins one only where a word could begin.
func (l *lexer) skip() {
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case c == '#':
			if n := strings.IndexByte(l.text[l.at:], '\n'); n >= 0 {
				l.at += n
			} else {
				l.at = len(l.text)
			}
		case space(c):
			if c == '\n' {
				l.line++
			}
			l.at++
		default:
			return
		}
	}
}

// quotedWord reads to the quote that ends it. Behind it, something must end the word: nginx reads "a"b as a fault.
func (l *lexer) quotedWord() (token, error) {
	quote, start, line := l.text[l.at], l.at+1, l.line
	for l.at = start; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; c {
		case '\n':
			l.line++
		case '\\':
			if l.at++; l.at < len(l.text) && l.text[l.at] == '\n' {
				l.line++
			}
		case quote:
			text := l.text[start:l.at]
			l.at++
			if l.at < len(l.text) && !space(l.text[l.at]) && !strings.ContainsRune(";{)", rune(l.text[l.at])) {
				return token{}, l.errorf(l.line, "unexpected %q behind a quoted parameter; put a space between them", l.text[l.at])
			}
			return l.finish(text, true, line)
		}
	}
	return token{}, l.errorf(line, "a quoted parameter begins here and does not end; close it with %c", quote)
}

// plainWord reads to a space, semicolon or brace. The brace of ${variable} is part of it, and so is a } inside.
func (l *lexer) plainWord() (token, error) {
	start, line := l.at, l.line
	for ; l.at < len(l.text); l.at++ {
		c := l.text[l.at]
		if c == '\\' {
			if l.at++; l.at < len(l.text) && l.text[l.at] == '\n' {
				l.line++
			}
			continue
		}
		if space(c) || c == ';' || c == '{' && (l.at == start || l.text[l.at-1] != '$') {
			break
		}
	}
	l.at = min(l.at, len(l.text))
	return l.finish(l.text[start:l.at], false, line)
}

func (l *lexer) finish(text string, quoted bool, line int) (token, error) {
	if len(text) > l.most {
		return token{}, l.errorf(line, "a parameter has %d bytes, more than %d (Options.MaxParameter); a quote may be missing", len(text), l.most)
	}
	return token{kind: word, text: unescaped(text), quoted: quoted, line: line}, nil
}

// unescaped removes the backslash of what is written with one. Others stay: \. means something to the regular
// expression that it stands in.
func unescaped(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			if c, ok := escapes(text[i+1]); ok {
				b.WriteByte(c)
				i++
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func escapes(c byte) (byte, bool) {
	switch c {
	case '"', '\'', '\\':
		return c, true
	case 't':
		return '\t', true
	case 'r':
		return '\r', true
	case 'n':
		return '\n', true
	}
	return 0, false
}

// skipLua passes the block of a directive such as content_by_lua_block, which is a program and not made of directives.
func (l *lexer) skipLua(line int) error {
	for depth := 1; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; c {
		case '\n':
			l.line++
		case '"', '\'':
			l.skipString(c)
		case '-':
			if strings.HasPrefix(l.text[l.at:], "--") {
				for l.at+1 < len(l.text) && l.text[l.at+1] != '\n' {
					l.at++
				}
			}
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				l.at++
				return nil
			}
		}
	}
	return l.errorf(line, "a block of Lua begins here and does not end; close it with }")
}

func (l *lexer) skipString(quote byte) {
	for l.at++; l.at < len(l.text) && l.text[l.at] != quote && l.text[l.at] != '\n'; l.at++ {
		if l.text[l.at] == '\\' {
			l.at++
		}
	}
	if l.at < len(l.text) && l.text[l.at] == '\n' {
		l.at-- // counted by the caller
	}
}

package legacy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"berth/router/hostkey"
	"berth/store"
)

// What stands around the host in a pattern, as the old control plane wrote it.
const (
	patternHead = `^(?:`
	patternTail = `(?:[:][0-9]+)?\/(?<p1>.*))$`
	// below matches the labels of a host below a wildcard's parent. It stops at the port and the path.
	below = `[^/:]+\.`
)

// Pattern is a host's pattern as the old control plane wrote it, with the dots unescaped: it also answers hosts with any other
// character in their place.
func Pattern(h hostkey.Host) string { return patternHead + bracketed(h) + patternTail }

// StrictPattern is Pattern with escaped dots. It is for hosts whose dots, read loosely, could take requests from another host of the
// same project.
func StrictPattern(h hostkey.Host) string {
	return patternHead + strings.ReplaceAll(bracketed(h), ".", `\.`) + patternTail
}

// WildcardPattern answers every host below parent.
func WildcardPattern(parent hostkey.Host) string {
	return patternHead + below + strings.ReplaceAll(string(parent), ".", `\.`) + patternTail
}

// bracketed is a host as it stands in a pattern: the brackets of an IPv6 address would be a class.
func bracketed(h hostkey.Host) string {
	if strings.IndexByte(string(h), ':') >= 0 {
		return `\[` + string(h) + `\]`
	}
	return string(h)
}

// isFor reports whether a pattern is Pattern(h) or StrictPattern(h), without making either.
func isFor(pattern string, h hostkey.Host) bool {
	rest, ok := strings.CutPrefix(pattern, patternHead)
	if !ok {
		return false
	}
	rest, ok = strings.CutSuffix(rest, patternTail)
	if !ok || len(rest) < len(h) {
		return false
	}
	if strings.IndexByte(string(h), ':') >= 0 {
		return rest == bracketed(h)
	}
	at := 0
	for i := range len(h) {
		if h[i] == '.' && at < len(rest) && rest[at] == '\\' {
			at++
		}
		if at >= len(rest) || rest[at] != h[i] {
			return false
		}
		at++
	}
	return at == len(rest)
}

// ScriptHash is what the entries that Berth writes call a deployment.
func ScriptHash(id store.UUID) string { return hex.EncodeToString(id[:]) }

// parseScriptHash is its inverse.
func parseScriptHash(s string) (id store.UUID, ok bool) {
	if len(s) != 2*len(id) {
		return id, false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return id, false
		}
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err == nil
}

var (
	errTooLong    = errors.New("it is longer than Options.MaxPatternBytes")
	errTooComplex = errors.New("it is larger than Options.MaxProgram when compiled")
)

// maxUnicode bounds the classes of Unicode that a pattern may name: each is a table of kilobytes.
const maxUnicode = 16

// compile makes a program of a pattern, and says about how many instructions that has. The size is reckoned first: a pattern of
// forty bytes can stand for a hundred megabytes.
func (o *Options) compile(pattern string) (*regexp.Regexp, int, error) {
	if len(pattern) > o.MaxPatternBytes {
		return nil, 0, errTooLong
	}
	size := len(pattern)
	if strings.Contains(pattern, "{") || size > o.MaxProgram {
		if unicodeClasses(pattern) > maxUnicode {
			return nil, 0, errTooComplex
		}
		tree, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			return nil, 0, err
		}
		size = instructions(tree, o.MaxProgram+1)
	}
	if size > o.MaxProgram || unicodeClasses(pattern) > maxUnicode {
		return nil, 0, errTooComplex
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, 0, fmt.Errorf("not a regular expression: %w", err)
	}
	return re, size, nil
}

// unicodeClasses counts what may name one: \p, \P, a hexadecimal escape, and characters beyond ASCII.
func unicodeClasses(pattern string) (n int) {
	for i := range len(pattern) {
		switch {
		case pattern[i] >= 0x80:
			n++
		case pattern[i] == '\\' && i+1 < len(pattern) && strings.IndexByte("pPx", pattern[i+1]) >= 0:
			n++
		}
	}
	return n
}

// instructions reckons what a tree compiles to, up to most.
func instructions(re *syntax.Regexp, most int) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 16
	}
	for _, sub := range re.Sub {
		if n += instructions(sub, most); n >= most {
			return most
		}
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, most)
}

// HostOf is the inverse of Pattern, StrictPattern and WildcardPattern: the host, or a wildcard's parent. It is false for every
// pattern that is written otherwise, whatever that answers.
func HostOf(pattern string) (h hostkey.Host, wildcard, ok bool) {
	body, ok := strings.CutPrefix(pattern, patternHead)
	if !ok {
		return "", false, false
	}
	if body, ok = strings.CutSuffix(body, patternTail); !ok {
		return "", false, false
	}
	if body, wildcard = strings.CutPrefix(body, below); !wildcard && strings.HasPrefix(body, `\[`) && strings.HasSuffix(body, `\]`) {
		body = body[2 : len(body)-2]
	} else if strings.IndexByte(body, '\\') >= 0 {
		body = strings.ReplaceAll(body, `\.`, ".")
	}
	h, err := hostkey.Canonical(body)
	return h, wildcard, err == nil && string(h) == body
}

// AlternativesPattern answers several hosts, with their dots escaped.
func AlternativesPattern(hs []hostkey.Host) string {
	parts := make([]string, len(hs))
	for i, h := range hs {
		parts[i] = strings.ReplaceAll(bracketed(h), ".", `\.`)
	}
	return patternHead + "(?:" + strings.Join(parts, "|") + ")" + patternTail
}

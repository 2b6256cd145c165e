// Package rules parses, compiles and matches _redirects, _headers and _routes.json. It is pure: it knows no store, no
// transport and no file system.
//
// Parsing happens once, at deploy, and yields an immutable value and a Report of what is wrong with the file. A nil
// *Redirects or *Headers has no rules; nil *Routes send every path to the Functions.
//
// # What a request costs
//
// Redirects without wildcard or placeholder, above the first that has one, are a hash table. All other rules are in an
// index of two radix trees over the text of the patterns (see index), in which a placeholder is an edge that skips to
// the end of its path segment. A rule whose text differs from the path at some byte is cut off at that byte, together
// with all rules that share the text up to it, and patterns that begin alike or differ only behind a "*" or a ":name"
// share their nodes: rules that cannot match cost nothing but the depth of the tree they are not on.
//
// No input makes it slow. A node is visited at most once per request, so that the walk never costs more than reading
// the indexed rules once, and for each placeholder among them finding the end of a segment. A rule that agrees with the path in all but the text between two placeholders of one segment
// is then compared with the path, from right to left, without going back: linear in the length of the path, whatever
// the pattern (see pattern). There is no regular expression and no backtracking.
package rules

// Options are the limits of the parsers. The zero value means the limits of the hosted original. What is over a limit
// is reported.
type Options struct {
	MaxRedirectsStatic  int // rules above the first one with a wildcard or placeholder; default 2,000
	MaxRedirectsDynamic int // that rule and all below it; default 100
	MaxRedirectLine     int // in UTF-16 units, comment included; default 2,000
	MaxHeaderRules      int // default 100
	MaxHeaderLine       int // in UTF-16 units; default 2,000
	MaxHeadersBytes     int // all lines together: name, value and 32 bytes each; default 1 MiB; the original has no such limit
	MaxRoutesRules      int // include and exclude together; default 100
	MaxRouteLength      int // in UTF-16 units; default 100
	MaxProblems         int // that a Report lists, the others are counted; default 100
}

func (o Options) withDefaults() Options {
	for _, limit := range []struct {
		value *int
		usual int
	}{
		{&o.MaxRedirectsStatic, 2000}, {&o.MaxRedirectsDynamic, 100}, {&o.MaxRedirectLine, 2000},
		{&o.MaxHeaderRules, 100}, {&o.MaxHeaderLine, 2000}, {&o.MaxHeadersBytes, 1 << 20},
		{&o.MaxRoutesRules, 100}, {&o.MaxRouteLength, 100}, {&o.MaxProblems, 100},
	} {
		if *limit.value <= 0 {
			*limit.value = limit.usual
		}
	}
	return o
}

const (
	// fieldOverhead is what HTTP/2 counts for a field beside its name and value (RFC 9113 §6.5.2).
	fieldOverhead = 32
	// maxCaptures bounds the placeholders of one pattern, so that what they captured fits on the stack.
	maxCaptures = 64
	// maxBetween bounds the text between two placeholders of one path segment: it may have to be looked for.
	maxBetween = 60
	// maxExpanded bounds what a rule can make of a path by naming a placeholder many times.
	maxExpanded = 64 << 10
)

package rules

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Files that hold rules, in the root of a site.
const (
	RedirectsFile = "_redirects"
	HeadersFile   = "_headers"
	RoutesFile    = "_routes.json"
)

// Kind names a class of problems.
type Kind string

// Problems of _redirects and of _headers.
const (
	LineTooLong      Kind = "line-too-long"
	BadURL           Kind = "bad-url"
	InvalidUTF8      Kind = "invalid-utf8"
	ControlCharacter Kind = "control-character"
	CapturesCollide  Kind = "captures-collide"
	TooComplex       Kind = "too-complex"
	NeverMatches     Kind = "never-matches" // a warning
)

// Problems of _redirects.
const (
	TokenCount     Kind = "token-count"
	AbsoluteSource Kind = "absolute-source"
	StaticLimit    Kind = "static-limit"
	DynamicLimit   Kind = "dynamic-limit"
	BadStatus      Kind = "bad-status"
	Loop           Kind = "loop"
	Duplicate      Kind = "duplicate"
	ProxyAbsolute  Kind = "proxy-absolute"
	RedirectLoop   Kind = "redirect-loop" // a warning
	OpenRedirect   Kind = "open-redirect" // a warning
)

// Problems of _headers.
const (
	RuleLimit         Kind = "rule-limit"
	NoHeaders         Kind = "no-headers"
	Port              Kind = "port"
	MultipleWildcards Kind = "multiple-wildcards"
	WildcardAndSplat  Kind = "wildcard-and-splat"
	ExpectedPair      Kind = "expected-pair"
	ExpectedPath      Kind = "expected-path"
	NameHasSpace      Kind = "name-has-space"
	NoName            Kind = "no-name"
	NoValue           Kind = "no-value"
	HeaderBeforePath  Kind = "header-before-path"
	BadName           Kind = "bad-name"
	ForbiddenName     Kind = "forbidden-name"
	HeadersLimit      Kind = "headers-limit"
	BlockReplaced     Kind = "block-replaced" // a warning
)

// Problems of _routes.json, each of which makes the file invalid.
const (
	InvalidJSONSpec  Kind = "invalid-json-spec"
	NoIncludeRules   Kind = "no-include-rules"
	TooManyRules     Kind = "too-many-rules"
	RuleTooLong      Kind = "rule-too-long"
	InvalidRules     Kind = "invalid-rules"
	OverlappingRules Kind = "overlapping-rules"
)

// Problem is one mistake in a rule file. It cost the file the line that it is about, unless it is a Warning: then the line
// counts, but hardly means what its author thinks.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"` // from 1; 0: the whole file
	Kind    Kind   `json:"kind"`
	Text    string `json:"text,omitempty"` // the offending text, shortened, printable, valid UTF-8
	Message string `json:"message"`        // what is wrong and what to write instead
	Warning bool   `json:"warning,omitempty"`
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	fmt.Fprintf(&b, ": %s", p.Message)
	if p.Text != "" {
		fmt.Fprintf(&b, " (%s: %q)", p.Kind, p.Text)
	} else {
		fmt.Fprintf(&b, " (%s)", p.Kind)
	}
	return b.String()
}

// Report lists the problems of one file in the order in which they were found.
type Report struct {
	Problems []Problem `json:"problems"`
	More     int       `json:"more,omitempty"` // how many were found beyond those listed
}

// reporter collects a Report. What is over its limit is only counted, and costs nothing but that.
type reporter struct {
	Report
	file  string
	limit int
}

func (r *reporter) add(line int, kind Kind, text, format string, args ...any) {
	r.put(Problem{Line: line, Kind: kind, Text: text}, format, args)
}

func (r *reporter) warn(line int, kind Kind, text, format string, args ...any) {
	r.put(Problem{Line: line, Kind: kind, Text: text, Warning: true}, format, args)
}

func (r *reporter) put(p Problem, format string, args []any) {
	if len(r.Problems) >= r.limit {
		r.More++
		return
	}
	p.File, p.Text, p.Message = r.file, clip(p.Text), fmt.Sprintf(format, args...)
	r.Problems = append(r.Problems, p)
}

// clip makes text fit for a terminal and for a log: short, valid UTF-8, without control characters.
func clip(text string) string {
	const limit = 160
	if cut := len(text) > limit; cut {
		end := limit
		for end > limit-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}

package convert

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"

	"berth/router/hostkey"
)

// maxExotic bounds what makes parsing alone slow: classes of Unicode, which a short pattern can name by the thousand.
const maxExotic = 16

// Converter understands single patterns. It is immutable and safe for concurrent use.
type Converter struct {
	options Options
	chars   alphabet
}

// New returns a Converter.
func New(o Options) (*Converter, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Converter{options: o, chars: ascii()}, nil
}

// Pattern says what a filter means by itself, without the others of its table. The work is bounded by the Options.
func (c *Converter) Pattern(f Filter) Entry {
	e, _ := c.understand(f)
	return e
}

// understood is what later entries are compared with.
type understood struct {
	tree   *syntax.Regexp // nil if there is none
	shaped bool           // the tree was not made
	steps  int            // nodes visited
	cost   int64          // of finding out, in the steps of Options.MaxWork
	broken bool           // no dialect could compile it, so it never answered
	hosts  []hostReading  // one for each of Entry.Hosts
	wilds  []wildReading  // one for each of Entry.Wildcards
}

func (c *Converter) understand(f Filter) (Entry, understood) {
	e := Entry{Index: f.Index, Pattern: f.Pattern, ScriptHash: f.ScriptHash, By: -1}
	tree, err := c.parse(f)
	if err != nil {
		reason := ReasonSyntax
		if errors.Is(err, errExotic) {
			reason = ReasonTooComplex
		}
		e.refuse(reason, -1, "%v", err)
		return e, understood{broken: broken(err), cost: c.cost(f.Pattern, 0)}
	}
	w := walker{options: &c.options, chars: &c.chars}
	w.walk(&rest{re: tree}, state{})
	whole := w.reason == ""
	w.settle()
	u := understood{tree: tree, steps: w.steps, cost: c.cost(f.Pattern, w.steps), hosts: w.hosts, wilds: w.wilds}
	if w.reason != "" {
		e.refuse(w.reason, -1, "%s", w.why)
		if whole {
			e.Named = w.named()
		}
		return e, u
	}
	e.fill(&w, tree)
	if c.options.Brief {
		e.Why, e.Notes = "", nil
	}
	return e, u
}

// What parsing and walking cost, beside a step of looking for shadows.
const (
	byteCost   = 2
	exoticCost = 1 << 19
	stepCost   = 16
)

func (c *Converter) cost(pattern string, steps int) int64 {
	cost := stepCost*int64(steps) + byteCost*int64(len(pattern))
	if n := exotic(pattern); n <= maxExotic {
		cost += exoticCost * int64(n)
	}
	return cost
}

var errExotic = errors.New("it names too many classes of characters beyond ASCII; hosts are ASCII: write them as a-z0-9")

func (c *Converter) parse(f Filter) (*syntax.Regexp, error) {
	if len(f.Pattern) > c.options.MaxString {
		return nil, fmt.Errorf("the pattern has %d bytes, more than %d (Options.MaxString)", len(f.Pattern), c.options.MaxString)
	}
	if exotic(f.Pattern) > maxExotic {
		return nil, errExotic
	}
	flags := syntax.Perl
	if f.Fold {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(f.Pattern, flags)
	if err == nil {
		return tree, nil
	}
	fault, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return nil, fmt.Errorf("parse pattern: %w", err)
	}
	return nil, &patternError{fault}
}

// patternError is a fault of the pattern, with advice.
type patternError struct{ fault *syntax.Error }

func (e *patternError) Error() string {
	return fmt.Sprintf("not a regular expression that can be understood: %s%q", advice(e.fault), clip(e.fault.Expr))
}

func (e *patternError) Unwrap() error { return e.fault }

// broken reports whether a pattern is faulty in every dialect. What Go's lacks others have: of such a pattern nothing is
// known. An unbalanced parenthesis may be one of a class as JavaScript writes it, where [] and [^] are whole.
func broken(err error) bool {
	fault, ok := errors.AsType[*syntax.Error](err)
	if !ok || strings.Contains(fault.Expr, "[]") || strings.Contains(fault.Expr, "[^]") {
		return false
	}
	switch fault.Code {
	case syntax.ErrMissingParen, syntax.ErrUnexpectedParen, syntax.ErrTrailingBackslash:
		return true
	}
	return false
}

// exotic counts what may be Unicode classes and wide ranges: \p, \P, \x, and a range up to a character beyond ASCII.
func exotic(pattern string) (n int) {
	for i := 0; i+1 < len(pattern); i++ {
		switch {
		case pattern[i] == '\\' && strings.IndexByte("pPx", pattern[i+1]) >= 0:
			n++
		case pattern[i] == '-' && pattern[i+1] >= 0x80:
			n++
		}
	}
	return n
}

// advice says what the parts of other dialects are that this one has not.
func advice(fault *syntax.Error) string {
	expr := fault.Expr
	switch {
	case strings.HasPrefix(expr, "(?=") || strings.HasPrefix(expr, "(?!") || strings.HasPrefix(expr, "(?<"):
		return "look-around is not supported; list the hosts instead: "
	case len(expr) == 2 && expr[0] == '\\' && '1' <= expr[1] && expr[1] <= '9':
		return "back-references are not supported; list the hosts instead: "
	}
	return string(fault.Code) + ": "
}

// named are the hosts and wildcards that were found.
func (w *walker) named() (names []string) {
	for _, h := range w.hosts {
		names = append(names, string(h.host))
	}
	for _, h := range w.wilds {
		names = append(names, "*."+string(h.parent))
	}
	return names
}

// fill makes e of what the walk found.
func (e *Entry) fill(w *walker, tree *syntax.Regexp) {
	for _, h := range w.hosts {
		e.Hosts = append(e.Hosts, h.host)
	}
	for _, h := range w.wilds {
		e.Wildcards = append(e.Wildcards, "*."+string(h.parent))
	}
	e.Class = Converted
	if len(e.Wildcards) > 0 {
		e.Class = NeedsWildcard
	}
	e.Why = "it answers " + listed(e.Hosts, e.Wildcards)
	e.Notes = w.notes()
	if folds(tree) {
		e.Notes = append(e.Notes, Note{Kind: NoteFoldCase, Text: "the pattern ignores case, as Berth does for every host"})
	}
}

func listed(hosts []hostkey.Host, wildcards []string) string {
	var parts []string
	switch len(hosts) {
	case 0:
	case 1:
		parts = append(parts, string(hosts[0]))
	default:
		parts = append(parts, fmt.Sprintf("%d hosts, %s to %s", len(hosts), hosts[0], hosts[len(hosts)-1]))
	}
	return strings.Join(append(parts, wildcards...), " and ")
}

func folds(re *syntax.Regexp) bool {
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase != 0 {
		return true
	}
	for _, sub := range re.Sub {
		if folds(sub) {
			return true
		}
	}
	return false
}

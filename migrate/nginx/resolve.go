package nginx

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"berth/migrate/convert"
	"berth/router/hostkey"
)

// item is one question to a Project: a name, or one half of one like .example.com.
type item struct {
	entry int // index of its Entry
	rank  rank
	host  string // for names
	// For regular expressions.
	pattern string
	fold    bool
}

// rank is nginx's order: by kind, then by length, then by place.
type rank struct{ kind, length int }

const (
	rankExact = iota
	rankWildcard
	rankSuffix
	rankRegex
)

// classify says what a name is. Fold is for regular expressions.
func classify(text string, hostnames bool) (kind Kind, pattern string, fold bool) {
	if pattern, ok := strings.CutPrefix(text, "~"); ok {
		return Regex, pattern, false
	}
	switch {
	case text == "_" || text == "" || strings.HasPrefix(text, "$"):
		return NoHost, "", false
	case !hostnames:
		return Exact, "", false
	case strings.HasPrefix(text, "*."):
		return Wildcard, "", false
	case strings.HasPrefix(text, "."):
		return Both, "", false
	case strings.HasSuffix(text, ".*"):
		return Suffix, "", false
	}
	return Exact, "", false
}

// items returns the questions that an entry stands for.
func (e *Entry) items(at int, pattern string, fold bool) []item {
	switch e.Kind {
	case Exact:
		return []item{{entry: at, rank: rank{rankExact, 0}, host: e.Name}}
	case Wildcard:
		return []item{{entry: at, rank: rank{rankWildcard, -len(e.Name)}, host: e.Name}}
	case Both:
		return []item{
			{entry: at, rank: rank{rankExact, 0}, host: e.Name[1:]},
			{entry: at, rank: rank{rankWildcard, -len(e.Name) - 1}, host: "*" + e.Name},
		}
	case Suffix:
		pattern := "^" + regexp.QuoteMeta(strings.ToLower(strings.TrimSuffix(e.Name, "*"))) + ".+$"
		return []item{{entry: at, rank: rank{rankSuffix, -len(e.Name)}, pattern: pattern}}
	case Regex:
		return []item{{entry: at, rank: rank{rankRegex, 0}, pattern: pattern, fold: fold}}
	}
	return nil
}

// scope is a set of names that are compared with each other: those of a map, or of a socket.
type scope struct {
	entries []Entry
	items   []item
}

// resolve asks a Project about all items in nginx's order, and writes the answers into the entries. Already answered
// entries (for another socket) are merged with.
func (s *scope) resolve(c *convert.Converter) {
	slices.SortStableFunc(s.items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.rank.kind, b.rank.kind), cmp.Compare(a.rank.length, b.rank.length))
	})
	p := c.Project()
	for i, it := range s.items {
		e := &s.entries[it.entry]
		var got convert.Entry
		if it.host != "" {
			got = p.AddName(i, it.host, e.key())
		} else {
			got = p.Add(convert.Filter{Index: i, Pattern: it.pattern, Fold: it.fold, ScriptHash: e.key()})
		}
		s.merge(e, &got)
	}
}

// key is what two entries have in common if it does not matter which of them answers.
func (e *Entry) key() string { return e.Action + " " + e.Value }

func (s *scope) merge(e *Entry, got *convert.Entry) {
	var by Position
	if got.By >= 0 {
		by = s.entries[s.items[got.By].entry].Position
	}
	if e.Reason != "" {
		return
	}
	if e.Kind == Suffix {
		e.refuse(ReasonSuffix, by, fmt.Sprintf("%s has its wildcard at the end, and Berth's stand at the beginning; list the hosts", e.Name))
		return
	}
	if got.Class == convert.CannotConvert {
		e.refuse(got.Reason, by, why(got, by))
		return
	}
	for _, h := range got.Hosts {
		if !slices.Contains(e.Hosts, h) {
			e.Hosts = append(e.Hosts, h)
		}
	}
	for _, w := range got.Wildcards {
		if !slices.Contains(e.Wildcards, w) {
			e.Wildcards = append(e.Wildcards, w)
		}
	}
	for _, n := range got.Notes {
		if n.Kind != convert.NotePartShadow && !slices.Contains(e.Notes, n) {
			e.Notes = append(e.Notes, n)
		}
	}
	if got.By >= 0 && e.By == (Position{}) {
		e.By = by
	}
}

// why puts a place into what package convert can only say with a number.
func why(got *convert.Entry, by Position) string {
	switch got.Reason {
	case convert.ReasonUnproven:
		return fmt.Sprintf("%s comes first, cannot be converted, and may answer it; list its hosts there", by)
	case convert.ReasonLooseConflict:
		return fmt.Sprintf("%s comes first and answers it by its unescaped dots; write \\. there", by)
	case convert.ReasonOverlap:
		return fmt.Sprintf("%s answers some of its hosts and leaves others, and Berth's wildcards cannot be divided so; list the hosts of one of them", by)
	case convert.ReasonPort:
		if got.By >= 0 {
			return fmt.Sprintf("%s answers it on other ports, and a route has no port; remove one of them", by)
		}
	}
	return got.Why
}

// settle gives each entry its class once all its items are answered.
func (e *Entry) settle() {
	if e.Reason != "" {
		return
	}
	switch {
	case len(e.Hosts)+len(e.Wildcards) > 0 && e.pending.reason != "":
		e.refuse(e.pending.reason, Position{}, e.pending.why)
		return
	case len(e.Wildcards) > 0:
		e.Class = convert.NeedsWildcard
	case len(e.Hosts) > 0:
		e.Class = convert.Converted
	default:
		e.Class, e.Reason = convert.Shadowed, convert.ReasonTaken
		e.Why, e.Notes = fmt.Sprintf("%s answers it already", e.By), nil
		return
	}
	e.Why = fmt.Sprintf("it becomes %s", e.routes())
	if e.By != (Position{}) {
		e.Notes = append(e.Notes, convert.Note{Kind: convert.NotePartShadow, Text: fmt.Sprintf("a part of it is answered by %s already", e.By)})
	}
}

func (e *Entry) routes() string {
	var all []string
	for _, h := range e.Hosts[:min(len(e.Hosts), 3)] {
		all = append(all, string(h))
	}
	if n := len(e.Hosts) - len(all); n > 0 {
		all = append(all, fmt.Sprintf("%d more hosts", n))
	}
	return strings.Join(append(all, e.Wildcards...), ", ")
}

// fix replaces variables in the value that are known with the host, and refuses an entry whose value is not known then.
func (e *Entry) fix(serverName string) {
	if !strings.Contains(e.Value, "$") {
		return
	}
	pairs := []string{}
	if e.Kind == Exact {
		if h, err := hostkey.Canonical(e.Name); err == nil {
			for _, v := range []string{"$host", "${host}", "$http_host", "${http_host}"} {
				pairs = append(pairs, v, string(h))
			}
		}
	}
	if serverName != "" {
		pairs = append(pairs, "$server_name", serverName, "${server_name}", serverName)
	}
	value := replaceVariables(e.Value, pairs)
	if e.Value = value; strings.Contains(value, "$") {
		e.pending = refusal{ReasonVariable, fmt.Sprintf("its value %q is known only with the request; write a name and a value for each host", value)}
	}
}

// replaceVariables replaces whole names only: $host in $hostname stays.
func replaceVariables(value string, pairs []string) string {
	for i := 0; i < len(pairs); i += 2 {
		var b strings.Builder
		rest := value
		for {
			before, after, found := strings.Cut(rest, pairs[i])
			b.WriteString(before)
			if !found {
				break
			}
			if after != "" && !strings.HasSuffix(pairs[i], "}") && nameByte(after[0]) {
				b.WriteString(pairs[i])
			} else {
				b.WriteString(pairs[i+1])
			}
			rest = after
		}
		value = b.String()
	}
	return value
}

func nameByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

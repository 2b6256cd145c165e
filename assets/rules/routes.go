package rules

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Routes is a compiled _routes.json: which paths go to the site's Functions. Immutable, safe for concurrent use.
type Routes struct {
	include, exclude index
	patterns         []pattern
	rules            []string // as they are written, for each pattern
}

// ParseRoutes parses, checks and compiles a _routes.json. A file with a problem is no good as a whole: the result is nil
// then, and the deployment has to be refused. Only the first problem is reported.
func ParseRoutes(text string, o Options) (*Routes, Report) {
	o = o.withDefaults()
	spec, p := parseRoutesJSON(text)
	if p == nil {
		p = spec.check(o)
	}
	if p != nil {
		p.File, p.Text = RoutesFile, clip(p.Text)
		return nil, Report{Problems: []Problem{*p}}
	}
	r := &Routes{}
	var ids [2][]int32
	for list, rules := range [][]string{spec.include, spec.exclude} {
		for _, rule := range rules {
			if strings.IndexByte(rule, skipKey) >= 0 {
				continue // no path has it, and the index cannot hold it
			}
			for _, glob := range routeGlobs(rule) {
				ids[list] = append(ids[list], int32(len(r.patterns)))
				r.patterns = append(r.patterns, pattern{sep: '/', glob: glob})
				r.rules = append(r.rules, rule)
			}
		}
	}
	r.include, r.exclude = newIndex('/', r.patterns, ids[0]), newIndex('/', r.patterns, ids[1])
	return r, Report{}
}

// Match reports whether an encoded path goes to the Functions. Nil Routes have every path go there.
func (r *Routes) Match(path string) bool {
	if r == nil {
		return true
	}
	if _, out := r.exclude.first(path); out {
		return false
	}
	_, in := r.include.first(path)
	return in
}

// Why is Match that says which rule decided: one of "exclude", or one of "include"; "" if no rule matches.
func (r *Routes) Why(path string) (rule string, match bool) {
	if r == nil {
		return "", true
	}
	if i, out := r.exclude.first(path); out {
		return r.rules[i], false
	}
	if i, in := r.include.first(path); in {
		return r.rules[i], true
	}
	return "", false
}

// Weight is about the memory that r holds, in bytes.
func (r *Routes) Weight() int64 {
	if r == nil {
		return 0
	}
	texts := int64(0)
	for _, rule := range r.rules {
		texts += int64(unsafe.Sizeof(rule)) + int64(len(rule))
	}
	return int64(unsafe.Sizeof(*r)) + texts + r.include.weight() + r.exclude.treeWeight() // the patterns are in one list
}

// routeGlobs is what a rule stands for, each as the texts between its "*"s: a rule for a directory covers the
// directory's own name, and one for a page covers it with a slash.
func routeGlobs(rule string) [][]string {
	glob := func(s string) []string { return strings.Split(strings.Clone(s), "*") }
	switch {
	case rule == "/" || rule == "/*":
		return [][]string{glob(rule)}
	case strings.HasSuffix(rule, "/*"):
		return [][]string{glob(rule[:len(rule)-2]), glob(rule)}
	case strings.HasSuffix(rule, "/"):
		return [][]string{glob(rule[:len(rule)-1]), glob(rule)}
	case strings.HasSuffix(rule, "*"):
		return [][]string{glob(rule)}
	}
	return [][]string{glob(rule), glob(rule + "/")}
}

type routesSpec struct{ include, exclude []string }

// parseRoutesJSON reads the file by the exact spelling of its keys, which encoding/json would not insist on.
func parseRoutesJSON(text string) (spec routesSpec, p *Problem) {
	bad := func(text, format string, args ...any) *Problem {
		return &Problem{Kind: InvalidJSONSpec, Text: text, Message: fmt.Sprintf(format, args...)}
	}
	const shape = `write {"version": 1, "include": ["/*"], "exclude": []}`
	if strings.HasPrefix(text, "\ufeff") {
		return spec, bad("", "the file starts with a byte order mark, which JSON does not allow: save it as UTF-8 without one")
	}
	if !utf8.ValidString(text) {
		return spec, bad("", "the file is not valid UTF-8: save it as UTF-8")
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		p := bad("", "not a JSON object: %s: %s", strings.TrimPrefix(err.Error(), "json: "), shape)
		p.Line = jsonLine(text, err)
		return spec, p
	}
	var version any
	if json.Unmarshal(file["version"], &version); version != 1.0 {
		return spec, bad(string(file["version"]), `"version" has to be 1: %s`, shape)
	}
	var ok bool
	if spec.include, ok = stringList(file["include"]); !ok {
		return spec, bad(string(file["include"]), `"include" has to be a list of strings: %s`, shape)
	}
	if spec.exclude, ok = stringList(file["exclude"]); !ok {
		return spec, bad(string(file["exclude"]), `"exclude" has to be a list of strings: %s`, shape)
	}
	return spec, nil
}

// stringList reads a list of strings, in which encoding/json would let null stand for an empty one.
func stringList(raw json.RawMessage) ([]string, bool) {
	var items []*string
	if err := json.Unmarshal(raw, &items); err != nil || items == nil {
		return nil, false
	}
	list := make([]string, len(items))
	for i, item := range items {
		if item == nil {
			return nil, false
		}
		list[i] = *item
	}
	return list, true
}

// jsonLine is the line of a syntax error, or 0.
func jsonLine(text string, err error) int {
	if syntax, ok := err.(*json.SyntaxError); ok {
		return 1 + strings.Count(text[:min(int(syntax.Offset), len(text))], "\n")
	}
	return 0
}

// check finds the first problem, in the original's order.
func (s *routesSpec) check(o Options) *Problem {
	lists := []struct {
		key   string
		rules []string
	}{{"include", s.include}, {"exclude", s.exclude}}
	if len(s.include) == 0 {
		return &Problem{Kind: NoIncludeRules, Message: `"include" needs at least one rule: write "/*" to run Functions for every path`}
	}
	if n := len(s.include) + len(s.exclude); n > o.MaxRoutesRules {
		return &Problem{Kind: TooManyRules, Message: fmt.Sprintf("%d rules, only %d are allowed in both lists together: join rules with *", n, o.MaxRoutesRules)}
	}
	for _, list := range lists {
		for _, rule := range list.rules {
			if longer(rule, o.MaxRouteLength) {
				return &Problem{Kind: RuleTooLong, Text: rule, Message: fmt.Sprintf("a rule in %q is longer than %d characters: shorten it with *", list.key, o.MaxRouteLength)}
			}
		}
	}
	for _, list := range lists {
		for _, rule := range list.rules {
			if !strings.HasPrefix(rule, "/") {
				return &Problem{Kind: InvalidRules, Text: rule, Message: fmt.Sprintf("a rule in %q does not begin with /: write a path", list.key)}
			}
		}
	}
	for _, list := range lists {
		if wide, narrow, ok := overlap(list.rules); ok {
			return &Problem{Kind: OverlappingRules, Text: wide + " " + narrow, Message: fmt.Sprintf("in %q one rule covers the other: remove %s", list.key, clip(narrow))}
		}
	}
	return nil
}

// overlap finds a rule that ends in "/*" and another that it is a prefix of.
func overlap(rules []string) (wide, narrow string, ok bool) {
	for _, wide := range rules {
		if !strings.HasSuffix(wide, "/*") {
			continue
		}
		for _, narrow := range rules {
			if narrow != wide && strings.HasPrefix(narrow, wide[:len(wide)-1]) {
				return wide, narrow, true
			}
		}
	}
	return "", "", false
}

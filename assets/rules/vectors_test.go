package rules

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vector is one line of the corpus. Its fields depend on its type.
type vector struct {
	ID, Type, Severity string
	Input              string

	RuleCount     int               `json:"rule_count"`
	Rules         []json.RawMessage // of redirects: [from, to, status, line]; of headers: parsedRule
	LastRule      json.RawMessage   `json:"last_rule"`
	StaticCount   int               `json:"static_count"`
	Dynamic       json.RawMessage   // the sources, or how many
	Invalid       []vectorProblem
	InvalidCounts map[Kind]int `json:"invalid_counts"`
	Effective     map[string]parsedRule

	Result        string
	Rule          string
	Pathname, URL string
	Match         bool
	Groups        map[string]string
	Error         string
}

type vectorProblem struct {
	Kind Kind
	Line int
}

type parsedRule struct {
	Path  string
	Set   map[string]string
	Unset []string
}

// deliberate lists in what we differ from the original, and why, each by what the input looks like. Where the corpus
// says that an implementation must match, only an entry that says must may explain a difference.
var deliberate = []struct {
	why     string
	must    bool
	applies func(v *vector) bool
}{
	{"a status is written in digits: what else JavaScript takes for the number is refused", false, func(v *vector) bool {
		return v.Type == "redirects" && regexp.MustCompile(`(?m)\s(0[xXbBoO]\w+|[+]\d+|0\d+|\d+\.0*|[\d.]+[eE]\d+)\s*$`).MatchString(v.Input)
	}},
	{"^ is percent-encoded, as newer URL parsers do and as the request's path has it", false, func(v *vector) bool {
		return strings.ContainsRune(v.Input, '^') || strings.ContainsRune(v.Rule, '^')
	}},
	{"rules that could never match are reported and left out", true, func(v *vector) bool {
		return (v.Type == "redirects" || v.Type == "headers") && slices.ContainsFunc(strings.Fields(v.Input), collides)
	}},
	{"a destination with an empty host is refused: the original throws when it is requested", false, func(v *vector) bool {
		return v.Type == "redirects" && regexp.MustCompile(`(?m)\s//+(\s|$)`).MatchString(v.Input)
	}},
	{"field names have to be tokens: the original throws on every matching request", true, func(v *vector) bool {
		return v.Type == "headers" && regexp.MustCompile(`(?m)^\s+(! ! .*|[^\s:/]*[()<>@,;\\"/\[\]?={}][^\s:]*:)`).MatchString(v.Input)
	}},
	{"white space between ! and the name does not count", false, func(v *vector) bool {
		return v.Type == "headers" && regexp.MustCompile(`(?m)^\s*! \s+\S`).MatchString(v.Input)
	}},
	{"names that JavaScript objects have are names like any other", false, func(v *vector) bool {
		return v.Type == "headers" && strings.Contains(v.Input, "__proto__")
	}},
	{"a host with a space is refused: it never matched", false, func(v *vector) bool {
		return v.Type == "headers" && regexp.MustCompile(`(?m)^https://\S* [^/]*/`).MatchString(v.Input)
	}},
	{":a before :ab is two placeholders, and the rule is not dropped", false, func(v *vector) bool {
		return v.Type == "pattern-match" && v.Error == "rule-dropped" && !collides(v.Rule)
	}},
	{"of a rule's characters only * has a meaning", false, func(v *vector) bool {
		return v.Type == "route-match" && strings.ContainsAny(v.Rule, `+?()[]{}|^$\`)
	}},
	{"* matches any character: no path has a line break in it", false, func(v *vector) bool {
		return v.Type == "route-match" && strings.ContainsAny(v.Pathname, "\r\n\u2028\u2029")
	}},
}

// collides reports that a source captures one name twice.
func collides(source string) bool {
	names := captureNames(scan(source, '/'))
	slices.Sort(names)
	return len(slices.Compact(slices.Clone(names))) < len(names)
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	f, err := os.Open(filepath.Join(*corpus, "vectors.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var vectors []vector
	for in := bufio.NewReader(f); ; {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var v vector
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			vectors = append(vectors, v)
		}
		if err != nil {
			return vectors
		}
	}
}

func TestVectors(t *testing.T) {
	check := map[string]func(v *vector) string{
		"redirects": checkRedirects, "headers": checkHeaders, "routes": checkRoutes,
		"pattern-match": checkPatternMatch, "route-match": checkRouteMatch,
	}
	ran := map[string]int{}
	for _, v := range readVectors(t) {
		if check[v.Type] == nil {
			continue
		}
		ran[v.Type]++
		diff := check[v.Type](&v)
		if diff == "" || v.explained() {
			continue
		}
		t.Errorf("%s [%s] %.300q %s %s%s (-want +got)\n%s", v.ID, v.Severity, v.Input, v.Rule, v.Pathname, v.URL, diff)
	}
	for kind := range check {
		if ran[kind] < 10 {
			t.Errorf("only %d vectors of type %s", ran[kind], kind)
		}
	}
}

// What is explained away must stay the exception.
func TestDeliberateDifferences(t *testing.T) {
	used := 0
	for _, v := range readVectors(t) {
		if v.explained() {
			used++
		}
	}
	if used == 0 || used > 60 {
		t.Errorf("%d of the vectors are explained away", used)
	}
}

func (v *vector) explained() bool {
	for _, d := range deliberate {
		if (d.must || v.Severity != "must") && d.applies(v) {
			return true
		}
	}
	return false
}

// problems leaves out what the original does not report.
func problems(r Report) (list []vectorProblem, counts map[Kind]int) {
	ours := []Kind{InvalidUTF8, ControlCharacter, CapturesCollide, TooComplex, BadName, ForbiddenName, HeadersLimit}
	counts = map[Kind]int{}
	for _, p := range r.Problems {
		if !p.Warning && !slices.Contains(ours, p.Kind) {
			list = append(list, vectorProblem{p.Kind, p.Line})
			counts[p.Kind]++
		}
	}
	return list, counts
}

// diffProblems compares lists of problems. The original gives no line for some, and for a block without fields that of
// the next block.
func diffProblems(v *vector, r Report) string {
	got, counts := problems(r)
	if v.InvalidCounts != nil {
		return cmp.Diff(v.InvalidCounts, counts)
	}
	want := slices.Clone(v.Invalid)
	for i := range want {
		if i < len(got) && (want[i].Line == 0 || want[i].Kind == NoHeaders) {
			want[i].Line = got[i].Line
		}
	}
	if len(want) == 0 && len(got) == 0 {
		return ""
	}
	return cmp.Diff(want, got)
}

func checkRoutes(v *vector) string {
	r, report := ParseRoutes(v.Input, Options{})
	got := "ok"
	if len(report.Problems) > 0 {
		got = string(report.Problems[0].Kind)
	}
	if (r == nil) != (got != "ok") {
		return "result and problem do not agree"
	}
	return cmp.Diff(v.Result, got)
}

func checkRouteMatch(v *vector) string {
	file, err := json.Marshal(map[string]any{"version": 1, "include": []string{v.Rule}, "exclude": []string{}})
	if err != nil {
		panic(err)
	}
	r, report := ParseRoutes(string(file), Options{})
	if r == nil {
		return report.Problems[0].String()
	}
	return cmp.Diff(v.Match, r.Match(v.Pathname))
}

// checkPatternMatch asks both matchers: all vectors' rules are good in a _headers file, those without a host in a
// _redirects file too.
func checkPatternMatch(v *vector) string {
	rest := v.URL[strings.Index(v.URL, "://")+3:]
	host, path, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, ":")
	path, _, _ = splitReference("/" + path)
	path = escaped(path, inPath)

	h, _ := ParseHeaders(v.Rule+"\n  X-A: 1", Options{})
	hits := h.Match(nil, host, path)
	if diff := cmp.Diff(v.Match, len(hits) > 0); diff != "" {
		return "headers: " + diff
	}
	c := captures{host: host, path: path}
	var names []string
	if len(hits) > 0 {
		b := &h.blocks[hits[0]]
		b.capture(&h.paths[hits[0]], &c)
		if b.host != nil {
			names = append(names, b.host.names...)
		}
		names = append(names, h.paths[hits[0]].names...)
	}
	if diff := diffGroups(v, names, &c); diff != "" || strings.Contains(v.Rule, "://") {
		return diff
	}
	r, _ := ParseRedirects(v.Rule+" /to", Options{})
	n, ok := r.Find(path)
	if !ok || !v.Match {
		return cmp.Diff(v.Match, ok)
	}
	if len(v.Groups) > 0 {
		source := &r.dynamic.patterns[r.rules[n].source]
		c := captures{path: path}
		if !source.match(path, c.spans[:len(source.names)]) {
			return "redirects: found, but does not match"
		}
		return diffGroups(v, source.names, &c)
	}
	return ""
}

func diffGroups(v *vector, names []string, c *captures) string {
	if !v.Match {
		return ""
	}
	got := map[string]string{}
	for i, name := range names {
		got[name] = c.text(i)
	}
	return cmp.Diff(v.Groups, got)
}

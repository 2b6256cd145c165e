package rules

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRoutesProblems(t *testing.T) {
	for _, c := range []struct {
		file string
		kind Kind
		line int
		says string
	}{
		{``, InvalidJSONSpec, 1, "not a JSON object"},
		{"{\n\n,}", InvalidJSONSpec, 3, "not a JSON object"},
		{`null`, InvalidJSONSpec, 0, "version"},
		{`{"Version":1,"include":["/*"],"exclude":[]}`, InvalidJSONSpec, 0, "version"},
		{`{"version":"1","include":["/*"],"exclude":[]}`, InvalidJSONSpec, 0, "version"},
		{`{"version":1,"include":null,"exclude":[]}`, InvalidJSONSpec, 0, "include"},
		{`{"version":1,"include":["/*"],"Exclude":[]}`, InvalidJSONSpec, 0, "exclude"},
		{`{"version":1,"include":["/*",1],"exclude":[]}`, InvalidJSONSpec, 0, "include"},
		{`{"version":1,"include":["/*",null],"exclude":[]}`, InvalidJSONSpec, 0, "include"},
		{`{"version":1,"include":"/*","exclude":[]}`, InvalidJSONSpec, 0, "include"},
		{`{"version":1,"include":["/*"],"exclude":[]} x`, InvalidJSONSpec, 1, "not a JSON object"},
		{"\ufeff" + `{"version":1,"include":["/*"],"exclude":[]}`, InvalidJSONSpec, 0, "byte order mark"},
		{"{\"version\":1,\"include\":[\"/\xff\"],\"exclude\":[]}", InvalidJSONSpec, 0, "UTF-8"},
		{strings.Repeat("[", 10_000_000), InvalidJSONSpec, 1, "not a JSON object"},
		{`{"version":1,"include":["/a/*","/a/b"],"exclude":[]}`, OverlappingRules, 0, "/a/b"},
		{`{"version":1,"include":["/*"],"exclude":["/b/*","/b/c"]}`, OverlappingRules, 0, "exclude"},
		{`{"version":1,"include":["/*"],"exclude":["b"]}`, InvalidRules, 0, "exclude"},
	} {
		r, report := ParseRoutes(c.file, Options{})
		if r != nil || len(report.Problems) != 1 {
			t.Errorf("%.80q is accepted", c.file)
			continue
		}
		if p := report.Problems[0]; p.Kind != c.kind || p.Line != c.line || !strings.Contains(p.Message, c.says) || p.File != RoutesFile {
			t.Errorf("%.80q: %s", c.file, p)
		}
	}
	for _, file := range []string{
		`{"version":1.0,"include":["/*"],"exclude":[],"description":{"any":"thing"}}`,
		`{"version":1,"include":["/a/*","/a/*"],"exclude":["/a/*"]}`,
		`{"version":1,"include":["/\u0000","/a"],"exclude":[]}`,
	} {
		if r, report := ParseRoutes(file, Options{}); r == nil {
			t.Errorf("%s: %s", file, report.Problems[0])
		}
	}
}

func TestRoutesLimits(t *testing.T) {
	list := func(n int) string {
		return strings.TrimSuffix(strings.Repeat(`"/a",`, n), ",")
	}
	file := fmt.Sprintf(`{"version":1,"include":[%s],"exclude":[]}`, list(101))
	if _, report := ParseRoutes(file, Options{}); len(report.Problems) != 1 || report.Problems[0].Kind != TooManyRules {
		t.Error(report)
	}
	if r, _ := ParseRoutes(file, Options{MaxRoutesRules: 101}); r == nil {
		t.Error("the limit cannot be raised")
	}
}

// Files that nobody wrote by hand take time in proportion to their size, and a problem does not repeat them.
func TestRoutesBigFiles(t *testing.T) {
	const head, tail = `{"version":1,"include":["/*"`, `],"exclude":[]}`
	for name, c := range map[string]struct {
		file string
		want Kind
	}{
		"a million rules":    {head + strings.Repeat(",\n\"/a\"", 1_000_000) + tail, TooManyRules},
		"one rule of 10 MB":  {head + `,"/` + strings.Repeat("a", 10_000_000) + `"` + tail, RuleTooLong},
		"one line of 10 MB":  {strings.Repeat("a", 10_000_000), InvalidJSONSpec},
		"a million brackets": {head + "," + strings.Repeat("[", 1_000_000), InvalidJSONSpec},
		"10 MB of NUL":       {strings.Repeat("\x00", 10_000_000), InvalidJSONSpec},
		"10 MB of 0xff":      {strings.Repeat("\xff", 10_000_000), InvalidJSONSpec},
		"10 MB of CRLF":      {strings.Repeat("\r\n", 5_000_000), InvalidJSONSpec},
	} {
		r, report := ParseRoutes(c.file, Options{})
		if r != nil || len(report.Problems) != 1 || report.Problems[0].Kind != c.want || len(report.Problems[0].String()) > 1000 {
			t.Errorf("%s: %v", name, report)
		}
	}
	file := strings.ReplaceAll(head+tail, ",", ",\r\n") + strings.Repeat("\r\n", 5_000_000)
	if r, report := ParseRoutes(file, Options{}); r == nil {
		t.Errorf("10 MB of CRLF behind what counts: %v", report)
	}
}

func TestRoutesMatch(t *testing.T) {
	r, report := ParseRoutes(`{"version":1,"include":["/api/*","/exact","/pre*","/*.js","/m/*/x/*"],"exclude":["/api/static/*","/preface"]}`, Options{})
	if r == nil {
		t.Fatal(report)
	}
	for path, want := range map[string]bool{
		"/api": true, "/api/": true, "/api/x/y": true, "/apis": false, "/api/static": false, "/api/static/a.js": false, "/exact": true, "/exact/": true, "/exact/x": false,
		"/prefix/x": true, "/preface": false, "/preface/": false, "/a/b.js": true, "/.js": true, "/b.jsx": false, "/m/1/x/2": true, "/m/1/x": true, "/m/x": false, "/": false,
	} {
		if got := r.Match(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// A NUL, which marks placeholders in the index, is no placeholder.
func TestRoutesWithNUL(t *testing.T) {
	r, _ := ParseRoutes(`{"version":1,"include":["/\u0000","/b/\u0000*","/a"],"exclude":[]}`, Options{})
	if r == nil || r.Match("/x") || r.Match("/b/x") || !r.Match("/a") {
		t.Error("a NUL matches something else")
	}
}

// referenceRoute is the regular expression that the original makes of a rule.
func referenceRoute(rule string) *regexp.Regexp {
	quote := func(s string) string { return strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, `(?s:.*)`) }
	text := ""
	switch {
	case rule == "/" || rule == "/*":
		text = quote(rule)
	case strings.HasSuffix(rule, "/*"):
		text = quote(rule[:len(rule)-2]) + "(" + quote("/*") + ")?"
	case strings.HasSuffix(rule, "/"):
		text = quote(rule[:len(rule)-1]) + "(/)?"
	case strings.HasSuffix(rule, "*"):
		text = quote(rule)
	default:
		text = quote(rule) + "(/)?"
	}
	return regexp.MustCompile(`\A` + text + `\z`)
}

func TestRoutesAreRegexps(t *testing.T) {
	rules := rapid.SliceOfN(rapid.StringMatching(`/([ab/.*:]{0,6})`), 0, 6)
	rapid.Check(t, func(t *rapid.T) {
		include := append(rules.Draw(t, "include"), "/only")
		exclude := rules.Draw(t, "exclude")
		if exclude == nil {
			exclude = []string{}
		}
		file, err := json.Marshal(map[string]any{"version": 1, "include": include, "exclude": exclude})
		if err != nil {
			t.Fatal(err)
		}
		r, report := ParseRoutes(string(file), Options{})
		if r == nil {
			if report.Problems[0].Kind != OverlappingRules {
				t.Fatal(report)
			}
			return
		}
		for range 8 {
			path := rapid.StringMatching(`/[ab/.:]{0,8}`).Draw(t, "path")
			in, out := false, false
			for _, rule := range include {
				in = in || referenceRoute(rule).MatchString(path)
			}
			for _, rule := range exclude {
				out = out || referenceRoute(rule).MatchString(path)
			}
			if got := r.Match(path); got != (in && !out) {
				t.Fatalf("%s with %s: %v", path, file, got)
			}
		}
	})
}

func FuzzRoutes(f *testing.F) {
	f.Add(`{"version":1,"include":["/*"],"exclude":["/a*b*c","/\u0000*"]}`, "/a/b/c")
	f.Add(`{"version":1,"include":["/a/","/**"],"exclude":[]}`, "/a")
	f.Fuzz(func(t *testing.T, file, path string) {
		r, report := ParseRoutes(file, Options{})
		if (r == nil) != (len(report.Problems) == 1) {
			t.Fatal(report)
		}
		if r == nil {
			return
		}
		var spec struct {
			Include, Exclude []string
		}
		if strings.Count(strings.ToLower(file), "clude") > 2 || json.Unmarshal([]byte(file), &spec) != nil || strings.Contains(path, "\x00") || !isASCII(path) {
			return // encoding/json takes keys in any case
		}
		in, out := false, false
		for _, rule := range spec.Include {
			in = in || !strings.Contains(rule, "\x00") && referenceRoute(rule).MatchString(path)
		}
		for _, rule := range spec.Exclude {
			out = out || !strings.Contains(rule, "\x00") && referenceRoute(rule).MatchString(path)
		}
		if got := r.Match(path); got != (in && !out) {
			t.Fatalf("%q with %q: %v", path, file, got)
		}
	})
}

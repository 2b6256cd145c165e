package rules

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kinds lists "line kind" of each problem, warnings in parentheses.
func kinds(r Report) []string {
	var list []string
	for _, p := range r.Problems {
		one := fmt.Sprintf("%d %s", p.Line, p.Kind)
		if p.Warning {
			one = "(" + one + ")"
		}
		list = append(list, one)
	}
	return list
}

func TestRedirectProblems(t *testing.T) {
	for _, c := range []struct {
		name, file string
		rules      int
		want       []string
	}{
		{"loop of two", "/a /b\n/b /a\n/c /a", 3, []string{"(1 redirect-loop)"}},
		{"loop of one", "/a /a?x=1 301", 1, []string{"(1 redirect-loop)"}},
		{"loop through a pattern", "/b/c /a\n/a/* /x\n/:y /b/c", 3, []string{"(1 redirect-loop)"}},
		{"two loops", "/a /b\n/b /a\n/c /d\n/d /c\n", 4, []string{"(1 redirect-loop)", "(3 redirect-loop)"}},
		{"a rewrite ends it", "/a /b\n/b /a 200", 2, nil},
		{"a chain is no loop", "/a /b\n/b /c\n/c /d", 3, nil},
		{"captures collide", "/x/:a/:a /y\n/x/* /z\n/x/*/* /z\n/y/*/:splat /z", 1, []string{"1 captures-collide", "3 captures-collide", "4 captures-collide"}},
		{"a refused proxy counts as seen", "/w https://ext.example/ 200\n/w /x", 0, []string{"1 proxy-absolute", "2 duplicate"}},
		{"prefix names do not collide", "/x/:a/:ab /y/:ab/:a", 1, nil},
		{"anybody's host", "/out/* https://:splat\n/o/:h //:h:8080/x\n/ok/:h https://:h.example/", 3, []string{"(1 open-redirect)", "(2 open-redirect)"}},
		{"backslash source", "/a\\b /c", 1, []string{"(1 never-matches)"}},
		{"no host", "/a //\n/b https://\n/c https://?x\n/d ///", 0, []string{"1 bad-url", "2 bad-url", "3 bad-url", "4 bad-url"}},
		{"bad host", "/a https://a%20b/\n/b https://h:1:2/\n/c https://h:70000/\n/d https://1.2.3/", 0, []string{"1 bad-url", "2 bad-url", "3 bad-url", "4 bad-url"}},
		{"written as URL", "/a https:evil\n/b \\\\evil\n/c %2F%2Fevil\n/d javascript:x", 0, []string{"1 bad-url", "2 bad-url", "3 bad-url", "4 bad-url"}},
		{"a bad host comes last, and counts as seen", "/a https://a%20b/ 404\n/b https://h:1:2/ 200\n/c //\n/c /d\n/e/* //1.2.3/index", 0, []string{"1 bad-status", "2 proxy-absolute", "3 bad-url", "4 duplicate", "5 loop"}},
		{"to an index page", "/a/* /index.html\n/b/ /x/index\n/c/* /indexXhtml\n/d/* /index_html?x\n/e/* /Xindex\n/f/* /index.htm\n/g/* /indexhtml\n/h/* html\n/i /index.html", 5,
			[]string{"1 loop", "2 loop", "3 loop", "8 bad-url"}},
		{"status", "/a /b 0301\n/c /d 301.0\n/e /f +301\n/g /h 404", 0, []string{"1 bad-status", "2 bad-status", "3 bad-status", "4 bad-status"}},
		{"NUL", "/a\x00 /b\n/c /d\x00\n/ok /x", 1, []string{"1 control-character", "2 control-character"}},
		{"invalid UTF-8", "/a\xff /b\n/ok /x\n# \xff\n/ok2 /x # \xff", 2, []string{"1 invalid-utf8"}},
		{"byte order mark and CRLF", "\ufeff/a /b\r\n/c /d\r\n\r\n", 2, nil},
		{"old line ends", "/a /b\r/c /d", 0, []string{"1 token-count"}},
		{"line separator", "/a\u2028/b", 1, nil},
		{"next line is no white space", "/a\u0085b /c", 1, nil},
		{"inline comment", "/a /b#c # d\n/e /f #g h i", 2, nil},
		{"too many placeholders", "/" + placeholders(65) + " /x\n/" + placeholders(64) + " /x", 1, []string{"1 too-complex"}},
		{"too much between placeholders", "/:a" + strings.Repeat("-", 61) + ":b /x\n/:a" + strings.Repeat("-", 60) + ":b /x", 1, []string{"1 too-complex"}},
		{"nothing", "", 0, nil},
		{"comments", "# a\n   # b\n\n", 0, nil},
	} {
		r, report := ParseRedirects(c.file, Options{})
		if diff := cmp.Diff(c.want, kinds(report)); diff != "" || r.Len() != c.rules {
			t.Errorf("%s: %d rules, want %d (-want +got)\n%s", c.name, r.Len(), c.rules, diff)
		}
	}
}

func placeholders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ":p%d/", i)
	}
	return b.String()
}

func TestProblemText(t *testing.T) {
	_, report := ParseRedirects("# rules\n/from /to 404\n", Options{})
	want := `_redirects:2: not a status: write 301, 302, 303, 307 or 308, or 200 to serve the destination without redirecting (bad-status: "404")`
	if got := report.Problems[0].String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	_, report = ParseRedirects("/a "+strings.Repeat("é", 100)+"\x1b[31m\n", Options{})
	if text := report.Problems[0].Text; len(text) > 170 || hasControl(text) || !strings.HasSuffix(text, "…") {
		t.Errorf("%q", text)
	}
}

func TestRedirectLimits(t *testing.T) {
	r, report := ParseRedirects("/a /x\n/b /x\n/c /x\n/d/* /x\n/e/* /x\n/f /x\n/g /x\n", Options{MaxRedirectsStatic: 2, MaxRedirectsDynamic: 2})
	if diff := cmp.Diff([]string{"3 static-limit", "6 dynamic-limit"}, kinds(report)); diff != "" || r.Len() != 4 {
		t.Errorf("%d rules\n%s", r.Len(), diff)
	}
	if got := report.Problems[1].Message; !strings.Contains(got, "the 2 lines below") { // one of them empty
		t.Error(got)
	}
	_, report = ParseRedirects("/aé /b\n/a😀 /b\n", Options{MaxRedirectLine: 6})
	if diff := cmp.Diff([]string{"2 line-too-long"}, kinds(report)); diff != "" {
		t.Error(diff)
	}
	_, report = ParseRedirects(strings.Repeat("/a\n", 1000), Options{MaxProblems: 10})
	if len(report.Problems) != 10 || report.More != 990 {
		t.Errorf("%d and %d more", len(report.Problems), report.More)
	}
}

func TestRedirectLoopOf200(t *testing.T) {
	var file strings.Builder
	for i := range 200 {
		fmt.Fprintf(&file, "/l%d /l%d\n", i, (i+1)%200)
	}
	r, report := ParseRedirects(file.String(), Options{})
	if diff := cmp.Diff([]string{"(1 redirect-loop)"}, kinds(report)); diff != "" || r.Len() != 200 {
		t.Errorf("%d rules\n%s", r.Len(), diff)
	}
}

// The table and the list: a plain line above the first pattern beats it, one below does not.
func TestRedirectOrder(t *testing.T) {
	r, _ := ParseRedirects("/a/x /1\n/bad/* nowhere\n/a/y /2\n/a/* /3\n/a/z /4\n/*/z /5\n/b/z /6\n", Options{})
	for path, want := range map[string]string{"/a/x": "/1", "/a/y": "/2", "/a/z": "/3", "/b/z": "/5", "/a/": "/3", "/a": "", "/A/x": "", "/c": ""} {
		n, ok := r.Find(path)
		got := ""
		if ok {
			got = r.Rule(n).To
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if r.Statics() != 2 || r.Len() != 6 {
		t.Errorf("%d of %d are in the table", r.Statics(), r.Len())
	}
}

func TestNoRules(t *testing.T) {
	var r *Redirects
	var h *Headers
	var routes *Routes
	if _, ok := r.Find("/"); ok || r.Len() != 0 || r.Weight() != 0 || r.Statics() != 0 {
		t.Error("no redirects have rules")
	}
	changes := Changes{List: make([]Change, 3)}
	if h.Apply(&changes, "", "/"); len(changes.List) != 0 || h.Match(nil, "", "/") != nil || h.Len() != 0 || h.Weight() != 0 {
		t.Error("no header rules have rules")
	}
	if !routes.Match("/") || routes.Weight() != 0 {
		t.Error("without routes not everything goes to the Functions")
	}
	empty, _ := ParseRedirects("", Options{})
	if _, ok := empty.Find("/"); ok {
		t.Error("an empty file has rules")
	}
}

// In the original a rule that collides is accepted, and so begins the list, though it never matches.
func TestCollidingRuleEndsTheTable(t *testing.T) {
	r, _ := ParseRedirects("/a /b\n/x/:a/:a /y\n/c /d\n", Options{})
	if r.Len() != 2 || r.Statics() != 1 {
		t.Errorf("%d of %d are in the table", r.Statics(), r.Len())
	}
}

func TestRedirectTo(t *testing.T) {
	for to, want := range map[string]string{
		"/.//evil.example": "/evil.example", "/a/../b?#": "/b", "/é?é#é": "/%C3%A9?%C3%A9#%C3%A9", "https://h": "https://h/", "//h": "//h", "//h/../x": "//h/x", "https:////h?x": "https://h/?x",
		"https://h//x": "https://h/x", "https://h///x": "https://h//x", "https://h/x//y": "https://h/x//y", "//h//x": "//h//x", "//é#é": "//%C3%A9#%C3%A9", "//h?#": "//h", "//h?x": "//h?x",
	} {
		r, report := ParseRedirects("/from "+to, Options{})
		if r.Len() != 1 {
			t.Errorf("%s: %v", to, report.Problems)
		} else if got := r.Rule(0).To; got != want {
			t.Errorf("%s: %q, want %q", to, got, want)
		}
	}
}

// Files that nobody wrote by hand take time in proportion to their size, and memory to what counts of them.
func TestRedirectsBigFiles(t *testing.T) {
	for name, file := range map[string]string{
		"a million lines":   strings.Repeat("/a b c d\n", 1_000_000),
		"one line of 10 MB": strings.Repeat("/a", 5_000_000),
		"10 MB of space":    strings.Repeat("\u3000", 3_500_000),
		"10 MB of NUL":      strings.Repeat("\x00", 10_000_000),
		"10 MB of 0xff":     strings.Repeat("\xff", 10_000_000),
		"10 MB of comments": strings.Repeat("# \xff\x00\n", 2_000_000),
		"10 MB of rules":    strings.Repeat("/a/:b/* /c\n", 900_000),
	} {
		r, redirects := ParseRedirects(file, Options{})
		h, headers := ParseHeaders(file, Options{})
		if r.Len() > 1 || h.Len() > 1 || r.Weight() > 10_000 || len(redirects.Problems) > 100 || len(headers.Problems) > 100 {
			t.Errorf("%s: %d and %d rules, %d bytes", name, r.Len(), h.Len(), r.Weight())
		}
		if name != "10 MB of space" && name != "10 MB of comments" && len(redirects.Problems) == 0 {
			t.Errorf("%s: nothing reported", name)
		}
	}
}

// What counts of a file does not keep the file.
func TestWeight(t *testing.T) {
	r, report := ParseRedirects(redirectsFile(2100), Options{})
	h, _ := ParseHeaders(headersFile(100), Options{})
	if r.Len() != 2100 || h.Len() != 100 || len(report.Problems) > 0 {
		t.Fatal(r.Len(), h.Len(), report)
	}
	if w := r.Weight(); w < 200_000 || w > 1<<20 {
		t.Errorf("2,100 redirects weigh %d", w)
	}
	if w := h.Weight(); w < 10_000 || w > 200_000 {
		t.Errorf("100 header rules weigh %d", w)
	}
}

// What was compiled keeps no part of the bytes that it was compiled from.
func TestCompiledIsItsOwn(t *testing.T) {
	redirects := []byte(redirectsFile(210) + "/q /r?a=b#c 301\n/s https://x.example:81/y\n/u /v\\w\n")
	headers := []byte(headersFile(20) + "https://:sub.example.com/x/*\n  X-Host: :sub\n")
	want, _ := ParseRedirects(string(redirects), Options{})
	wantHeaders, _ := ParseHeaders(string(headers), Options{})
	got, gotHeaders := CompileRedirects(redirects, Options{}), CompileHeaders(headers, Options{})
	for _, file := range [][]byte{redirects, headers} {
		for i := range file {
			file[i] = '!'
		}
	}
	if got.Len() != want.Len() || gotHeaders.Len() != wantHeaders.Len() || got.Len() < 213 {
		t.Fatalf("%d and %d rules, want %d and %d", got.Len(), gotHeaders.Len(), want.Len(), wantHeaders.Len())
	}
	for n := range want.Len() {
		rule := want.Rule(n)
		if got.Rule(n) != rule {
			t.Errorf("%+v, want %+v", got.Rule(n), rule)
		}
		req := Request{Scheme: "https", Host: "own.example", Path: strings.NewReplacer("*", "z", ":", "").Replace(rule.From), Query: "k"}
		found, ok := got.Find(req.Path)
		wantFound, wantOK := want.Find(req.Path)
		if found != wantFound || ok != wantOK || !ok {
			t.Fatalf("%s: rule %d %v, want %d %v", req.Path, found, ok, wantFound, wantOK)
		}
		location, ok := got.Answer(nil, found, &req)
		wantLocation, wantOK := want.Answer(nil, found, &req)
		if string(location) != string(wantLocation) || ok != wantOK {
			t.Errorf("%s: %s %v, want %s %v", req.Path, location, ok, wantLocation, wantOK)
		}
	}
	for n := range wantHeaders.Len() {
		if diff := cmp.Diff(wantHeaders.Rule(n), gotHeaders.Rule(n), cmp.AllowUnexported(Op{}, piece{})); diff != "" {
			t.Error(diff)
		}
	}
	for _, host := range []string{"docs.example.com", "h"} {
		var changes, wantChanges Changes
		gotHeaders.Apply(&changes, host, "/x/y")
		wantHeaders.Apply(&wantChanges, host, "/x/y")
		if fmt.Sprint(changes.List) != fmt.Sprint(wantChanges.List) {
			t.Errorf("%v, want %v", changes.List, wantChanges.List)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	r, _ := ParseRedirects(redirectsFile(2100), Options{})
	h, _ := ParseHeaders(headersFile(100)+"https://:a.example/*\n  X-Host: :a\n", Options{MaxHeaderRules: 200})
	routes, _ := ParseRoutes(`{"version":1,"include":["/api/*","/*.js"],"exclude":["/api/static/*"]}`, Options{})
	var changes Changes
	dst := make([]byte, 0, 4096)
	hits := make([]int32, 0, 16)
	req := Request{Scheme: "https", Host: "www.example", Path: "/old0/a/b", Query: "q=1"}
	n, found := r.Find(req.Path)
	if !found {
		t.Fatal("no rule")
	}
	for name, f := range map[string]func(){
		"find nothing":     func() { r.Find(benchPath) },
		"find a redirect":  func() { r.Find(req.Path) },
		"answer":           func() { dst, _ = r.Answer(dst[:0], n, &req) },
		"apply nothing":    func() { h.Apply(&changes, "docs.pages.localhost", benchPath) },
		"apply a rule":     func() { h.Apply(&changes, "www.example", "/assets7/app.js") },
		"match":            func() { hits = h.Match(hits[:0], "www.example", "/assets7/app.js") },
		"append a value":   func() { dst, _ = h.AppendValue(dst[:0], 7, &h.blocks[7].Ops[1], "www.example", "/assets7/app.js") },
		"functions or not": func() { routes.Match("/api/x") },
	} {
		f()
		if allocs := testing.AllocsPerRun(100, f); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
	for name, c := range hostileFiles(100) {
		r, _ := ParseRedirects(c.file, Options{})
		if allocs := testing.AllocsPerRun(5, func() { r.Find(c.path) }); allocs != 0 || r.Len() != 100 {
			t.Errorf("%s: %v allocations, %d rules", name, allocs, r.Len())
		}
	}
}

func FuzzRedirects(f *testing.F) {
	for _, file := range []string{
		"/a /b\n/c/* /d/:splat 301\n", "\ufeff/a\u2028/b # x\r\n#\n", "/:a/:ab https://:a.ext.example:81/x?y#z 308", "/\x00 /\xff\n//\\ ///\\h\n", "/ /index\n/* /index.html 200\n/%2e%2e/x /.//y",
	} {
		f.Add(file, "/c/d/e")
	}
	f.Fuzz(func(t *testing.T, file, path string) {
		r, report := ParseRedirects(file, Options{MaxRedirectsStatic: 5, MaxRedirectsDynamic: 5, MaxRedirectLine: 100, MaxProblems: 5})
		if r.Statics() > 5 || r.Len() > 10 || len(report.Problems) > 5 || len(report.Problems) < 5 && report.More > 0 {
			t.Fatalf("%d rules, %+v", r.Len(), report)
		}
		lines := strings.Count(file, "\n") + 1
		for i := range r.Len() {
			rule := r.Rule(i)
			if dest, ok := newDestination(rule.To, local, nil); r.rules[i].dest == nil && (!ok || !cmp.Equal(dest, destination{kind: local, constant: true, fixed: rule.To}, cmp.AllowUnexported(destination{}))) {
				t.Fatalf("%+v leads to %+v", rule, dest)
			}
			if rule.Line < 1 || rule.Line > lines || !strings.HasPrefix(rule.From, "/") || hasControl(rule.From+rule.To) {
				t.Fatalf("%+v", rule)
			}
			if again, rep := ParseRedirects(fmt.Sprintf("%s %s %d", rule.From, rule.To, rule.Status), Options{MaxRedirectLine: 10000}); again.Len() != 1 ||
				again.rules[0].from != rule.From || again.rules[0].to != rule.To {
				t.Fatalf("%+v is parsed again as %+v %v", rule, again.rules, rep)
			}
		}
		for _, p := range report.Problems {
			if p.Line < 1 || p.Line > lines || p.Message == "" || hasControl(p.String()) {
				t.Fatalf("%+v", p)
			}
		}
		if n, ok := r.Find(path); ok && isASCII(path) {
			if want, _ := modelFind(r, path); n != want {
				t.Fatalf("%q: rule %d, want %d", path, n, want)
			}
		}
	})
}

// Lines that turn out to be no rules leave nothing behind, and limits may be as high as they go.
func TestNoRoomForWhatIsNoRule(t *testing.T) {
	text := strings.Repeat("x\n", 2100) + "/a /b\n"
	for _, o := range []Options{{}, {MaxRedirectsStatic: math.MaxInt, MaxRedirectsDynamic: math.MaxInt}} {
		r, _ := ParseRedirects(text, o)
		if r.Len() != 1 || cap(r.rules) > 8 {
			t.Errorf("%d rules, room for %d", r.Len(), cap(r.rules))
		}
		if n, ok := r.Find("/a"); !ok || n != 0 {
			t.Errorf("%d, %v", n, ok)
		}
	}
}

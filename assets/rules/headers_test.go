package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHeaderProblems(t *testing.T) {
	for _, c := range []struct {
		name, file string
		rules      int
		want       []string
	}{
		{"framing names", "/a\n Content-Length: 1\n transfer-encoding: chunked\n CONTENT-RANGE: x\n trailer: x", 0,
			[]string{"2 forbidden-name", "3 forbidden-name", "4 forbidden-name", "5 forbidden-name"}},
		{"connection names", "/a\n Connection: close\n Keep-Alive: 1\n Upgrade: h2c\n TE: x\n Proxy-Authenticate: x\n proxy-connection: x\n HTTP2-Settings: x\n X: 1", 1,
			[]string{"2 forbidden-name", "3 forbidden-name", "4 forbidden-name", "5 forbidden-name", "6 forbidden-name", "7 forbidden-name", "8 forbidden-name"}},
		{"removing them", "/a\n ! Content-Length\n ! Date\n X: 1", 1, []string{"2 forbidden-name", "3 forbidden-name"}},
		{"date", "/a\n Date: today", 0, []string{"2 forbidden-name"}},
		{"names", "/a\n X(A): 1\n X\tA: 1\n é: 1\n ! X A\n ! \"\n !X: 1", 1, []string{"2 bad-name", "3 bad-name", "4 bad-name", "5 bad-name", "6 bad-name"}},
		{"names with NUL", "/a\n X\x00: 1", 0, []string{"2 bad-name"}},
		{"values", "/a\n X: a\rSet-Cookie: b\n Y: \x00\n Z: \x7f\n T: a\tb\n U: é日", 1, []string{"2 control-character", "3 control-character", "4 control-character"}},
		{"invalid UTF-8", "/a\n X: \xff\n/b\xff\n X: 1\n/c\n Y: 1", 1, []string{"2 invalid-utf8", "3 invalid-utf8"}},
		{"control character in a path", "/a\x01\n X: 1", 0, []string{"1 control-character"}},
		{"a refused path takes its fields along", "http://a.example/\n X: 1\n ! Y\n Z\n/b\n X: 1", 1, []string{"1 bad-url"}},
		{"a path that is too long does not", "/a\n X: 1\n/" + strings.Repeat("b", 2000) + "\n Y: 1", 1, []string{"3 line-too-long"}},
		{"field that looks like a path", "/a\n X: 1\n Y:https://a.example\n Z: 1", 1, []string{"3 bad-url"}},
		{"ports", "https://a.example:80/\n X: 1\nhttps://a.example:/b\n X: 1", 1, []string{"1 port"}},
		{"ports of what is no host", "https://u@a:80/\n X: 1", 0, []string{"1 port"}},
		{"hosts", "https://\n X: 1\nhttps://a b/\n X: 1\nhttps://u@a/\n X: 1\nhttps://a?b\n X: 1", 0, []string{"1 bad-url", "3 bad-url", "5 bad-url", "7 bad-url"}},
		{"hosts that never match", "https://A.example/\n X: 1\nhttps://bücher.example/\n X: 1\nhttps://:Sub.example/\n X: 1", 3, []string{"(1 never-matches)", "(3 never-matches)"}},
		{"backslash", "/a\\b\n X: 1", 1, []string{"(1 never-matches)"}},
		{"collisions", "/:a/:a\n X: 1\n/*/*\n X: 1\n/*/:splat\n X: 1\nhttps://:a.example/:a\n X: 1\n/ok\n X: 1", 1,
			[]string{"1 captures-collide", "3 multiple-wildcards", "5 wildcard-and-splat", "7 captures-collide"}},
		{"replaced", "/a\n X: 1\n/b\n X: 1\n/a?x\n Y: 1", 2, []string{"(1 block-replaced)"}},
		{"no fields", "/a\n/b\n X: 1\n/c", 1, []string{"1 no-headers", "4 no-headers"}},
		{"before any path", "X: 1\nx\n", 0, []string{"1 header-before-path", "2 expected-path"}},
		{"detach with a colon", "/a\n ! X: 1\n Y: 1", 1, []string{"2 name-has-space"}},
		{"byte order mark and CRLF", "\ufeff/a\r\n\tX: 1\r\n ! Y\r\n\r\n# c\r\n/b\r\n Z: \u00a02\r\n W:\r\n", 2, []string{"8 no-value"}},
		{"nothing", "\ufeff\r\n\r\n", 0, nil},
	} {
		h, report := ParseHeaders(c.file, Options{})
		if diff := cmp.Diff(c.want, kinds(report)); diff != "" || h.Len() != c.rules {
			t.Errorf("%s: %d rules, want %d (-want +got)\n%s", c.name, h.Len(), c.rules, diff)
		}
	}
}

func TestHeaderLimits(t *testing.T) {
	h, report := ParseHeaders("/a\n X: 1\n/b\n X: 1\n/c\n X: 1\n/d\n X: 1\n", Options{MaxHeaderRules: 2})
	// The original counts a rule when the next begins, so that there is one more than it says.
	if diff := cmp.Diff([]string{"7 rule-limit"}, kinds(report)); diff != "" || h.Len() != 3 {
		t.Errorf("%d rules\n%s", h.Len(), diff)
	}
	h, report = ParseHeaders("/a\n X: 12345\n Y: "+strings.Repeat("y", 200)+"\n ! Z\n/b\n X: 1", Options{MaxHeadersBytes: 38 + 33 + 34})
	if diff := cmp.Diff([]string{"3 headers-limit"}, kinds(report)); diff != "" || h.Len() != 2 {
		t.Errorf("%d rules\n%s", h.Len(), diff)
	}
	var big strings.Builder
	big.WriteString("/*\n")
	for i := range 200_000 {
		fmt.Fprintf(&big, " X-%d: 1\n", i)
	}
	h, report = ParseHeaders(big.String(), Options{})
	if w := h.Weight(); w > 8<<20 || len(report.Problems) != 100 || report.More < 100_000 {
		t.Errorf("%d bytes, %d problems and %d more", w, len(report.Problems), report.More)
	}
}

func TestApply(t *testing.T) {
	file := `
/*
  X-A: one
  Cache-Control: max-age=1
  ETag: "x"
/d/*
  X-A: two
  ! X-B
  ! Cache-Control
  Set-Cookie: a=1
  Set-Cookie: b=2
/d/:x/*
  cache-control: max-age=:x
  X-A: three
  X-Splat: [:splat]
https://:sub.example/d/*
  X-Sub: :sub :splat
  ! X-A
/e/:id/:idx
  ! X-A
  ! ETag
  ! Cache-Control
  X-Id: :idx-:id-:other
`
	for _, c := range []struct {
		host, path string
		want       map[string][]string
	}{
		{"h", "/", map[string][]string{"X-A": {"one"}, "Cache-Control": {"max-age=1"}, "ETag": {`"x"`}}},
		{"h", "/d/", map[string][]string{"X-A": {"one, two"}, "X-B": nil, "Cache-Control": nil, "Set-Cookie": {"a=1", "b=2"}, "ETag": {`"x"`}}},
		{"h", "/d/9/z", map[string][]string{
			"X-A": {"one, two, three"}, "X-B": nil, "Cache-Control": {"max-age=9"}, "Set-Cookie": {"a=1", "b=2"}, "X-Splat": {"[z]"}, "ETag": {`"x"`},
		}},
		{"www.example", "/d/", map[string][]string{
			"X-A": nil, "X-B": nil, "Cache-Control": nil, "Set-Cookie": {"a=1", "b=2"}, "X-Sub": {"www "}, "ETag": {`"x"`},
		}},
		{"h", "/e/1/2", map[string][]string{"X-A": nil, "ETag": nil, "Cache-Control": nil, "X-Id": {"2-1-:other"}}},
	} {
		h, report := ParseHeaders(file, Options{})
		if len(report.Problems) > 0 {
			t.Fatal(report.Problems)
		}
		var changes Changes
		h.Apply(&changes, c.host, c.path)
		if diff := cmp.Diff(c.want, changes.fields(t)); diff != "" {
			t.Errorf("%s%s (-want +got)\n%s", c.host, c.path, diff)
		}
	}
}

// The wildcard of a host stays in the host: in the original a path could pass for the rest of one.
func TestHostWildcardStaysInTheHost(t *testing.T) {
	h, _ := ParseHeaders("https://*.a.example/x\n  X: 1\n", Options{})
	if got := h.Match(nil, "evil.example", "/b.a.example/x"); len(got) > 0 {
		t.Error("a path is taken for a host")
	}
	if got := h.Match(nil, "b.c.a.example", "/x"); len(got) != 1 {
		t.Error("the host does not match")
	}
}

// One of two slashes behind a host does not count, as in the original.
func TestSlashesBehindHost(t *testing.T) {
	h, _ := ParseHeaders("https://a.example//x\n  X: 1\nhttps://a.example///x\n  X: 2\n", Options{})
	for path, want := range map[string]string{"/x": "1", "//x": "2", "///x": ""} {
		var changes Changes
		h.Apply(&changes, "a.example", path)
		got := ""
		for _, c := range changes.List {
			got += string(c.Value)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// What a placeholder brings cannot end a field, and cannot make it grow without end.
func TestValuesAreSafe(t *testing.T) {
	h, _ := ParseHeaders("/*\n  X-S: :splat\n  X-L: "+strings.Repeat(":splat", 100)+"\n", Options{})
	var changes Changes
	h.Apply(&changes, "h", "/a\r\nSet-Cookie: x\x00é")
	if got, want := string(changes.List[0].Value), "a%0D%0ASet-Cookie: x%00%C3%A9"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	h.Apply(&changes, "h", "/"+strings.Repeat("a", 8000))
	if len(changes.List) != 1 || changes.List[0].Name != "X-S" {
		t.Errorf("%d fields", len(changes.List))
	}
	if out, ok := h.AppendValue([]byte("kept"), 0, &h.Rule(0).Ops[1], "h", "/"+strings.Repeat("a", 8000)); ok || string(out) != "kept" {
		t.Errorf("%v %d bytes", ok, len(out))
	}
}

// A file can have thousands of values that a long path makes too long: copying them would take half a second.
func TestWhatIsTooLongIsNotCopied(t *testing.T) {
	c := captures{path: "/" + strings.Repeat("a", 8000)}
	c.spans[0] = span{1, int32(len(c.path))}
	long := newTemplate(strings.Repeat(":splat", 9), []string{"splat"})
	if out, ok := long.expand([]byte("kept"), &c, inValue, maxExpanded); ok || cap(out) > 8 || string(out) != "kept" {
		t.Errorf("%v, %d bytes in room for %d", ok, len(out), cap(out))
	}
	if out, ok := long.expand(nil, &c, inValue, 9*8000); !ok || len(out) != 9*8000 {
		t.Errorf("%v, %d bytes", ok, len(out))
	}
	c.path = "/" + strings.Repeat("é", 4000) // of as many bytes, each of which is escaped
	if out, ok := long.expand([]byte("kept"), &c, inValue, 9*8000); ok {
		t.Errorf("%d bytes", len(out))
	}
}

// What one use leaves behind must not reach the next, nor a smaller site.
func TestChangesAreReused(t *testing.T) {
	big, _ := ParseHeaders("/*\n  X-A: :splat\n  X-B: 1\n  X-B: 2\n  X-C: 1\n", Options{})
	small, _ := ParseHeaders("/*\n  X-D: 1\n", Options{})
	var changes Changes
	for range 3 {
		big.Apply(&changes, "h", "/a")
		big.Apply(&changes, "h", "/b")
		if diff := cmp.Diff(map[string][]string{"X-A": {"b"}, "X-B": {"1, 2"}, "X-C": {"1"}}, changes.fields(t)); diff != "" {
			t.Error(diff)
		}
		small.Apply(&changes, "h", "/a")
		if diff := cmp.Diff(map[string][]string{"X-D": {"1"}}, changes.fields(t)); diff != "" {
			t.Error(diff)
		}
	}
}

// A Changes that is used for ever does not grow for ever.
func TestChangesAreBounded(t *testing.T) {
	h, _ := ParseHeaders("/*\n  X-A: :splat\n", Options{})
	var changes Changes
	for range 1000 {
		h.Apply(&changes, "h", "/"+strings.Repeat("a", 1000))
	}
	if n := cap(changes.buf); n > 4000 {
		t.Errorf("%d bytes are kept", n)
	}
}

// Changes say which rule and line had the last word.
func TestChangesNameTheirLine(t *testing.T) {
	h, _ := ParseHeaders("/*\n  X-A: 1\n/a\n  X-A: 2\n  X-B: 1\n", Options{})
	var changes Changes
	h.Apply(&changes, "h", "/a")
	var got []string
	for _, c := range changes.List {
		got = append(got, fmt.Sprintf("%s %d %s", c.Name, c.Line, h.Rule(c.Rule).Path))
	}
	if diff := cmp.Diff([]string{"X-A 4 /a", "X-B 5 /a"}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzHeaders(f *testing.F) {
	for _, file := range []string{
		"/a/*\n X: :splat\n ! Y\n", "https://:h.example/:x\n Set-Cookie: :h=:x\n/*\n Set-Cookie: b\n", "/a\n X(: \x00\r\n: v\n:\n!\n! \n", "x://\n/\xff\n\ufeff/b\n content-length: 1",
	} {
		f.Add(file, "a.example", "/a/b")
	}
	f.Fuzz(func(t *testing.T, file, host, path string) {
		h, report := ParseHeaders(file, Options{MaxHeaderRules: 5, MaxHeaderLine: 100, MaxProblems: 5, MaxHeadersBytes: 1000})
		if h.Len() > 6 || len(report.Problems) > 5 {
			t.Fatalf("%d rules, %+v", h.Len(), report)
		}
		var changes Changes
		h.Apply(&changes, host, path)
		for _, c := range changes.List {
			if name, ok := canonicalName(c.Name); !ok || name != c.Name || whyForbidden(name) != "" || hasControl(string(c.Value)) {
				t.Fatalf("%+v", c)
			}
		}
		if !isASCII(host + path) {
			return
		}
		rules, fields := modelHeaders(h, host, path)
		if got := h.Match(nil, host, path); !slices.Equal(rules, got) {
			t.Fatalf("%s\n%v, want %v", file, got, rules)
		}
		if hasControl(path + host) {
			return // escaped in values, which the model does not know
		}
		if diff := cmp.Diff(joined(fields), changes.fields(t)); diff != "" {
			t.Fatalf("%s\n%s", file, diff)
		}
	})
}

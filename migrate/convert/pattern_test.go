package convert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told is an entry in one line: class or reason, hosts and wildcards, kinds of notes.
func told(e Entry) string {
	var b strings.Builder
	switch e.Class {
	case CannotConvert:
		fmt.Fprintf(&b, "no %s", e.Reason)
	case Shadowed:
		fmt.Fprintf(&b, "shadowed by %d", e.By)
	}
	for _, h := range e.Hosts {
		fmt.Fprintf(&b, " %s", h)
	}
	for _, w := range e.Wildcards {
		fmt.Fprintf(&b, " %s", w)
	}
	for _, n := range e.Notes {
		fmt.Fprintf(&b, " (%s)", n.Kind)
	}
	return strings.TrimSpace(b.String())
}

func newConverter(t testing.TB, o Options) *Converter {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	tail  = `(?:[:][0-9]+)?\/(?<p1>.*))$`
	plain = `(?::\d+)?/.*$`
)

func TestPattern(t *testing.T) {
	c := newConverter(t, Options{})
	for _, tt := range []struct{ name, pattern, want string }{
		{"as it was", `^(?:2b469e16.example.pages.dev` + tail, "2b469e16.example.pages.dev (loose-dot)"},
		{"escaped", `^(?:test\.example\.com` + tail, "test.example.com"},
		{"group for the port", `^test\.example\.com(:\d+)?\/`, "test.example.com"},
		{"class for dots", `^test[.]example[.]com(:\d+)?\/`, "test.example.com"},
		{"quoted", `^\Qtest.example.com\E(:\d+)?\/`, "test.example.com"},
		{"absolute anchors", `\Atest\.example\.com(?::[0-9]{1,5})?/(.*)\z`, "test.example.com"},
		{"multi-line", `(?m)^a\.b` + plain, "a.b"},
		{"port of the usual form", `^a\.b(?::[1-9][0-9]{0,4})?/`, "a.b"},
		{"run for the port", `^a\.b(?::[^/]+)?/`, "a.b"},
		{"run to the slash", `^a\.b(?::.*)?/`, "a.b"},
		{"no port", `^a\.b/(.*)$`, "a.b (port)"},
		{"one port, optional", `^a\.b(?::8080)?/`, "a.b (port)"},
		{"long ports only", `^a\.b(?::\d{3,5})?/`, "a.b (port)"},
		{"one port", `^a\.b:8080/`, "no port"},
		{"port required", `^a\.b:\d+/`, "no port"},
		{"no slash, port", `^a\.b:\d+`, "no open-ended"},
		{"port into the path", `^a\.b(?::.*|/.*)$`, "no path"},
		{"one class", `^v[1-3]\.b` + plain, "v1.b v2.b v3.b"},
		{"alternation", `^(?:a|b|cc)\.(x|y)` + plain, "a.x a.y b.x b.y cc.x cc.y"},
		{"alternation of wholes", `^(?:a\.b(?::\d+)?/.*|c\.d(?::\d+)?/.*)$`, "a.b c.d"},
		{"optional label", `^(?:www\.)?b\.c` + plain, "b.c www.b.c"},
		{"bounded repetition", `^a{1,3}\.b` + plain, "a.b aa.b aaa.b"},
		{"same host twice", `^(?:a|a)\.b` + plain, "a.b"},
		{"lazy", `^a\.b(?::\d+?)??/(.*?)$`, "a.b"},
		{"possessive is another dialect", `^a\.b(?::\d++)?/`, "no syntax"},
		{"optional slash", `^a\.b(?::\d+)?(?:/.*)?$`, "a.b"},
		{"slashes", `^a\.b(?::\d+)?/+(.*)$`, "a.b"},
		{"any path in a class", `^a\.b(?::\d+)?/[^?#]*$`, "a.b"},
		{"any path or none", `^a\.b(?::\d+)?/(?:|.*)$`, "a.b"},
		{"case", `(?i)^A\.B` + plain, "a.b (fold-case)"},
		{"case of k and s", `(?i)^ks` + plain, "ks (fold-case)"},
		{"case as classes", `^[Aa]\.[bB]` + plain, "a.b (fold-case)"},
		{"class of both cases", `^[A-Ba-b]\.c` + plain, "a.c b.c"},
		{"upper case", `^Test\.example` + plain, "no spelling"},
		{"class of upper case", `^[TU]est\.example` + plain, "no spelling"},
		{"upper case and lower", `^(?:Test|test)\.example` + plain, "test.example"},
		{"trailing dot", `^a\.b\.` + plain, "no spelling"},
		{"optional trailing dot", `^a\.b\.?` + plain, "a.b"},
		{"IDN", `^bücher\.example` + plain, "no spelling"},
		{"IDN as sent", `^xn--bcher-kva\.example` + plain, "xn--bcher-kva.example"},
		{"IPv4", `^127\.0\.0\.1` + plain, "127.0.0.1"},
		{"IPv4, short", `^127\.1` + plain, "no not-a-host"},
		{"IPv6", `^\[::1\]` + plain, "::1"},
		{"IPv6, long", `^\[0:0:0:0:0:0:0:1\]` + plain, "no spelling"},
		{"not a host", `^a!b\.c` + plain, "no not-a-host"},
		{"partly not a host", `^(?:a|b!)\.c` + plain, "a.c (dropped)"},
		{"empty label", `^a\.\.b` + plain, "no not-a-host"},
		{"long label", `^a{64}\.b` + plain, "no not-a-host"},
		{"unanchored", `a\.b` + plain, "no unanchored"},
		{"anchored in one branch", `(?:^|\.)a\.b` + plain, "no unanchored"},
		{"run instead of an anchor", `.*a\.b` + plain, "no unanchored"},
		{"open end", `^a\.b`, "no open-ended"},
		{"open end by a run", `^a\.b.*$`, "no unbounded"},
		{"no slash", `^a\.b$`, "no never-matches"},
		{"one path", `^a\.b(?::\d+)?/blog/.*$`, "no path"},
		{"one path, open", `^a\.b(?::\d+)?/blog`, "no path"},
		{"root only", `^a\.b(?::\d+)?/$`, "no path"},
		{"no empty path", `^a\.b(?::\d+)?/.+$`, "no path"},
		{"path with a class", `^a\.b(?::\d+)?/[a-z/]*$`, "no path"},
		{"path with a port only", `^a\.b(?:/.*|:\d+/api)$`, "no path"},
		{"optional path at the end", `^a\.b(?::\d+)?/(?:foo)?`, "a.b"},
		{"scheme", `^https://a\.b/`, "no path"},
		{"every host", `^.*$`, "no every-host"},
		{"every host, slash", `^[^/]+/.*$`, "no every-host"},
		{"nothing", `^`, "no every-host"},
		{"empty", ``, "no unanchored"},
		{"loose twice", `^a..b` + plain, "no any-character"},
		{"loose at first", `^.a\.b` + plain, "no any-character"},
		{"loose at last", `^a\.b.` + plain, "no any-character"},
		{"loose beside a dot", `^a.\.b` + plain, "no any-character"},
		{"loose, optional", `^a.?b` + plain, "no any-character"},
		{"loose, counted", `^a.{2}b` + plain, "no any-character"},
		{"loose behind a run", `^[^.]+.a.b` + plain, "*.a.b (loose-dot) (wider) (crosses)"},
		{"any label", `^[^.]+\.a\.b` + plain, "*.a.b (wider) (crosses)"},
		{"any label, no slash", `^[^./:]+\.a\.b` + plain, "*.a.b (wider)"},
		{"any DNS label", `^[a-z0-9-]+\.a\.b` + plain, "*.a.b (wider)"},
		{"any DNS label, counted", `^[a-z0-9-]{1,63}\.a\.b` + plain, "*.a.b (wider)"},
		{"any labels", `^[^/:]+\.a\.b` + plain, "*.a.b"},
		{"any labels of a host", `^[a-z0-9_.-]+\.a\.b` + plain, "*.a.b"},
		{"any labels, repeated", `^(?:[^.]+\.)+a\.b` + plain, "*.a.b (crosses)"},
		{"any labels or none", `^(?:[^./]+\.)*a\.b` + plain, "a.b *.a.b"},
		{"anything", `^.*\.a\.b` + plain, "*.a.b (crosses)"},
		{"anything or none", `^(?:.+\.)?a\.b` + plain, "a.b *.a.b (crosses)"},
		{"word", `^(?<sub>\w+)\.a\.b(?::\d+)?/`, "*.a.b (wider)"},
		{"no dot behind the run", `^.*a\.b` + plain, "no unbounded"},
		{"two runs", `^[^.]+\.[^.]+\.a\.b` + plain, "no unbounded"},
		{"run of letters", `^[a-z]+\.a\.b` + plain, "no unbounded"},
		{"run behind a prefix", `^preview-[^.]+\.a\.b` + plain, "no unbounded"},
		{"run of two at least", `^[a-z0-9-]{2,}\.a\.b` + plain, "no unbounded"},
		{"labels of two at least", `^(?:[^.]+\.){2,}a\.b` + plain, "no unbounded"},
		{"wildcard above an address", `^.*\.0\.0\.1` + plain, "no not-a-host"},
		{"hex label", `^[0-9a-f]{8}\.a\.b` + plain, "no too-many-hosts"},
		{"huge classes", `^[a-z]{1,1000}\.a` + plain, "no too-complex"},
		{"huge classes, all too long", `^[a-z]{300}\.a` + plain, "no too-complex"},
		{"nested repetitions", `^(?:(?:a{0,30}){0,30})\.b` + plain, "no too-complex"},
		{"catastrophic", `^(a+)+\.b` + plain, "no unbounded"},
		{"word boundary", `^a\.b\b`, "no assertion"},
		{"look-ahead", `^(?!www)a\.b` + plain, "no syntax"},
		{"look-behind", `^(?<=a)a\.b` + plain, "no syntax"},
		{"back-reference", `^(a)\.\1` + plain, "no syntax"},
		{"unbalanced", `^(a\.b`, "no syntax"},
		{"Unicode classes", `^(?:` + strings.Repeat(`\pL`, 20) + `)` + plain, "no too-complex"},
		{"contradiction", `^a$b` + plain, "no never-matches"},
		{"anchor behind the host", `^a^b` + plain, "no never-matches"},
	} {
		e := c.Pattern(Filter{Pattern: tt.pattern, ScriptHash: "h"})
		if got := told(e); got != tt.want {
			t.Errorf("%s: %s\n got %s (%s)\nwant %s", tt.name, tt.pattern, got, e.Why, tt.want)
		}
		if e.Why == "" || strings.Contains(e.Why, "%!") {
			t.Errorf("%s: says %q", tt.name, e.Why)
		}
	}
}

func TestNotes(t *testing.T) {
	c := newConverter(t, Options{})
	for _, tt := range []struct {
		pattern string
		want    []Note
	}{
		{`^(?:2b469e16.example.pages.dev` + tail, []Note{{NoteLooseDot,
			"3 unescaped dots are read as dots; the pattern also matches hosts with any other character there", "2b469e16xexample.pages.dev"}}},
		{`^[^.]+.a\.b` + plain, []Note{
			{NoteLooseDot, "1 unescaped dots are read as dots; the pattern also matches hosts with any other character there", "axa.b"},
			{NoteWider, "*.a.b also answers hosts with more labels", "a.b.a.b"},
			{NoteCrosses, "the run before the dot also matches a slash, so it could match in paths of other hosts; this is not kept", ""}}},
		{`^a\.b/`, []Note{{NotePort, "not all ports match; Berth answers on every port", "a.b:8080"}}},
	} {
		if diff := cmp.Diff(tt.want, c.Pattern(Filter{Pattern: tt.pattern}).Notes); diff != "" {
			t.Errorf("%s: %s", tt.pattern, diff)
		}
	}
}

func TestBoundsAreNamed(t *testing.T) {
	for _, tt := range []struct {
		options       Options
		pattern, want string
	}{
		{Options{MaxHosts: 2}, `^[abc]\.b` + plain, "MaxHosts"},
		{Options{MaxHosts: 2}, `^[ABC]\.b` + plain, "clients send"},
		{Options{MaxSteps: 10}, `^[abc]\.b` + plain, "MaxSteps"},
		{Options{MaxString: 5}, `^[abc]\.b` + plain, "MaxString"},
	} {
		e := newConverter(t, tt.options).Pattern(Filter{Pattern: tt.pattern})
		if e.Class != CannotConvert || !strings.Contains(e.Why, tt.want) {
			t.Errorf("%s: %s: %s", tt.pattern, e.Class, e.Why)
		}
	}
	if _, err := New(Options{MaxHosts: -1, MaxBytes: -1, Subject: 9}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("faults of options: %v", err)
	}
}

func TestSubjects(t *testing.T) {
	for _, tt := range []struct {
		subject       Subject
		pattern, want string
	}{
		{Host, `^(?<sub>www|docs)\.example\.net$`, "www.example.net docs.example.net"},
		{Host, `^(?<x>.+)\.example\.net$`, "*.example.net"},
		{Host, `^www\.example\.net`, "no open-ended"},
		{Host, `www\.example\.net$`, "no unanchored"},
		{Host, `^a\.b/`, "no never-matches"},
		{Host, `^a\.b(:\d+)?$`, "a.b"},
		{Host, `^.*$`, "no every-host"},
		{Authority, `^a\.b(:\d+)?$`, "a.b"},
		{Authority, `^a\.b$`, "a.b (port)"},
		{Authority, `^a\.b:81$`, "no port"},
	} {
		e := newConverter(t, Options{Subject: tt.subject}).Pattern(Filter{Pattern: tt.pattern})
		if got := told(e); got != tt.want {
			t.Errorf("%d %s: %s (%s), want %s", tt.subject, tt.pattern, got, e.Why, tt.want)
		}
	}
	e := newConverter(t, Options{Subject: Host}).Pattern(Filter{Pattern: `^WWW\.example$`, Fold: true})
	if got := told(e); got != "www.example (fold-case)" {
		t.Errorf("folded: %s (%s)", got, e.Why)
	}
}

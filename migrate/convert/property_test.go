package convert

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"berth/router/hostkey"
)

// meant compiles a pattern with its lone unescaped dots read as dots.
func meant(t testing.TB, pattern string) *regexp.Regexp {
	t.Helper()
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	var dots func(re *syntax.Regexp)
	dots = func(re *syntax.Regexp) {
		for i, sub := range re.Sub {
			repeated := re.Op == syntax.OpStar || re.Op == syntax.OpPlus || re.Op == syntax.OpRepeat || re.Op == syntax.OpQuest
			if !repeated && (sub.Op == syntax.OpAnyChar || sub.Op == syntax.OpAnyCharNotNL) {
				re.Sub[i] = &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{'.'}}
			}
			dots(sub)
		}
	}
	dots(tree)
	return regexp.MustCompile(tree.String())
}

// answered reports whether Berth would answer a host from these routes.
func answered(e *Entry, h hostkey.Host) bool {
	if slices.Contains(e.Hosts, h) {
		return true
	}
	return slices.ContainsFunc(e.Wildcards, func(w string) bool { return !h.IsIP() && strings.HasSuffix(string(h), w[1:]) })
}

func has(e *Entry, kind NoteKind) bool {
	return slices.ContainsFunc(e.Notes, func(n Note) bool { return n.Kind == kind })
}

// near yields hosts that differ a little from those of an entry.
func near(e *Entry) []hostkey.Host {
	var seeds []string
	for _, h := range e.Hosts[:min(len(e.Hosts), 3)] {
		seeds = append(seeds, string(h))
	}
	for _, w := range e.Wildcards {
		for _, label := range []string{"a", "7", "a-b", "a_b", "a.b", "abc"} {
			seeds = append(seeds, label+w[1:])
		}
		seeds = append(seeds, w[2:])
	}
	var out []hostkey.Host
	add := func(s string) {
		if h, err := hostkey.Canonical(s); err == nil && spelled(h) == s {
			out = append(out, h)
		}
	}
	for _, s := range seeds[:min(len(seeds), 12)] {
		add(s)
		add("a." + s)
		add("a" + s)
		add(s + "a")
		add(s + ".a")
		for i := range len(s) {
			add(s[:i] + s[i+1:])
			for _, c := range []string{"x", "1", "-", "_", "."} {
				add(s[:i] + c + s[i+1:])
			}
		}
	}
	return out
}

// sound checks an entry against the pattern's own regular expression.
func sound(t testing.TB, e *Entry) {
	t.Helper()
	if e.Class != Converted && e.Class != NeedsWildcard {
		return
	}
	raw, reading := regexp.MustCompile(e.Pattern), meant(t, e.Pattern)
	for _, h := range e.Hosts[:min(len(e.Hosts), 100)] {
		for _, path := range []string{"/", "/x", "/a/b.html", "/%20~!*();:@&=+$,[]"} {
			if !raw.MatchString(spelled(h) + path) {
				t.Fatalf("%q does not match %s%s", e.Pattern, h, path)
			}
		}
		if !has(e, NotePort) && (!raw.MatchString(spelled(h)+":8080/x") || !raw.MatchString(spelled(h)+":80/")) {
			t.Fatalf("%q does not match %s with a port", e.Pattern, h)
		}
	}
	for _, h := range near(e) {
		old, now := reading.MatchString(spelled(h)+"/x"), answered(e, h)
		if old && !now || now && !old && !has(e, NoteWider) {
			t.Fatalf("%q: %s was answered: %v; is: %v; hosts %v %v, notes %v", e.Pattern, h, old, now, e.Hosts, e.Wildcards, e.Notes)
		}
		if raw.MatchString(spelled(h)+"/x") && !now && !has(e, NoteLooseDot) {
			t.Fatalf("%q: %s was answered, is not, and no note says so", e.Pattern, h)
		}
	}
}

func drawPattern(rt *rapid.T) string {
	part := rapid.SampledFrom([]string{
		"a", "b", "7", "xn--bcher-kva", "[ab]", "[0-9]", "[a-c1]", "(?:a|b)", "(x|yy|)", "a?", "b{0,2}", ".", `\.`, `\.`, "[.]", `(?:a\.)?`, `(?:\.c){1,2}`, "(?i:Q)", "-", "_",
	})
	head := rapid.SampledFrom([]string{"^", "^", "^", "^(?:", `^.*\.`, `^[^.]+\.`, `^[^./]+.`, `^(?:[a-z0-9-]+\.)?`, `^(?:[^./]+\.)*`, `^\w*\.`, `^(?:.+\.|)`, "(?i)^", ""})
	end := rapid.SampledFrom([]string{tail[:len(tail)-2], `(?::\d+)?/`, `/(.*)$`, `(?::80)?/.*`, `(:[0-9]{1,5})?\/[^?]*`, `(?:/|:\d+/)`, "$", "", `/x`, `(?:/.*|:\d+.*)$`})
	p := rapid.SampledFrom([]string{"", "", "", "(?s)"}).Draw(rt, "flags") + head.Draw(rt, "head")
	p += strings.Join(rapid.SliceOfN(part, 1, 7).Draw(rt, "parts"), "")
	p += end.Draw(rt, "end")
	return p + strings.Repeat(")", max(0, strings.Count(p, "(")-strings.Count(p, ")")))
}

func TestConversionIsSound(t *testing.T) {
	c := newConverter(t, Options{MaxHosts: 64})
	converted := 0
	rapid.Check(t, func(rt *rapid.T) {
		e := c.Pattern(Filter{Pattern: drawPattern(rt)})
		if e.Class != CannotConvert {
			converted++
		}
		sound(t, &e)
	})
	if converted < 10 {
		t.Errorf("only %d patterns were converted: the generator does not reach anything", converted)
	}
}

// reference answers as the old table: the first entry whose pattern, read as meant, matches.
func reference(entries []Entry, patterns []*regexp.Regexp, subject string) string {
	for i, re := range patterns {
		if re.MatchString(subject) {
			return entries[i].ScriptHash
		}
	}
	return ""
}

// For a table of which everything is converted, what Berth answers is what the table answered, entry order included; and a
// host of any other table that is converted is answered by its own entry.
func TestProjectIsSound(t *testing.T) {
	hosts := []string{"a", "b", "a.b", "b.b", "axb", "c.a.b", "d.c.a.b", "a-a.b", "b.a.b", "a_a.b", "x.b", "x.a.b"}
	pool := []string{
		`^a\.b/`, `^a.b/`, `^b\.b/`, `^[ab]\.b/`, `^[^./]+\.b/`, `^[^/]+\.b/`, `^[a-z0-9-]+\.b/`, `^[^/]+\.a\.b/`, `^[^./]+\.a\.b/`, `^axb/`,
		`^(?:[^./]+\.)*a\.b/`, `^c\.a\.b/`, `^a\.b/blog`, `^[a-c]+\.b/x`, `^[^./]+.b/`, `^b/`, `^d`, `^x[^/]*\.b/`, `^(?:a|b)(?:\.b)?/`,
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := newConverter(t, Options{}).Project()
		var entries []Entry
		var patterns []*regexp.Regexp
		exact, wild := map[string]string{}, map[string]string{}
		complete := true
		for i, pattern := range rapid.SliceOfN(rapid.SampledFrom(pool), 1, 6).Draw(rt, "patterns") {
			e := p.Add(Filter{Index: i, Pattern: pattern, ScriptHash: fmt.Sprint("h", rapid.IntRange(0, 3).Draw(rt, "hash"))})
			entries, patterns = append(entries, e), append(patterns, meant(t, pattern))
			complete = complete && e.Class != CannotConvert
			for _, h := range e.Hosts {
				exact[string(h)] = e.ScriptHash
			}
			for _, w := range e.Wildcards {
				wild[w[2:]] = e.ScriptHash
			}
		}
		for _, h := range hosts {
			want := reference(entries, patterns, h+"/blog")
			got, own := exact[h]
			for rest := h; got == "" && strings.Contains(rest, "."); {
				_, rest, _ = strings.Cut(rest, ".")
				got = wild[rest]
			}
			widened := want == "" && !own // a wildcard may answer what nobody did
			if own && got != want || complete && got != want && !widened {
				for i := range entries {
					rt.Logf("%d %s %s: %s %s", i, entries[i].Pattern, entries[i].ScriptHash, told(entries[i]), entries[i].Why)
				}
				rt.Fatalf("%s: the table answers %q, Berth %q", h, want, got)
			}
		}
	})
}

func FuzzConvert(f *testing.F) {
	for _, s := range []string{
		`^(?:2b469e16.example.pages.dev` + tail, `^[^.]+\.a\.b` + plain, `(?i)^(?:www\.)?A[bc]{1,2}\.d/`, `^(?:[^./]+\.)*a\.b/`, `^(a+)+$`, `^\[::1\]:80/`, `^[a-z]{1,1000}`,
		`^a\.b(?:/|$)`, `^\Qa.b\E/`, `^bücher\.b/`, `^(?:|a)b/|^c/`, `\b`, `[]`, `^.`, `^((((a))))\.b:?/`,
	} {
		f.Add(s, `^a\.b/`)
	}
	c := newConverter(f, Options{MaxHosts: 32, MaxProgram: 512, MaxWork: 1 << 20})
	f.Fuzz(func(t *testing.T, one, two string) {
		e := c.Pattern(Filter{Pattern: one})
		if e.Why == "" || e.Routes() > 32 || (e.Class == CannotConvert) != (e.Routes() == 0) {
			t.Fatalf("%q: %+v", one, e)
		}
		sound(t, &e)
		p := c.Project()
		first, second := p.Add(Filter{Pattern: one, ScriptHash: "1"}), p.Add(Filter{Index: 1, Pattern: two, ScriptHash: "2"})
		if p.Work() > 1<<20+1<<21+1<<25 {
			t.Fatalf("%q, %q: %d steps", one, two, p.Work())
		}
		if first.Class == CannotConvert || second.Class == CannotConvert {
			again, err := regexp.Compile(one)
			for _, h := range second.Hosts {
				if err == nil && (again.MatchString(spelled(h)+"/") || again.MatchString(spelled(h)+":80/x")) {
					t.Fatalf("%q matches %s, and cannot be converted, but %q is", one, h, two)
				}
			}
		}
	})
}

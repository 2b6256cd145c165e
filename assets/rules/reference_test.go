package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The reference matches as the original does: one regular expression for each rule, one rule after the other.

func referencePattern(source string, sep byte) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for _, e := range scan(source, sep) {
		switch e.kind {
		case literal:
			b.WriteString(regexp.QuoteMeta(e.text))
		case placeholder:
			fmt.Fprintf(&b, `([^%s]+)`, regexp.QuoteMeta(string(sep)))
		case splat:
			b.WriteString(`((?s:.*))`)
		}
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

// referenceMatch returns what source captures of s, or nil.
func referenceMatch(source string, sep byte, s string) []string {
	m := referencePattern(source, sep).FindStringSubmatch(s)
	if m == nil {
		return nil
	}
	return m[1:]
}

// isASCII keeps to what a path has: there the reference, which matches characters, and the matcher agree.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

func comparePattern(t interface{ Fatalf(string, ...any) }, source string, sep byte, s string) {
	els := scan(source, sep)
	names := captureNames(els)
	splats := strings.Count(source, "*")
	if splats > 1 || len(names) > maxCaptures || !isASCII(source) || !isASCII(s) {
		return
	}
	p := compile(els, sep)
	want := referenceMatch(source, sep, s)
	c := captures{path: s}
	ok := p.match(s, c.spans[:len(names)])
	if ok != (want != nil) || ok != p.match(s, nil) {
		t.Fatalf("%q on %q: %v, want %v", source, s, ok, want != nil)
	}
	var got []string
	for i := range names {
		got = append(got, c.text(i))
	}
	if ok && !slices.Equal(got, want) {
		t.Fatalf("%q on %q: %q, want %q", source, s, got, want)
	}
	ix := newIndex(sep, []pattern{p}, []int32{0})
	if _, found := ix.first(s); found != ok {
		t.Fatalf("%q on %q: index says %v, pattern %v", source, s, found, ok)
	}
}

// drawSource makes sources that are close to each other and to drawPath.
func drawSource(t *rapid.T) string {
	parts := []string{"/", "/", "a", "b", "ab", "-", ".", ":x", ":y", ":z1", "*", "/:p/", "/a"}
	return "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 7).Draw(t, "source"), "")
}

func drawPath(t *rapid.T) string {
	parts := []string{"/", "/", "a", "b", "ab", "-", ".", "x", "//", "/a", "%2F"}
	return "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 9).Draw(t, "path"), "")
}

func TestPatternIsRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := drawSource(t)
		for range 8 {
			comparePattern(t, source, '/', drawPath(t))
		}
	})
}

func TestLastIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Repeat("-", rapid.IntRange(0, 1200).Draw(t, "before")) + rapid.StringMatching(`[ab]{0,5}`).Draw(t, "middle") +
			strings.Repeat("-", rapid.IntRange(0, 1200).Draw(t, "after"))
		text := rapid.StringMatching(`-{0,55}[ab-]{1,5}`).Draw(t, "text")
		if got, want := lastIndex(s, text), strings.LastIndex(s, text); got != want {
			t.Fatalf("%d, want %d", got, want)
		}
	})
}

func FuzzPattern(f *testing.F) {
	for _, source := range []string{
		"/", "/*", "/a/*", "/a*", "/*/b", "/*.js", "/:x", "/:x/:y", "/:x-:y", "/:x:y", "/:x*", "/*:x", "/:x/*/:y", "/a:x-*-b:y/c", "*", ":x", "*:x", ":x*:y",
		"/:a/x:b", "/:a-:b/c:d*e:f/:g-:h", "/::x", "/:1",
	} {
		for _, s := range []string{"/", "/a", "/a/", "/a/b", "/a-b-c", "/ab/x/y", "//", "/a//b", "", "/axb/c", "/a-b/cd/x/yez/p-q"} {
			f.Add(source, s)
		}
	}
	f.Fuzz(func(t *testing.T, source, s string) {
		if len(source) > 200 || len(s) > 2000 || strings.IndexByte(source, skipKey) >= 0 {
			return
		}
		comparePattern(t, source, '/', s)
		comparePattern(t, source, '.', s)
	})
}

// modelFind is Find as §1 and §6 of the behaviour say it: the table, then the list in order.
func modelFind(r *Redirects, path string) (int, bool) {
	for i := range r.Statics() {
		if r.rules[i].from == path {
			return i, true
		}
	}
	for _, id := range r.dynamicRules() {
		if referenceMatch(r.rules[id].from, '/', path) != nil {
			return int(id), true
		}
	}
	return 0, false
}

func TestFindIsFirstMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var file strings.Builder
		for range rapid.IntRange(0, 30).Draw(t, "rules") {
			fmt.Fprintf(&file, "%s /to\n", drawSource(t))
		}
		r, _ := ParseRedirects(file.String(), Options{})
		for range 10 {
			path := drawPath(t)
			got, ok := r.Find(path)
			want, wantOK := modelFind(r, path)
			if ok != wantOK || got != want {
				t.Fatalf("%s: %d %v, want %d %v\n%s", path, got, ok, want, wantOK, file.String())
			}
		}
	})
}

// modelHeaders carries the rules out one by one on a map.
func modelHeaders(h *Headers, host, path string) (rules []int32, fields map[string][]string) {
	fields = map[string][]string{}
	set := map[string]bool{}
	for n := range h.Len() {
		rule := h.Rule(n)
		pattern, hostPattern := rule.Path, ""
		if rest, ok := strings.CutPrefix(rule.Path, "https://"); ok {
			at := strings.IndexByte(rest, '/')
			hostPattern, pattern = rest[:at], rest[at:]
		}
		captured := referenceMatch(pattern, '/', path)
		names := captureNames(scan(pattern, '/'))
		if captured != nil && hostPattern != "" {
			if ofHost := referenceMatch(hostPattern, '.', host); ofHost == nil {
				captured = nil
			} else {
				captured = append(slices.Clone(ofHost), captured...)
				names = append(captureNames(scan(hostPattern, '.')), names...)
			}
		}
		if captured == nil {
			continue
		}
		rules = append(rules, int32(n))
		for _, op := range rule.Ops {
			switch {
			case op.Detach:
				fields[op.Name] = nil
			case set[op.Name]:
				fields[op.Name] = append(fields[op.Name], modelExpand(op.Value, names, captured))
			default:
				set[op.Name] = true
				fields[op.Name] = []string{modelExpand(op.Value, names, captured)}
			}
		}
	}
	return rules, fields
}

// modelExpand replaces placeholders by trying every name at every colon, longest name first.
func modelExpand(value string, names, captured []string) string {
	var pairs []string
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return len(names[b]) - len(names[a]) })
	for _, i := range order {
		pairs = append(pairs, ":"+names[i], captured[i])
	}
	return strings.NewReplacer(pairs...).Replace(value)
}

func TestApplyIsOneAfterTheOther(t *testing.T) {
	var c Changes // shared by all, so that what one leaves behind shows in the next
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.SampledFrom([]string{"a.example", "b.a.example", "x.y.z"})
		hostPart := []string{"", "", "", "https://a.example", "https://:h.a.example", "https://*.example", "https://:g.:h.z", "https://x.y.z"}
		line := rapid.SampledFrom([]string{
			"  ! X-A", "  ! X-B", "  X-A: 1", "  X-A: :x", "  X-B: :splat!", "  X-B: :y:x", "  Set-Cookie: a=:x", "  Set-Cookie: b", "  ! Set-Cookie", "  X-C: :h/:g",
		})
		var file strings.Builder
		for range rapid.IntRange(0, 20).Draw(t, "blocks") {
			file.WriteString(rapid.SampledFrom(hostPart).Draw(t, "host") + drawSource(t) + "\n")
			for range rapid.IntRange(1, 4).Draw(t, "lines") {
				file.WriteString(line.Draw(t, "line") + "\n")
			}
		}
		h, _ := ParseHeaders(file.String(), Options{})
		for range 5 {
			host, path := host.Draw(t, "host"), drawPath(t)
			wantRules, want := modelHeaders(h, host, path)
			if got := h.Match(nil, host, path); !slices.Equal(got, wantRules) {
				t.Fatalf("%s %s: rules %v, want %v\n%s", host, path, got, wantRules, file.String())
			}
			h.Apply(&c, host, path)
			if diff := cmp.Diff(joined(want), c.fields(t)); diff != "" {
				t.Fatalf("%s %s (-want +got)\n%s\n%s", host, path, diff, file.String())
			}
		}
	})
}

func joined(fields map[string][]string) map[string][]string {
	for name, values := range fields {
		if name != setCookie && len(values) > 1 {
			fields[name] = []string{strings.Join(values, ", ")}
		}
		if len(values) == 0 {
			fields[name] = nil
		}
	}
	return fields
}

// fields is what the changes make of a response that had one value for each of their fields.
func (c *Changes) fields(t interface{ Fatalf(string, ...any) }) map[string][]string {
	fields := map[string][]string{}
	for _, change := range c.List {
		if _, again := fields[change.Name]; again == change.Replace {
			t.Fatalf("%s: Replace is %v", change.Name, change.Replace)
		}
		if change.Replace {
			fields[change.Name] = nil
		}
		if change.Add {
			fields[change.Name] = append(fields[change.Name], string(change.Value))
		}
	}
	return fields
}

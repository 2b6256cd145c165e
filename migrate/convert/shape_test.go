package convert

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// withoutShapes understands every pattern through its own syntax tree.
func withoutShapes(p *Project, f Filter) Entry {
	clear(p.shapes)
	for i := range maxShapes { // no room for another
		p.shapes[fmt.Sprint("\x00", i)] = &shape{}
	}
	return p.Add(f)
}

// TestShapesChangeNothing: what a shape says of a pattern is what its tree says, whatever surrounds the host.
func TestShapesChangeNothing(t *testing.T) {
	names := []string{"a", "a.b", "a1.b2", "c-3.d.e4", "docs.example.com", "2b469e16.docs.pages.dev", "1.2.3.4", "1.2", "a..b", "-a.b", "a.b-", "a.b.",
		"xn--mnchen-3ya.de", "xn--a", "0x7f", "a-b.c", "aab", "ab", "a_b", "A.b", ".a", "axb"}
	tails := []string{`(?:[:][0-9]+)?\/(?<p1>.*))$`, `(?:[:][0-9]+)?\/.*)$`, `\/.*)$`, `(?::\d+)?/)`, `/x)$`, `)/`, `*/)`, `?/.*)`, `+\/)`, `{2}/)`, `{0,1}/.*)`,
		`|a1.b2)(?::\d+)?/.*$`, `|a1.b2|c-3.d.e4)(?::\d+)?/`, `.example.com/)`, `\.example\.com(?::\d+)?/.*)$`, `(?i:X)?/)`, `_x/)`, `X/)`, `(?::\d+)?/|q.r/)`,
		`(?:[:][0-9]+)?\/(?<p1>.*)`, `[a-c]/)`, `.*/)`, `/.*)|^b.c/`, `:8080/)`, `(?::8080)?/)`, `(?=x)/)`, `\p{Greek}?/)`, ``, `\.x|y)/`}
	heads := []string{shapeHead, shapeHead, shapeHead, `^(`, `^(?:\`, `^(?:[^/]+\.`, `^(?i:`}
	c, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	brief, err := New(Options{Brief: true})
	if err != nil {
		t.Fatal(err)
	}
	shaped := 0
	rapid.Check(t, func(t *rapid.T) {
		fast, slow, short := c.Project(), c.Project(), brief.ProjectOf(rapid.IntRange(-1, 9).Draw(t, "expected"))
		few := rapid.SliceOfN(rapid.SampledFrom(tails), 1, 3).Draw(t, "tails")
		for i := range rapid.IntRange(3, 20).Draw(t, "n") {
			f := Filter{Index: i, ScriptHash: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "hash"),
				Pattern: rapid.SampledFrom(heads).Draw(t, "head") + rapid.SampledFrom(names).Draw(t, "name") + rapid.SampledFrom(few).Draw(t, "tail")}
			e := fast.Add(f)
			if diff := cmp.Diff(withoutShapes(slow, f), e); diff != "" {
				t.Fatalf("%q: by tree (-), by shape (+):\n%s", f.Pattern, diff)
			}
			told := short.Add(f)
			if e.Class == Converted || e.Class == NeedsWildcard {
				e.Why, e.Notes, told.Notes = "", nil, nil
			}
			if diff := cmp.Diff(e, told); diff != "" {
				t.Fatalf("%q: at length (-), in brief (+):\n%s", f.Pattern, diff)
			}
		}
		for _, s := range fast.shapes {
			if s != nil && s.sound {
				shaped++
			}
		}
	})
	if shaped == 0 {
		t.Error("no shape was sound")
	}
}

package legacy

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/migrate/convert"
	"berth/router/hostkey"
)

func TestChunksAreTheOldForm(t *testing.T) {
	got := string(AppendChunk(nil, []Filter{
		{Pattern("2b469e16.example.pages.dev"), "one"},
		{Pattern("test.example.com"), "two"},
	}))
	want := `{"filters":[{"pattern":"^(?:2b469e16.example.pages.dev(?:[:][0-9]+)?\\/(?<p1>.*))$","script_hash":"one"},` +
		`{"pattern":"^(?:test.example.com(?:[:][0-9]+)?\\/(?<p1>.*))$","script_hash":"two"}],"v":1}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := string(AppendChunk(nil, nil)); got != `{"filters":[],"v":1}` {
		t.Errorf("an empty piece is %s", got)
	}
}

// Whatever text an entry has, a piece is JSON and comes back as it was.
func TestChunksComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Filter {
			return Filter{rapid.String().Draw(t, "pattern"), rapid.String().Draw(t, "script_hash")}
		})).Draw(t, "filters")
		for i := range fs { // JSON has no other text
			fs[i] = Filter{strings.ToValidUTF8(fs[i].Pattern, "�"), strings.ToValidUTF8(fs[i].ScriptHash, "�")}
		}
		raw := AppendChunk(nil, fs)
		if !json.Valid(raw) {
			t.Fatalf("not JSON: %s", raw)
		}
		got, err := ParseChunk(raw)
		if err != nil {
			t.Fatal(err)
		}
		if len(got)+len(fs) > 0 && cmp.Diff(fs, got) != "" {
			t.Fatal(cmp.Diff(fs, got))
		}
	})
}

func TestParseChunk(t *testing.T) {
	for _, c := range []struct {
		name, in, fault string // fault "": two filters a and b
	}{
		{"own form", `{"filters":[{"pattern":"a","script_hash":"x"},{"pattern":"b","script_hash":"y"}],"v":1}`, ""},
		{"another order and space", ` { "v" : 1, "filters" : [ {"script_hash":"x","pattern":"a"}, {"pattern":"b","script_hash":"y"}]}` + "\n", ""},
		{"escapes", `{"filters":[{"pattern":"\u0061","script_hash":"x"},{"pattern":"b","script_hash":"y"}],"v":1}`, ""},
		{"truncated", `{"filters":[{"pattern":"a","script_hash":"x"}`, "unexpected EOF"},
		{"empty", ``, "EOF"},
		{"version", `{"filters":[],"v":2}`, "version 2"},
		{"no version", `{"filters":[]}`, "want"},
		{"no filters", `{"v":1}`, "want"},
		{"type", `{"filters":{},"v":1}`, "cannot unmarshal"},
		{"unknown key", `{"filters":[],"v":1,"w":1}`, "unknown field"},
		{"trailing", `{"filters":[],"v":1}{}`, "something follows"},
	} {
		got, err := ParseChunk([]byte(c.in))
		if c.fault != "" {
			if !errors.Is(err, ErrTable) || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s: error %v; want one with %q", c.name, err, c.fault)
			}
			continue
		}
		if err != nil || cmp.Diff([]Filter{{"a", "x"}, {"b", "y"}}, got) != "" {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

func FuzzParseChunk(f *testing.F) {
	f.Add([]byte(`{"filters":[{"pattern":"^(?:a.b(?:[:][0-9]+)?\\/(?<p1>.*))$","script_hash":"x"}],"v":1}`))
	f.Add([]byte(`{"filters":[],"v":1}`))
	f.Add([]byte(`{"filters":[{"pattern":"\"\\"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		own, ok := parseOwn(raw)
		if !ok {
			return
		}
		var doc struct{ Filters []Filter }
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatalf("read as a table, but is no JSON: %v", err)
		}
		if len(own)+len(doc.Filters) > 0 && cmp.Diff(doc.Filters, own) != "" {
			t.Fatal(cmp.Diff(doc.Filters, own))
		}
	})
}

// Every pattern that is written here means to the converter exactly the host it was written for.
func TestPatternsAreUnderstood(t *testing.T) {
	c, err := convert.New(convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []hostkey.Host{"docs.pages.localhost", "a_b.xn--bcher-kva.example", "::1", "192.0.2.1", "localhost"} {
		for _, pattern := range []string{Pattern(h), StrictPattern(h)} {
			e := c.Pattern(convert.Filter{Pattern: pattern})
			if e.Class != convert.Converted || cmp.Diff([]hostkey.Host{h}, e.Hosts) != "" {
				t.Errorf("%s: %v %v (%s)", pattern, e.Class, e.Hosts, e.Why)
			}
			if loose := len(e.Notes) > 0; loose && pattern == StrictPattern(h) {
				t.Errorf("%s: notes %v", pattern, e.Notes)
			}
			if got, wild, ok := HostOf(pattern); !ok || wild || got != h {
				t.Errorf("HostOf(%s) = %q %v %v", pattern, got, wild, ok)
			}
			if !isFor(pattern, h) || isFor(pattern, h+"m") || isFor(pattern, h[1:]) {
				t.Errorf("isFor(%s) is wrong", pattern)
			}
		}
	}
	e := c.Pattern(convert.Filter{Pattern: WildcardPattern("a.example.com")})
	if e.Class != convert.NeedsWildcard || cmp.Diff([]string{"*.a.example.com"}, e.Wildcards) != "" || len(e.Notes) > 0 {
		t.Errorf("wildcard: %+v", e)
	}
	if got, wild, ok := HostOf(WildcardPattern("a.example.com")); !ok || !wild || got != "a.example.com" {
		t.Errorf("HostOf of a wildcard = %q %v %v", got, wild, ok)
	}
	hosts := []hostkey.Host{"a.example.com", "b.example.com"}
	if e := c.Pattern(convert.Filter{Pattern: AlternativesPattern(hosts)}); cmp.Diff(hosts, e.Hosts) != "" || len(e.Notes) > 0 {
		t.Errorf("alternatives: %+v", e)
	}
	for _, odd := range []string{"", "^(?:", Pattern("a.B"), Pattern("(a|b).c"), Pattern("a.c") + "x", `^(?:a.b\/.*)$`} {
		if h, _, ok := HostOf(odd); ok {
			t.Errorf("HostOf(%s) = %q", odd, h)
		}
	}
}

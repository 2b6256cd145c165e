package hints

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustOpen(t testing.TB, entries int, hs ...Hint) *Listing {
	t.Helper()
	raw, err := Encode(entries, hs)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(raw, entries)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A listing is a map from entries to values.
func TestListingIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.IntRange(0, 300).Draw(t, "entries")
		values := []Hint{{Link: "<a>"}, {Link: "<a>", Based: true}, {Link: links("/b")}, {Link: links("/b", "/c"), Based: true}}
		var hs []Hint
		model := map[int]Hint{}
		for i := range entries {
			if rapid.Bool().Draw(t, "has") {
				h := rapid.SampledFrom(values).Draw(t, "value")
				h.Entry = i
				hs, model[i] = append(hs, h), h
			}
		}
		raw, err := Encode(entries, hs)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Open(raw, entries)
		if err != nil {
			t.Fatal(err)
		}
		for i := -1; i <= entries; i++ {
			if got := string(l.At(i)); got != model[i].Link || l.Based(i) != model[i].Based {
				t.Fatalf("At(%d) = %q, %v; want %+v", i, got, l.Based(i), model[i])
			}
		}
		if d := cmp.Diff(hs, slices.Collect(l.All())); d != "" {
			t.Fatalf("-want +got\n%s", d)
		}
	})
}

func TestNilListing(t *testing.T) {
	var l *Listing
	if l.At(0) != nil || l.Based(0) || l.Weight() != 0 || len(l.Append(nil, 0, "http", "a")) != 0 || slices.Collect(l.All()) != nil {
		t.Error("a nil listing has something")
	}
}

func TestAppend(t *testing.T) {
	value := links("/a", "//cdn.example/b", "https://cdn.example/c", "d/e", "?f")
	l := mustOpen(t, 2, Hint{0, value, false}, Hint{1, value, true})
	full := links("https://w.example:8443/a", "https://cdn.example/b", "https://cdn.example/c", "d/e", "?f")
	for _, c := range []struct {
		entry           int
		authority, want string
	}{{0, "w.example:8443", value}, {1, "w.example:8443", full}, {1, "", value}} {
		if got := string(l.Append([]byte("x"), c.entry, "https", c.authority)); got != "x"+c.want {
			t.Errorf("entry %d, authority %q: %s", c.entry, c.authority, got)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	l := mustOpen(t, 200, Hint{3, links("/a"), false}, Hint{130, links("/a"), true}, Hint{199, links("/b"), false})
	dst := make([]byte, 0, 200)
	if n := testing.AllocsPerRun(100, func() {
		for i := range 201 {
			l.At(i)
		}
		l.Append(dst, 130, "https", "w.example")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Every page of a big site announces the same files: its listing must not cost a copy for each.
func TestEqualValuesAreKeptOnce(t *testing.T) {
	const n = 100_000
	hs := make([]Hint, n)
	for i := range hs {
		hs[i] = Hint{Entry: i, Link: links("/app.css", "/app.js")}
	}
	if w := mustOpen(t, n, hs...).Weight(); w > 450<<10 {
		t.Errorf("%d bytes", w)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, hs := range map[string][]Hint{
		"twice":        {{0, "<a>", false}, {0, "<b>", false}},
		"out of order": {{1, "<a>", false}, {0, "<b>", false}},
		"beyond":       {{2, "<a>", false}},
		"negative":     {{-1, "<a>", false}},
		"empty":        {{0, "", false}},
		"line end":     {{0, "<a>\r\nx: y", false}},
	} {
		if _, err := Encode(2, hs); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func TestTooLarge(t *testing.T) {
	big := "<" + strings.Repeat("a", MaxPool/2) + ">"
	hs := []Hint{{0, big, false}, {1, big, false}, {2, big, true}, {3, "<a>", false}}
	if n := Fit(hs); n != 2 {
		t.Errorf("%d fit", n)
	}
	if _, err := Encode(4, hs); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Encode: %v", err)
	}
	if _, err := Encode(4, hs[:2]); err != nil {
		t.Error(err)
	}
}

// Every byte that is changed is noticed, or changes nothing but the text of a value.
func TestDamage(t *testing.T) {
	raw, err := Encode(70, []Hint{{0, "<a>", false}, {5, "<b>", true}, {69, "<a>", false}})
	if err != nil {
		t.Fatal(err)
	}
	pool := len(raw) - len("<a><b>")
	for i := range pool {
		for bit := range 8 {
			bad := slices.Clone(raw)
			bad[i] ^= 1 << bit
			if l, err := Open(bad, 70); err == nil && slices.Equal(slices.Collect(l.All()), slices.Collect(mustOpenRaw(t, raw, 70).All())) {
				t.Errorf("byte %d, bit %d: not noticed", i, bit)
			}
		}
	}
	for n := range len(raw) {
		if _, err := Open(raw[:n], 70); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := Open(append(slices.Clone(raw), 'x'), 70); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte more: %v", err)
	}
	if _, err := Open(raw, 71); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another manifest: %v", err)
	}
	moved := slices.Clone(raw) // the hint of the last entry becomes one of an entry that there is not
	moved[headerLen+blockLen] <<= 1
	if _, err := Open(moved, 70); !errors.Is(err, ErrCorrupt) {
		t.Errorf("an entry beyond the manifest: %v", err)
	}
	newer := slices.Clone(raw)
	newer[len(magic)]++
	if _, err := Open(newer, 70); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("a newer version: %v", err)
	}
}

func mustOpenRaw(t *testing.T, raw []byte, entries int) *Listing {
	t.Helper()
	l, err := Open(raw, entries)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func BenchmarkAt(b *testing.B) {
	const n = 20_000
	hs := make([]Hint, n/2)
	for i := range hs {
		hs[i] = Hint{Entry: 2 * i, Link: links("/app.css")}
	}
	l := mustOpen(b, n, hs...)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.At(i % n)
		i++
	}
}

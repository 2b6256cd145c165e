package hints

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// What Parse returns can stand in a field, is bounded, and survives everything that it goes through later.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", `<link rel=preload href=/a as=script>`, `<base href=/x/><link rel=preload href=../a>`,
		`<base href="a/b?q"><LINK rel='modulepreload x' href="b:c"/>`, "<svg><title/></svg><link rel=preload href='\xff\x00\r\n'>",
		`<base href=//h><link rel=preload href='\\é.example:1\..\a"b'>`, `<script><!--<script></script>--></script><link rel=preconnect href=https://x>`,
		`<base href=/><link rel=preload href=.//x><link rel=preload href='%2e%2E//y'>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		o := Options{MaxLinks: 5, MaxBytes: 500}
		found, err := Parse(strings.NewReader(string(doc)), o)
		if err != nil {
			t.Fatal(err)
		}
		if len(found.Link) > o.MaxBytes || strings.Count(found.Link, "<") > o.MaxLinks {
			t.Fatalf("over the limits: %+v", found)
		}
		if again, err := Recall(found.Remember()); err != nil || again != found {
			t.Fatalf("Recall(%q) = %+v, %v", found.Remember(), again, err)
		}
		if found.Link == "" {
			return
		}
		l := mustOpen(t, 1, Hint{Entry: 0, Link: found.Link, Based: found.Based})
		for _, value := range []string{string(l.At(0)), string(l.Append(nil, 0, "https", "h.example"))} {
			checkValue(t, value)
		}
	})
}

// checkValue takes a value apart by the grammar it promises.
func checkValue(t *testing.T, value string) {
	for _, r := range value {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			t.Fatalf("%q has a character that no field may have", value)
		}
	}
	for rest, more := value, true; more; {
		target, after, ok := strings.Cut(strings.TrimPrefix(rest, "<"), ">; rel=\"")
		rel, after, ok2 := strings.Cut(after, `"`)
		if rest[0] != '<' || !ok || !ok2 || target == "" || strings.ContainsAny(target, `<>"`) || !announced(rel) {
			t.Fatalf("%q is not a list of links, from %q on", value, rest)
		}
		if as, isAs := strings.CutPrefix(after, "; as="); isAs {
			end := strings.Index(as, ", <") // a token holds neither
			if end < 0 {
				end = len(as)
			}
			if !isToken(as[:end]) {
				t.Fatalf("%q: %q is no token", value, as[:end])
			}
			after = as[end:]
		}
		if rest, more = strings.CutPrefix(after, ", "); !more && after != "" {
			t.Fatalf("%q goes on with %q", value, after)
		}
	}
}

// Whatever the bytes, a listing that opens can be read, and reads like its own encoding.
func FuzzOpen(f *testing.F) {
	seed := func(entries int, hs ...Hint) {
		raw, err := Encode(entries, hs)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, entries)
	}
	seed(0)
	seed(65, Hint{0, "<a>", false}, Hint{64, "<a>", true})
	seed(3, Hint{0, "<a>", false}, Hint{1, "<b>", true}, Hint{2, "<a>", false})
	f.Fuzz(func(t *testing.T, raw []byte, entries int) {
		l, err := Open(raw, entries)
		if err != nil {
			return
		}
		hs := slices.Collect(l.All())
		for _, h := range hs {
			l.Append(nil, h.Entry, "http", "h.example")
		}
		again, err := Encode(entries, hs)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Collect(mustOpen(t, entries, hs...).All()); !slices.Equal(got, hs) || len(again) > len(raw) {
			t.Fatalf("%+v became %+v", hs, got)
		}
	})
}

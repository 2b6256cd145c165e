package hostkey

import (
	"errors"
	"strings"
	"testing"
	"unicode"
)

// Every rune that plainRune lets through must be one that idna maps to itself, wherever it stands.
func TestPlainRunes(t *testing.T) {
	n := 0
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !plainRune(r) {
			continue
		}
		n++
		for _, u := range []string{string(r), "a" + string(r) + string(r) + "z"} {
			ascii, err := browsers.ToASCII(u)
			if err != nil {
				t.Fatalf("%U in %q: %v", r, u, err)
			}
			back, err := browsers.ToUnicode(ascii)
			if err != nil || back != u {
				t.Fatalf("%U: %q comes back as %q, %v", r, u, back, err)
			}
			if !plainALabels(ascii) {
				t.Fatalf("%U: %q is not decided without idna", r, ascii)
			}
		}
	}
	if n < 30000 {
		t.Errorf("only %d plain runes", n)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		"docs.pages.localhost:8080", "BÜCHER.example.", "xn--bcher-kva.example", "[::1]:80", "::ffff:1.2.3.4", "1.2.3.4",
		"0x7f.1", "日本語。ＪＰ", "a\xff", "xn--ls8h", "[fe80::1%25lo]", "a..b", "*.example.com", "xn--xn--a-ecp", "אב1.example", "1a.xn--4dbc",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := Canonical(s)
		if err != nil {
			if h != "" || !errors.Is(err, ErrMalformed) {
				t.Fatalf("Canonical(%q) = %q, %v", s, h, err)
			}
			return
		}
		if again, err := Canonical(string(h)); err != nil || again != h {
			t.Fatalf("Canonical(%q) = %q, and of that %q, %v", s, h, again, err)
		}
		if len(h) > maxName || h == "" || strings.ToLower(string(h)) != string(h) || strings.Trim(string(h), "abcdefghijklmnopqrstuvwxyz0123456789-_.:") != "" {
			t.Fatalf("Canonical(%q) = %q", s, h)
		}
		if !h.IsIP() && !strings.Contains(s, ":") {
			if withPort, err := Canonical(s + ":8080"); err != nil || withPort != h {
				t.Fatalf("%q with a port is %q, %v", s, withPort, err)
			}
		}
		for parent, ok := h.Parent(); ok; parent, ok = parent.Parent() {
			if again, err := Canonical(string(parent)); err == nil && again != parent {
				t.Fatalf("parent %q of %q has the canonical form %q", parent, h, again)
			}
		}
		checkPattern(t, s)
	})
}

func checkPattern(t *testing.T, s string) {
	host, wildcard, err := CanonicalPattern("*." + s)
	if err != nil {
		return
	}
	again, still, err := CanonicalPattern("*." + string(host))
	if !wildcard || !still || err != nil || again != host {
		t.Fatalf("CanonicalPattern(*.%q) = %q, %v, and of that %q, %v, %v", s, host, wildcard, again, still, err)
	}
}

// What is decided without idna must be what idna decides.
func FuzzPlainPunycode(f *testing.F) {
	for _, s := range []string{"bcher-kva", "wgv71a119e", "fa-hia", "mgberp4a5d4ar", "xn--bcher-kva", "-kva", "a-", "n3h", "99999", "a-b-kva", "pple-43d", "strae-oqa", "-_-kva"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		label := acePrefix + s
		if _, reason := scan(label); reason != nil || strings.Contains(s, ".") || !plainPunycode(s) {
			return
		}
		if got, err := browsers.ToASCII(label); err != nil || got != label {
			t.Fatalf("%q is let through, idna says %q, %v", label, got, err)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	for name, in := range map[string]string{
		"canonical": "2b469e16.docs.pages.localhost",
		"port":      "2b469e16.docs.pages.localhost:8080",
		"upper":     "2B469E16.Docs.Pages.Localhost",
		"alabel":    "www.xn--bcher-kva.example",
		"arabic":    "xn--mgberp4a5d4ar",
		"unicode":   "www.bücher.example",
		"ipv6":      "[2001:db8::1]:8080",
		"longest":   name253,
		"hostile":   strings.Repeat("xn--a-ecp.", 25) + "com",
	} {
		b.Run("host="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Canonical(in)
			}
		})
	}
}

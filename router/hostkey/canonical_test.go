package hostkey

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

func label(n int) string { return strings.Repeat("a", n) }

// name253 has labels of 63, 63, 63 and 61 characters.
var name253 = strings.Join([]string{label(63), label(63), label(63), label(61)}, ".")

func TestCanonical(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Host
	}{
		{"docs.pages.localhost", "docs.pages.localhost"},
		{"Docs.Pages.LOCALHOST", "docs.pages.localhost"},
		{"localhost", "localhost"},
		{"docs.example:8080", "docs.example"},
		{"docs.example:", "docs.example"},
		{"docs.example:00080", "docs.example"},
		{"docs.example.", "docs.example"},
		{"docs.example.:443", "docs.example"},
		{"DOCS.example.:443", "docs.example"},
		// In use, and sent by browsers.
		{"r3---sn-apo3qvuoxuxbt-j5pe.example", "r3---sn-apo3qvuoxuxbt-j5pe.example"},
		{"-a.b-.example", "-a.b-.example"},
		{"_dmarc.ex_ample.com", "_dmarc.ex_ample.com"},
		{"3com.123.com", "3com.123.com"},
		{"0x.com", "0x.com"},
		{"1.2.3.4a", "1.2.3.4a"},
		{label(63) + ".example", Host(label(63) + ".example")},
		{name253, Host(name253)},
		{name253 + ".", Host(name253)},
		{name253 + ".:65535", Host(name253)},
		// UTS #46 lookup processing, non-transitional.
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.example:80", "xn--bcher-kva.example"},
		{"Bu\u0308cher.example", "xn--bcher-kva.example"}, // decomposed
		{"straße.example", "xn--strae-oqa.example"},
		{"日本語。ＪＰ", "xn--wgv71a119e.jp"},
		{"docs。example。", "docs.example"},
		{"do\u00adcs.example", "docs.example"}, // soft hyphen is ignored
		{"ｄｏｃｓ.example", "docs.example"},
		{"１２７.0.0.1", "127.0.0.1"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
		{"xn--mgberp4a5d4ar", "xn--mgberp4a5d4ar"},   // Arabic: the Bidi rule holds
		{"xn--o3cw4h.example", "xn--o3cw4h.example"}, // Thai
		{"xn--i-7iq.example", "xn--i-7iq.example"},   // i❤
		{"xn--ls8h.example:1", "xn--ls8h.example"},   // emoji
		{"☃.☃", "xn--n3h.xn--n3h"},                   // a mapping of every label
		{"faß.xn--bcher-kva", "xn--fa-hia.xn--bcher-kva"},
		// Addresses.
		{"127.0.0.1", "127.0.0.1"},
		{"127.0.0.1:8080", "127.0.0.1"},
		{"127.0.0.1.", "127.0.0.1"},
		{"[::1]", "::1"},
		{"[::1]:8080", "::1"},
		{"[::1]:", "::1"},
		{"[2001:DB8::0:1]", "2001:db8::1"},
		{"[2001:db8:0:0:1:0:0:1]:443", "2001:db8::1:0:0:1"},
		{"[::ffff:192.0.2.1]", "::ffff:192.0.2.1"},
		{"::1", "::1"},
	} {
		got, err := Canonical(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("Canonical(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want error
	}{
		{"", ErrEmpty},
		{".", ErrEmpty},
		{":80", ErrEmpty},
		{".:80", ErrEmpty},
		{"\u00ad", ErrEmpty},
		{"a..b", ErrLabel},
		{".a", ErrLabel},
		{"a..", ErrLabel},
		{"a。.", ErrLabel},
		{label(64) + ".example", ErrLabel},
		{"example." + label(64), ErrLabel},
		{"a" + name253, ErrLabel},
		{"a." + name253, ErrTooLong},
		{label(5000), ErrTooLong},
		{strings.Repeat("\u00ad", 5000) + "a", ErrTooLong},
		{"a b", ErrCharacter},
		{"a\x00b", ErrCharacter},
		{"a/b", ErrCharacter},
		{"a%41b", ErrCharacter},
		{"user@example.com", ErrCharacter},
		{"a,b", ErrCharacter},
		{"*.example.com", ErrCharacter},
		{" example.com", ErrCharacter},
		{"example.com\r\n", ErrCharacter},
		{"a]", ErrCharacter},
		{"a:b", ErrPort},
		{"a:123456", ErrPort},
		{"a:-1", ErrPort},
		{"a:+1", ErrPort},
		{"a: 80", ErrPort},
		{"[::1]8080", ErrPort},
		{"[::1]:http", ErrPort},
		{"[::1]]", ErrPort},
		{"[::1", ErrAddress},
		{"[", ErrAddress},
		{"[]", ErrAddress},
		{"[127.0.0.1]", ErrAddress},
		{"[fe80::1%25eth0]", ErrAddress},
		{"[fe80::1%eth0]", ErrAddress},
		{"[v1.fe80]", ErrAddress},
		{"[docs.example]", ErrAddress},
		{"a:1:2", ErrAddress},
		{"256.0.0.1", ErrAddress},
		{"127.0.0.01", ErrAddress},
		{"127.1", ErrAddress},
		{"2130706433", ErrAddress},
		{"0x7f.0.0.1", ErrAddress},
		{"1.2.3.0x", ErrAddress},
		{"docs.example.1", ErrAddress},
		{"a\xff", ErrIDNA},
		{"a\u200db.example", ErrIDNA},
		{"\u0301a.example", ErrIDNA},
		{"xn--.example", ErrIDNA},
		{"xn--a.example", ErrIDNA},
		{"xn--abc-.example", ErrIDNA},
		{"xn--zzzzzzzzzzzzzzzzzz.example", ErrIDNA},
		{"xn--Bcher-KVA-.example", ErrIDNA},
		{"xn--xn--bcher-kva-.example", ErrIDNA},
	} {
		got, err := Canonical(tt.in)
		if !errors.Is(err, tt.want) || !errors.Is(err, ErrMalformed) || got != "" {
			t.Errorf("Canonical(%q) = %q, %v; want error %q", tt.in, got, err, tt.want)
		}
	}
}

func TestErrorQuotesABoundedCopy(t *testing.T) {
	given := []byte(strings.Repeat("!", 500))
	_, err := Canonical(unsafe.String(&given[0], len(given)))
	for i := range given {
		given[i] = '?' // the request's bytes are used again
	}
	want := fmt.Sprintf("malformed host %q: %v", strings.Repeat("!", 80), ErrCharacter)
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Reason != ErrCharacter {
		t.Errorf("AsType = %v, %v", e, ok)
	}
}

func TestHostParts(t *testing.T) {
	type parts struct {
		IP     bool
		Labels int
		Parent Host
		Has    bool
	}
	for in, want := range map[Host]parts{
		"a.b.c":            {Labels: 3, Parent: "b.c", Has: true},
		"localhost":        {Labels: 1},
		"127.0.0.1":        {IP: true},
		"::1":              {IP: true},
		"::ffff:192.0.2.1": {IP: true},
		"":                 {},
	} {
		got := parts{IP: in.IsIP(), Labels: in.Labels()}
		got.Parent, got.Has = in.Parent()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

func TestCanonicalPattern(t *testing.T) {
	deep := strings.Repeat("a.", MaxWildcardLabels-1) + "com"
	for _, tt := range []struct {
		in       string
		host     Host
		wildcard bool
		err      error
	}{
		{"www.Example.com", "www.example.com", false, nil},
		{"www.example.com.", "www.example.com", false, nil},
		{"*.Bücher.example", "xn--bcher-kva.example", true, nil},
		{"*." + deep, Host(deep), true, nil},
		{"*.a." + deep, "", false, ErrPattern},
		{"a." + deep, Host("a." + deep), false, nil},
		{"*." + name253, "", false, ErrTooLong},
		{"[::1]", "::1", false, nil},
		{"www.example.com:80", "", false, ErrPattern},
		{"www.example.com:", "", false, ErrPattern},
		{"[::1]:80", "", false, ErrPattern},
		{"*.127.0.0.1", "", false, ErrPattern},
		{"*.[::1]", "", false, ErrPattern},
		{"*.", "", false, ErrEmpty},
		{"*", "", false, ErrCharacter},
		{"", "", false, ErrEmpty},
		{"*.*.example.com", "", false, ErrCharacter},
		{"a.*.example.com", "", false, ErrCharacter},
		{"w*.example.com", "", false, ErrCharacter},
	} {
		host, wildcard, err := CanonicalPattern(tt.in)
		if host != tt.host || wildcard != tt.wildcard || !errors.Is(err, tt.err) {
			t.Errorf("CanonicalPattern(%q) = %q, %v, %v; want %q, %v, %v", tt.in, host, wildcard, err, tt.host, tt.wildcard, tt.err)
		}
	}
}

func TestValidProjectName(t *testing.T) {
	for in, want := range map[string]error{
		"docs":             nil,
		"d":                nil,
		"2b469e16":         nil,
		"r3---sn":          nil,
		"xn--bcher-kva":    nil,
		label(63):          nil,
		"":                 errProjectLength,
		label(64):          errProjectLength,
		"Docs":             errProjectChars,
		"do_cs":            errProjectChars,
		"do.cs":            errProjectChars,
		"bücher":           errProjectChars,
		"-docs":            errProjectHyphen,
		"docs-":            errProjectHyphen,
		"xn--a":            errProjectALabel,
		"xn--" + label(59): errProjectALabel,
	} {
		if got := ValidProjectName(in); got != want {
			t.Errorf("ValidProjectName(%q) = %v, want %v", in, got, want)
		}
	}
}

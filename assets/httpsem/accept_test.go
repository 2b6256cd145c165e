package httpsem

import (
	"strings"
	"testing"
)

const allEncodings = EncodingSet(1)<<NumEncodings - 1

func TestSelectEncoding(t *testing.T) {
	const (
		all    = allEncodings
		noBr   = all &^ (1 << Brotli)
		noZstd = all &^ (1 << Zstd)
		onlyGz = EncodingSet(1<<Gzip | 1<<Identity)
	)
	for _, c := range []struct {
		section, field string
		available      EncodingSet
		want           Encoding
		refused        bool
	}{
		// What browsers send.
		{"", "gzip, deflate, br, zstd", all, Brotli, false},
		{"", "gzip, deflate, br, zstd", noBr, Zstd, false},
		{"", "gzip, deflate, br", noBr, Gzip, false},
		{"", "gzip, deflate, br, zstd", IdentityOnly, Identity, false},
		{"", "identity;q=1, *;q=0", all, Identity, false}, // Chromium's media player

		// The examples of the section.
		{"12.5.3", "compress, gzip", all, Gzip, false},
		{"12.5.3", "", all, Identity, false},
		{"12.5.3", "*", all, Brotli, false},
		{"12.5.3", "compress;q=0.5, gzip;q=1.0", all, Gzip, false},
		{"12.5.3", "gzip;q=1.0, identity; q=0.5, *;q=0", all, Gzip, false},
		{"12.5.3", "gzip;q=1.0, identity; q=0.5, *;q=0", EncodingSet(1<<Identity | 1<<Brotli), Identity, false},

		// Weights beat our preference; ours breaks ties.
		{"12.4.2", "br;q=0.8, gzip;q=0.9", all, Gzip, false},
		{"12.4.2", "br;q=0.001, gzip;q=0.002, zstd;q=0.003", all, Zstd, false},
		{"12.4.2", "br;q=0.5, gzip;q=.9", all, Brotli, false}, // ".9" is no weight
		{"12.4.2", "zstd;q=0.5, br;q=0.5, gzip;q=0.5", all, Brotli, false},
		{"12.4.2", "gzip;q=1, br;q=1.000", all, Brotli, false},
		{"12.4.2", "gzip;q=0.999, br;q=1.", all, Brotli, false},
		{"12.4.2", "gzip;q=0.5, br;q=0.4999", all, Gzip, false},
		{"12.4.2", "gzip;q=0.0001", all, Gzip, false}, // too precise, but not zero
		{"12.4.2", "gzip ; q=0.3 , br ; Q=0.2", all, Gzip, false},

		// Identity comes last unless it is named, and is acceptable unless it is refused.
		{"12.5.3", "gzip;q=0.001", all, Gzip, false},
		{"12.5.3", "gzip;q=0.5, identity", all, Identity, false},
		{"12.5.3", "gzip;q=0.5, identity;q=0.5", all, Gzip, false},
		{"12.5.3", "gzip;q=0.5, *;q=0.9", onlyGz, Identity, false},
		{"12.5.3", "deflate", all, Identity, false},
		{"12.5.3", "gzip;q=0", all, Identity, false},
		{"12.5.3", "gzip;q=0, *", all, Brotli, false},
		{"12.5.3", "br;q=0, *", all, Zstd, false},
		{"12.5.3", "br;q=0, *;q=0.1", onlyGz, Gzip, false},

		// 406, and what is not.
		{"15.5.7", "identity;q=0", all, 0, true},
		{"15.5.7", "*;q=0", all, 0, true},
		{"15.5.7", "br, identity;q=0", onlyGz, 0, true},
		{"15.5.7", "br, identity;q=0", all, Brotli, false},
		{"15.5.7", "gzip, *;q=0", all, Gzip, false},
		{"15.5.7", "gzip, *;q=0", IdentityOnly, 0, true},
		{"15.5.7", "*;q=0, identity;q=0.1", all, Identity, false},
		{"15.5.7", "*, identity;q=0", all, Brotli, false},
		{"15.5.7", "gzip", 0, 0, true}, // nothing is stored

		// Names.
		{"8.4.1", "GZip", all, Gzip, false},
		{"8.4.1", "ZſTD", all, Identity, false}, // folds to zstd in Unicode, not in HTTP
		{"8.4.1.3", "x-gzip", all, Gzip, false},
		{"8.4.1.3", "X-GZIP;q=0.5, gzip;q=0.2", all, Gzip, false},
		{"8.4.1.3", "x-br", all, Identity, false},

		// Twice: the kinder weight.
		{"", "br;q=0, br", all, Brotli, false},
		{"", "br, br;q=0", all, Brotli, false},
		{"", "*;q=0, *", all, Brotli, false},
		{"", "*, *;q=0", all, Brotli, false},

		// Malformed elements ask for nothing and refuse nothing.
		{"5.6.1.2", ",, gzip,, ,", all, Gzip, false},
		{"", "br;q=high, gzip", all, Gzip, false},
		{"", "br;q=2, gzip;q=0.1", all, Gzip, false},
		{"", "br;q=1.001, gzip;q=0.1", all, Gzip, false},
		{"", "br;q=-1, gzip;q=0.1", all, Gzip, false},
		{"", "br;q, gzip;q=0.1", all, Gzip, false},
		{"", "identity;q=no, *;q=0", all, Identity, false},
		{"", "*;q=no", all, Identity, false},
		{"", "br q=1", all, Identity, false},
		{"", "br;level=11;q=0, gzip", all, Gzip, false},
		{"", "\x00\xff, br", all, Brotli, false},
		{"", "gzip;q=0.5;q=0", all, Gzip, false}, // the first
	} {
		got, ok := SelectEncoding(c.field, c.available)
		if ok == c.refused || ok && got != c.want {
			t.Errorf("§%s: %q of %04b: %v, %v; want %v, %v", c.section, c.field, c.available, got, ok, c.want, !c.refused)
		}
	}
	if got, _ := SelectEncoding("br", noZstd); got != Brotli {
		t.Error(got)
	}
}

func TestSelectPrefersTheSmallestAtEqualWeight(t *testing.T) {
	for _, c := range []struct {
		field string
		sizes [NumEncodings]int64
		want  Encoding
	}{
		{"gzip, br, zstd", [NumEncodings]int64{Identity: 100, Gzip: 40, Zstd: 30, Brotli: 31}, Zstd},
		{"gzip, br, zstd", [NumEncodings]int64{Identity: 100, Gzip: 29, Zstd: 30, Brotli: 31}, Gzip},
		{"gzip, br, zstd", [NumEncodings]int64{Identity: 100, Gzip: 30, Zstd: 30, Brotli: 30}, Brotli},
		{"gzip, br;q=0.9", [NumEncodings]int64{Identity: 100, Gzip: 40, Zstd: 30, Brotli: 30}, Gzip},
		{"*", [NumEncodings]int64{Identity: 10, Gzip: 40, Zstd: 30, Brotli: 30}, Identity},
		{"gzip", [NumEncodings]int64{Identity: 10, Gzip: 40}, Gzip}, // asked for; identity was not
		{"gzip;q=0.001", [NumEncodings]int64{Identity: 10, Gzip: 40}, Gzip},
		{"gzip;q=0.0001", [NumEncodings]int64{Identity: 10, Gzip: 40}, Gzip},
	} {
		a := ParseAcceptEncoding(c.field)
		if got, ok := a.Select(&Stored{Set: allEncodings, Sizes: c.sizes}); !ok || got != c.want {
			t.Errorf("%q of %v: %v, want %v", c.field, c.sizes, got, c.want)
		}
	}
}

func TestAcceptEncodingIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		field string
		want  Encoding
	}{
		"at the bound":     {strings.Repeat("x,", maxCodings-1) + "br", Brotli},
		"behind the bound": {strings.Repeat("x,", maxCodings) + "br", Identity},
		"8 KB of commas":   {strings.Repeat(",", 8<<10) + "br", Identity},
		"8 KB of weights":  {"br" + strings.Repeat(";q=0.1", 8<<10/6), Brotli},
		"8 KB of digits":   {"br;q=0." + strings.Repeat("0", 8<<10) + "1", Brotli},
		"8 KB of spaces":   {strings.Repeat(" ", 8<<10) + "br", Brotli},
		"8 KB of a name":   {strings.Repeat("br", 4<<10), Identity},
	} {
		if got, ok := SelectEncoding(c.field, allEncodings); !ok || got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestEncodingNames(t *testing.T) {
	for e := range Encoding(NumEncodings) {
		if got, ok := parseEncoding(e.String()); !ok || got != e {
			t.Errorf("%v: %v, %v", e, got, ok)
		}
	}
	for _, name := range []string{"", "b", "bzip", "gzop", "x-gzop", "identitx", "deflate", "compress", "*"} {
		if e, ok := parseEncoding(name); ok {
			t.Errorf("%q is %v", name, e)
		}
	}
	if s := IdentityOnly.With(Brotli).With(200); s != 1<<Identity|1<<Brotli || s.Has(200) || s.Has(Gzip) || !s.Has(Brotli) {
		t.Errorf("%b", s)
	}
}

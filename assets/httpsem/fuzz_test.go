package httpsem

import (
	"slices"
	"strings"
	"testing"
)

func FuzzRange(f *testing.F) {
	for _, field := range []string{
		"", "bytes=0-", "bytes=-5", "bytes=-0", "bytes=0-0,-1", "bytes= 0-9 ,\t4-12,,", "bytes=9223372036854775808-",
		"bytes=18446744073709551617-18446744073709551616", "bytes=5-4", "items=0-1", "BYTES=0-1", "bytes =0-1", "bytes=1--1",
		many(MaxRanges), many(MaxRanges + 1), "bytes=" + strings.Repeat("0-,", 1000), "bytes=2-3,0-1,5-5,1-6",
	} {
		f.Add(field, uint16(10))
	}
	f.Fuzz(func(t *testing.T, field string, size uint16) {
		compareWithReference(t, field, int(size)%500)
	})
}

var acceptSeeds = []string{
	"", "*", "gzip, deflate, br, zstd", "br;q=0.8, gzip;q=0.9, *;q=0", "identity;q=0", "identity;q=1, *;q=0", "x-gzip;q=0.001",
	"gzip;q=0.0001, br;q=1.000", "br;q=2, zstd;q=, gzip ; Q = 0.5 ;x", ",,;q=0,", "br;q=0, br", "*;q=bad, identity;q=bad", "zstd;q=0.5",
}

func FuzzAcceptEncoding(f *testing.F) {
	for _, field := range acceptSeeds {
		f.Add(field, byte(allEncodings))
	}
	f.Add(strings.Repeat("a;q=0,", 1400)+"br", byte(allEncodings))
	f.Fuzz(func(t *testing.T, field string, available byte) {
		got, ok := SelectEncoding(field, EncodingSet(available))
		weights := referenceWeights(field)
		want, wanted := Encoding(0), false
		for _, e := range []Encoding{Brotli, Zstd, Gzip, Identity} {
			if w := weights[e.String()]; w > 0 && available&(1<<e) != 0 && (!wanted || w > weights[want.String()]) {
				want, wanted = e, true
			}
		}
		if ok != wanted || ok && got != want {
			t.Fatalf("%q of %04b: %v, %v; want %v, %v", field, available, got, ok, want, wanted)
		}
		if got := IdentityForbidden(field); got != (weights["identity"] < 0) {
			t.Fatalf("IdentityForbidden(%q) = %v", field, got)
		}
	})
}

func FuzzPreconditions(f *testing.F) {
	id, br := tagOf(Identity), tagOf(Brotli)
	for _, field := range []string{
		"", "*", id, "W/" + id, `"a", ` + br, br + ` , W/"b",,` + id, `"`, `W/`, `"a"b"` + id, "Fri, 01 Jan 2100 00:00:00 GMT", "\xff", `"é"`,
	} {
		f.Add(field, id, byte(Identity))
		f.Add(br, field, byte(Brotli))
	}
	f.Fuzz(func(t *testing.T, ifMatch, ifNoneMatch string, e byte) {
		selected := fileTag(Encoding(e % byte(NumEncodings)))
		tag := string(selected.Append(nil))
		matches := func(field string, forms ...string) bool {
			return strings.Trim(field, ows) == "*" || slices.ContainsFunc(referenceTags(field), func(s string) bool {
				return slices.Contains(forms, s)
			})
		}
		want := Proceed
		switch {
		case ifMatch != "" && !matches(ifMatch, tag):
			want = PreconditionFailed
		case matches(ifNoneMatch, tag, "W/"+tag):
			want = NotModified
		}
		if got := Evaluate(ifMatch, ifNoneMatch, selected); got != want {
			t.Fatalf("If-Match %q, If-None-Match %q of %s: %v, want %v", ifMatch, ifNoneMatch, tag, got, want)
		}
		if got := listed(ifNoneMatch, tag); got != matches(ifNoneMatch, tag, "W/"+tag) {
			t.Fatalf("listed(%q, %s) = %v", ifNoneMatch, tag, got)
		}
		stored := Stored{Set: allEncodings, Keys: fileKeys}
		got, ok := stored.ifRange(ifMatch)
		if ok != slices.ContainsFunc([]Encoding{Identity, Gzip, Zstd, Brotli}, func(e Encoding) bool {
			return strings.Trim(ifMatch, ows) == tagOf(e)
		}) || ok && strings.Trim(ifMatch, ows) != tagOf(got) {
			t.Fatalf("If-Range %q: %v, %v", ifMatch, got, ok)
		}
	})
}

package variants

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/assets/httpsem"
	"berth/assets/manifest"
)

const none = httpsem.EncodingSet(0)

func digest(s string) manifest.Digest { return manifest.DigestOf([]byte(s)) }

func encode(t testing.TB, entries int, vs ...Variant) []byte {
	t.Helper()
	raw, err := Encode(entries, vs)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func open(t testing.TB, raw []byte, entries int) *Listing {
	t.Helper()
	l, err := Open(raw, entries)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A listing answers as a map does, and its encoding does not depend on the order of what went in.
func TestListingIsAMap(t *testing.T) {
	type place struct {
		entry int
		e     httpsem.Encoding
	}
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.IntRange(0, 200).Draw(t, "entries")
		model := map[place]Variant{}
		var vs []Variant
		for range rapid.IntRange(0, 3*entries).Draw(t, "variants") {
			p := place{rapid.IntRange(0, entries-1).Draw(t, "entry"), rapid.SampledFrom(codings[:]).Draw(t, "coding")}
			if _, twice := model[p]; twice {
				continue
			}
			v := Variant{Entry: p.entry, Encoding: p.e, Size: rapid.Int64Range(1, 1<<sizeBits-1).Draw(t, "size")}
			binary.LittleEndian.PutUint64(v.Blob[24:], rand.Uint64())
			model[p], vs = v, append(vs, v)
		}
		raw, err := Encode(entries, vs)
		if err != nil {
			t.Fatal(err)
		}
		rand.Shuffle(len(vs), func(i, j int) { vs[i], vs[j] = vs[j], vs[i] })
		if again, err := Encode(entries, vs); err != nil || !bytes.Equal(raw, again) {
			t.Fatalf("another order, another encoding (%v)", err)
		}
		l, err := Open(raw, entries)
		if err != nil {
			t.Fatal(err)
		}
		p, err := part(raw, entries)
		if err != nil {
			t.Fatal(err)
		}
		for entry := -1; entry <= entries+64; entry++ {
			want := none
			for e := range httpsem.Encoding(8) {
				v, ok := model[place{entry, e}]
				if ok {
					want = want.With(e)
				}
				for _, l := range []*Listing{l, p} {
					if blob, size, found := l.At(entry, e); found != ok || blob != v.Blob || size != v.Size {
						t.Fatalf("At(%d, %v) = %v, %d, %v; want %+v", entry, e, blob, size, found, v)
					}
				}
			}
			if got, of := l.Set(entry), p.Set(entry); got != want || of != want {
				t.Fatalf("Set(%d) = %b, of a part %b, want %b", entry, got, of, want)
			}
		}
		slices.SortFunc(vs, compare)
		if diff := cmp.Diff(vs, slices.Collect(l.All())); diff != "" && len(vs) > 0 {
			t.Fatal(diff)
		}
		if l.Len() != len(vs) || p.Len() != len(vs) || p.Err() != nil {
			t.Fatalf("%d variants, of a part %d (%v), want %d", l.Len(), p.Len(), p.Err(), len(vs))
		}
	})
}

func TestNilHoldsNothing(t *testing.T) {
	var l *Listing
	if _, _, ok := l.At(0, httpsem.Brotli); ok || l.Set(0) != none || l.Weight() != 0 || l.Len() != 0 {
		t.Error("a nil listing holds something")
	}
	for v := range l.All() {
		t.Errorf("a nil listing holds %+v", v)
	}
}

func TestEncodeRefuses(t *testing.T) {
	ok := Variant{Entry: 1, Encoding: httpsem.Zstd, Blob: digest("a"), Size: 1}
	change := func(f func(*Variant)) Variant { v := ok; f(&v); return v }
	for name, c := range map[string]struct {
		entries int
		vs      []Variant
	}{
		"an entry below none":    {2, []Variant{change(func(v *Variant) { v.Entry = -1 })}},
		"an entry behind all":    {2, []Variant{change(func(v *Variant) { v.Entry = 2 })}},
		"a variant of nothing":   {0, []Variant{change(func(v *Variant) { v.Entry = 0 })}},
		"identity":               {2, []Variant{change(func(v *Variant) { v.Encoding = httpsem.Identity })}},
		"an unknown coding":      {2, []Variant{change(func(v *Variant) { v.Encoding = 4 })}},
		"no bytes":               {2, []Variant{change(func(v *Variant) { v.Size = 0 })}},
		"less than no bytes":     {2, []Variant{change(func(v *Variant) { v.Size = -1 })}},
		"too many bytes":         {2, []Variant{change(func(v *Variant) { v.Size = 1 << 48 })}},
		"two of one":             {2, []Variant{ok, change(func(v *Variant) { v.Blob = digest("b") })}},
		"one twice":              {2, []Variant{ok, ok}},
		"less than no entries":   {-1, nil},
		"more than any manifest": {manifest.MaxEntries + 1, nil},
	} {
		if raw, err := Encode(c.entries, c.vs); err == nil {
			t.Errorf("%s: encoded to %d bytes", name, len(raw))
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	whole := encode(t, 70,
		Variant{3, httpsem.Gzip, digest("a"), 5}, Variant{3, httpsem.Brotli, digest("b"), 4}, Variant{65, httpsem.Zstd, digest("c"), 3})
	open(t, whole, 70)
	second := headerLen + blockLen
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		want   error
	}{
		"nothing":             {func(b []byte) []byte { return nil }, ErrCorrupt},
		"half a header":       {func(b []byte) []byte { return b[:10] }, ErrCorrupt},
		"another format":      {func(b []byte) []byte { b[0] ^= 1; return b }, ErrCorrupt},
		"version 0":           {func(b []byte) []byte { b[7] = 0; return b }, ErrCorrupt},
		"version 2":           {func(b []byte) []byte { b[7] = 2; return b }, ErrNewerFormat},
		"another manifest":    {func(b []byte) []byte { b[8]++; return b }, ErrCorrupt},
		"cut":                 {func(b []byte) []byte { return b[:len(b)-1] }, ErrCorrupt},
		"longer":              {func(b []byte) []byte { return append(b, 0) }, ErrCorrupt},
		"a record more":       {func(b []byte) []byte { b[12]++; return append(b, make([]byte, recordLen)...) }, ErrCorrupt},
		"2^32 records":        {func(b []byte) []byte { copy(b[12:], "\xff\xff\xff\xff"); return b }, ErrCorrupt},
		"first rank":          {func(b []byte) []byte { b[headerLen+offRank] = 1; return b }, ErrCorrupt},
		"second rank":         {func(b []byte) []byte { b[second+offRank]++; return b }, ErrCorrupt},
		"a bit more":          {func(b []byte) []byte { b[second] |= 1; return b }, ErrCorrupt},
		"a bit less":          {func(b []byte) []byte { b[second+8] = 0; return b }, ErrCorrupt},
		"a bit behind":        {func(b []byte) []byte { b[second+8] = 1 << 6; return b }, ErrCorrupt},
		"a record of 0 bytes": {func(b []byte) []byte { clear(b[len(b)-6:]); return b }, ErrCorrupt},
	} {
		if l, err := Open(c.damage(slices.Clone(whole)), 70); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, l, err, c.want)
		}
	}
	for _, entries := range []int{-1, 0, 69, 71, 70 + 1<<32} {
		if _, err := Open(whole, entries); !errors.Is(err, ErrCorrupt) {
			t.Errorf("opened for a manifest of %d entries: %v", entries, err)
		}
	}
}

func largest(t testing.TB) ([]byte, int) {
	const entries = 100_000
	vs := make([]Variant, 0, 3*entries)
	for i := range entries {
		for _, e := range codings {
			v := Variant{Entry: i, Encoding: e, Size: int64(i) + 1}
			binary.LittleEndian.PutUint32(v.Blob[:], uint32(i))
			vs = append(vs, v)
		}
	}
	return encode(t, entries, vs...), entries
}

func TestWeightOfALargeSite(t *testing.T) {
	raw, entries := largest(t)
	l := open(t, raw, entries)
	if got, limit := l.Weight(), int64(11<<20); got > limit {
		t.Errorf("%d entries weigh %d bytes, limit %d", entries, got, limit)
	}
	if l.Weight() < int64(len(raw)) {
		t.Errorf("weighs %d, but holds %d", l.Weight(), len(raw))
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	raw, entries := largest(t)
	l := open(t, raw, entries)
	found := 0
	if n := testing.AllocsPerRun(100, func() {
		if _, _, ok := l.At(99_999, httpsem.Brotli); ok && l.Set(5).Has(httpsem.Gzip) {
			found++
		}
	}); n != 0 || found == 0 {
		t.Errorf("%v allocations, found %d", n, found)
	}
}

func BenchmarkAt(b *testing.B) {
	raw, entries := largest(b)
	l := open(b, raw, entries)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.At(i*7919%entries, httpsem.Brotli)
	}
}

func BenchmarkOpen(b *testing.B) {
	raw, entries := largest(b)
	b.ReportAllocs()
	for b.Loop() {
		open(b, raw, entries)
	}
}

// Whatever opens is the encoding that Encode makes of what it lists.
func FuzzOpen(f *testing.F) {
	f.Add(encode(f, 0), 0)
	f.Add(encode(f, 1), 1)
	f.Add(encode(f, 3, Variant{1, httpsem.Gzip, digest("a"), 5}, Variant{2, httpsem.Brotli, digest("b"), 1 << 40}), 3)
	f.Add(encode(f, 130, Variant{64, httpsem.Zstd, digest("a"), 5}, Variant{129, httpsem.Zstd, digest("b"), 7}), 130)
	f.Fuzz(func(t *testing.T, raw []byte, entries int) {
		l, err := Open(raw, entries)
		p, perr := part(raw, entries)
		if err == nil && perr != nil {
			t.Fatalf("not opened as a part: %v", perr)
		}
		if perr == nil {
			for i := range min(entries, 1000) {
				p.At(i, httpsem.Brotli)
			}
		}
		if err != nil {
			return
		}
		again, err := Encode(entries, slices.Collect(l.All()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, raw) {
			t.Fatalf("opened %x, which encodes to %x", raw, again)
		}
	})
}

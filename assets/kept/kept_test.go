package kept

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
)

func file(path string, source uint64, until int64) File {
	return File{entry(path, path+" of "+fmt.Sprint(source)), source, until}
}

func entry(path, content string) manifest.Entry {
	return manifest.Entry{Path: path, Digest: manifest.DigestOf([]byte(content)), Key: manifest.AssetKey{1}, Size: int64(len(content))}
}

func encoded(t testing.TB, files ...File) []byte {
	t.Helper()
	raw, err := encode(files)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func opened(t testing.TB, raw []byte, alive func(uint64) bool) *Index {
	t.Helper()
	x, err := Open(raw, alive)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// The stored form is a promise: these bytes must never change for version 1.
func TestGoldenEncoding(t *testing.T) {
	raw := encoded(t, file("/b.js", 7, 2000), file("/a.css", 9, 3000), file("/c.png", 7, 2000))
	const want = "5773e6ef64fc89a133b88ac09cc6fdb7"
	if got := manifest.DigestOf(raw).String()[:32]; got != want {
		t.Errorf("digest of the encoding is %s, was %s\n%s", got, want, hex.Dump(raw))
	}
	if err := opened(t, raw, nil).Verify(); err != nil {
		t.Error(err)
	}
}

func TestLookup(t *testing.T) {
	a, b, dead := file("/a.css", 9, 3000), file("/b.js", 7, 2000), file("/d.js", 5, 9000)
	x := opened(t, encoded(t, b, dead, a), func(source uint64) bool { return source != 5 })
	for _, tc := range []struct {
		path string
		now  int64
		want File
	}{
		{"/a.css", 0, a},
		{"/a.css", 2999, a},
		{"/a.css", 3000, File{}},
		{"/b.js", 1999, b},
		{"/b.js", 2000, File{}},
		{"/d.js", 0, File{}},
		{"/none", 0, File{}},
		{"", 0, File{}},
	} {
		got, ok := x.Lookup(tc.path, tc.now)
		if diff := cmp.Diff(tc.want, got); diff != "" || ok != (tc.want != File{}) {
			t.Errorf("Lookup(%q, %d): %v %s", tc.path, tc.now, ok, diff)
		}
	}
	if diff := cmp.Diff([]File{a, b}, slices.Collect(x.All())); diff != "" || x.Len() != 2 {
		t.Errorf("%d files: %s", x.Len(), diff)
	}
	if x.Weight() < int64(len(x.raw)) {
		t.Errorf("weighs %d", x.Weight())
	}
}

func TestNilIndex(t *testing.T) {
	var x *Index
	if _, ok := x.Lookup("/a", 0); ok || x.Len() != 0 || x.Weight() != 0 || x.Verify() != nil {
		t.Error("a nil index is not empty")
	}
	for f := range x.All() {
		t.Errorf("a nil index has %+v", f)
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	x := opened(t, encoded(t, file("/a.css", 9, 3000), file("/b.js", 7, 2000)), nil)
	if n := testing.AllocsPerRun(100, func() {
		x.Lookup("/a.css", 1)
		x.Lookup("/c.css", 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	good := encoded(t, file("/a.css", 9, 3000), file("/b.js", 7, 2000))
	change := func(at int, v uint64, size int) []byte {
		b := slices.Clone(good)
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], v)
		copy(b[at:], word[:size])
		return b
	}
	for name, tc := range map[string]struct {
		raw  []byte
		want error
	}{
		"nothing":                   {nil, ErrCorrupt},
		"a manifest":                {func() []byte { b, _ := manifest.Encode(nil); return b }(), ErrCorrupt},
		"version 0":                 {change(7, 0, 1), ErrCorrupt},
		"version 2":                 {change(7, 2, 1), ErrNewerFormat},
		"cut":                       {good[:len(good)-1], ErrCorrupt},
		"longer":                    {append(slices.Clone(good), 0), ErrCorrupt},
		"listing too long":          {change(8, 1<<31, 4), ErrCorrupt},
		"listing shorter":           {change(8, uint64(binary.LittleEndian.Uint32(good[8:]))-8, 4), ErrCorrupt},
		"too many generations":      {change(12, 1<<20, 4), ErrCorrupt},
		"more generations than fit": {change(12, 1<<31, 4), ErrCorrupt},
		"fewer generations":         {change(12, 1, 4), ErrCorrupt},
		"no source":                 {change(headerLen, 0, 8), ErrCorrupt},
		"until the end of days":     {change(headerLen+8, 1<<63, 8), ErrCorrupt},
		"file of no generation":     {change(headerLen+2*generationLen, 2, 4), ErrCorrupt},
		"generation out of range":   {change(headerLen+2*generationLen, 1<<31, 4), ErrCorrupt},
	} {
		if _, err := Open(tc.raw, nil); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	swapped := slices.Clone(good)
	copy(swapped[headerLen:], good[headerLen+generationLen:headerLen+2*generationLen])
	copy(swapped[headerLen+generationLen:], good[headerLen:headerLen+generationLen])
	if err := opened(t, swapped, nil).Verify(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("generations out of order: %v", err)
	}
}

func TestFilter(t *testing.T) {
	x := opened(t, encoded(t, file("/a.css", 9, 3000), file("/b.js", 7, 2000)), nil)
	raw, n, err := x.Filter(func(f File) bool { return f.Source != 7 })
	if diff := cmp.Diff(encoded(t, file("/a.css", 9, 3000)), raw); err != nil || n != 1 || diff != "" {
		t.Errorf("%d files, %v: %s", n, err, diff)
	}
	if raw, n, err := x.Filter(func(File) bool { return false }); raw != nil || n != 0 || err != nil {
		t.Errorf("nothing left: %d bytes, %d files, %v", len(raw), n, err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, files := range map[string][]File{
		"twice":     {file("/a.css", 9, 3000), file("/a.css", 8, 3000)},
		"no source": {file("/a.css", 0, 3000)},
		"negative":  {file("/a.css", 9, -1)},
		"bad path":  {file("a.css", 9, 1)},
	} {
		if raw, err := encode(files); err == nil {
			t.Errorf("%s: %d bytes", name, len(raw))
		}
	}
}

func FuzzOpen(f *testing.F) {
	good := encoded(f, file("/a.css", 9, 3000), file("/b.js", 7, 2000), file("/dir/c.png", 7, 2000))
	f.Add(good, "/a.css")
	f.Add(encoded(f, file("/a", 1, 0)), "/a")
	f.Add([]byte(magic), "/")
	empty, err := manifest.Encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(append([]byte(magic), version, byte(len(empty)), 0, 0, 0, 0, 0, 0, 0), empty...), "/")
	odd := slices.Clone(good)
	odd[headerLen+2*generationLen] = 0xff
	f.Add(odd, "/a.css")
	f.Fuzz(func(t *testing.T, raw []byte, path string) {
		x, err := Open(raw, func(source uint64) bool { return source%2 == 1 })
		if err != nil {
			return
		}
		n := 0
		for got := range x.All() {
			if got.Source%2 == 0 || got.Source == 0 || got.Until < 0 || got.Path == "" {
				t.Fatalf("%+v", got)
			}
			x.Lookup(got.Path, 0)
			n++
		}
		if n != x.Len() {
			t.Fatalf("%d files, says %d", n, x.Len())
		}
		if got, ok := x.Lookup(path, 5); ok && (got.Path != path || got.Until <= 5) {
			t.Fatalf("Lookup(%q) found %+v", path, got)
		}
		if all := opened(t, raw, nil); all.Verify() == nil && all.Len() > 0 {
			if again := encoded(t, slices.Collect(all.All())...); !slices.Equal(again, raw) {
				t.Fatal("verified, and not canonical")
			}
		}
	})
}

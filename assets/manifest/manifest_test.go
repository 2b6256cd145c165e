package manifest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func entry(path, content string) Entry {
	return Entry{
		Path: path, Digest: DigestOf([]byte(content)), Key: AssetKeyOf([]byte(content), Extension(path)), Size: int64(len(content)),
	}
}

func encode(t testing.TB, entries ...Entry) *Manifest {
	t.Helper()
	b, err := Encode(entries)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func large(t testing.TB, n int) *Manifest {
	t.Helper()
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = Entry{Path: largePath(i), Digest: Digest{byte(i), byte(i >> 8), byte(i >> 16)}, Size: int64(i)}
	}
	return encode(t, entries...)
}

func largePath(i int) string { return fmt.Sprintf("/assets/section-%03d/page-%06d.html", i%331, i) }

// The stored form is a promise: these bytes must never change for version 1.
func TestGoldenEncoding(t *testing.T) {
	m := encode(t, entry("/b.txt", "bee"), entry("/a/index.html", "<p>a"))
	const want = "d2975a29f6e651ba2f1811bfd481fdda1cf7c3fdcb241c9b39cf01ea58e6e06d"
	if got := m.Digest().String(); got != want {
		t.Errorf("digest of the encoding is %s, was %s\n%s", got, want, hex.Dump(m.Bytes()))
	}
	if got, want := len(m.Bytes()), 16+2*64+len("/a/index.html/b.txt")+4*8; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}

func TestModelAgainstMap(t *testing.T) {
	path := rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(rapid.StringMatching(`[a-c.é\\%]{1,3}`), 1, 4).Draw(t, "segments"), "/")
	}).Filter(func(p string) bool { return CheckPath(p) == nil })
	rapid.Check(t, func(t *rapid.T) {
		paths := rapid.SliceOfNDistinct(path, 0, 60, rapid.ID[string]).Draw(t, "paths")
		model := map[string]Entry{}
		var entries []Entry
		for i, p := range paths {
			e := entry(p, fmt.Sprint(i))
			model[p] = e
			entries = append(entries, e)
		}
		b, err := Encode(entries)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Encode(rapid.Permutation(entries).Draw(t, "order"))
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("order of the input shows in the encoding (%v)", err)
		}
		m, err := Open(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Verify(); err != nil {
			t.Fatal(err)
		}
		if m.Len() != len(model) {
			t.Fatalf("Len %d, want %d", m.Len(), len(model))
		}
		last := ""
		for _, e := range m.All() {
			if e.Path <= last {
				t.Fatalf("%q after %q", e.Path, last)
			}
			if last = e.Path; model[e.Path] != e {
				t.Fatal(cmp.Diff(model[e.Path], e))
			}
		}
		for _, p := range append(paths, path.Draw(t, "another"), "", "/") {
			i, ok := m.Lookup(p)
			want, in := model[p]
			if ok != in || ok && m.At(i) != want {
				t.Fatalf("Lookup(%q) = %d, %v; in the model: %v", p, i, ok, in)
			}
			j, also := m.LookupBytes([]byte(p))
			if i != j || ok != also {
				t.Fatalf("LookupBytes(%q) = %d, %v", p, j, also)
			}
		}
	})
}

func TestEncodeRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		entries []Entry
		want    error
	}{
		"duplicate":     {[]Entry{entry("/a", "x"), entry("/b", "x"), entry("/a", "x")}, ErrDuplicate},
		"too many":      {make([]Entry, MaxEntries+1), ErrTooLarge},
		"bad path":      {[]Entry{entry("/a/../b", "x")}, &PathError{Path: "/a/../b", Reason: PathDotSegment}},
		"negative size": {[]Entry{{Path: "/a", Size: -1}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Encode(tc.entries)
			if err == nil {
				t.Fatal("accepted")
			}
			var path *PathError
			if want, ok := errors.AsType[*PathError](tc.want); ok {
				if !errors.As(err, &path) || *path != *want {
					t.Fatalf("got %v, want %v", err, want)
				}
			} else if tc.want != nil && !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	good := encode(t, entry("/a", "1"), entry("/b/c", "2")).Bytes()
	for name, tc := range map[string]struct {
		damage func(b []byte) []byte
		want   error
	}{
		"empty":         {func(b []byte) []byte { return nil }, ErrCorrupt},
		"magic":         {func(b []byte) []byte { b[0] ^= 1; return b }, ErrCorrupt},
		"version 0":     {func(b []byte) []byte { b[7] = 0; return b }, ErrCorrupt},
		"newer version": {func(b []byte) []byte { b[7] = 2; return b }, ErrNewerFormat},
		"cut":           {func(b []byte) []byte { return b[:len(b)-1] }, ErrCorrupt},
		"longer":        {func(b []byte) []byte { return append(b, 0) }, ErrCorrupt},
		"count":         {func(b []byte) []byte { b[8]++; return b }, ErrCorrupt},
		"huge count":    {func(b []byte) []byte { binary.LittleEndian.PutUint32(b[8:], 1<<31); return b }, ErrCorrupt},
		"pool length":   {func(b []byte) []byte { b[12]++; return b }, ErrCorrupt},
		"path offset":   {func(b []byte) []byte { b[16+64+offPath]++; return b }, ErrCorrupt},
		"path length":   {func(b []byte) []byte { b[16+64+offLen]++; return b }, ErrCorrupt},
		"short path":    {func(b []byte) []byte { b[16+64+offLen]--; return b }, ErrCorrupt},
		"empty path":    {func(b []byte) []byte { b[16+offLen] = 0; return b }, ErrCorrupt},
		"size":          {func(b []byte) []byte { b[16+offSize+7] = 0x80; return b }, ErrCorrupt},
		"reserved":      {func(b []byte) []byte { b[16+offZero] = 1; return b }, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Open(tc.damage(slices.Clone(good))); !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestVerifyFindsWhatOpenLeaves(t *testing.T) {
	good := encode(t, entry("/a", "1"), entry("/b", "2")).Bytes()
	slots := 16 + 2*64 + 4
	for name, damage := range map[string]func(b []byte){
		"unsorted":      func(b []byte) { b[16+128], b[16+128+2] = '/', '/'; b[16+128+1], b[16+128+3] = 'b', 'a' },
		"duplicate":     func(b []byte) { b[16+128+3] = 'a' },
		"bad path":      func(b []byte) { b[16+128+3] = 0 },
		"slot entry":    func(b []byte) { clear(b[slots:]) },
		"slot in range": func(b []byte) { binary.LittleEndian.PutUint32(b[slots+4:], 1<<31) },
	} {
		t.Run(name, func(t *testing.T) {
			b := slices.Clone(good)
			damage(b)
			m, err := Open(b)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Verify(); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("Verify: %v", err)
			}
		})
	}
}

func TestLookupInDamagedIndex(t *testing.T) {
	for _, id := range []uint32{2, 3, 1 << 31, 1<<32 - 1} {
		m := encode(t, entry("/a", "1"))
		for s := m.slots; len(s) > 0; s = s[slotLen:] { // every slot claims to be the path's
			binary.LittleEndian.PutUint32(s, uint32(xxhash.Sum64String("/a")>>32))
			binary.LittleEndian.PutUint32(s[4:], id)
		}
		if i, ok := m.Lookup("/a"); !ok || i != 0 {
			t.Errorf("entry %d: %d, %v", id, i, ok)
		}
	}
}

// colliding is a site whose paths all start at the same slot.
func colliding(t testing.TB) (m *Manifest, entries []Entry) {
	t.Helper()
	const n, start = 200, 5
	for i := 0; len(entries) < n; i++ {
		if p := fmt.Sprintf("/%d", i); xxhash.Sum64String(p)%512 == start {
			entries = append(entries, entry(p, p))
		}
	}
	return encode(t, entries...), entries
}

// Whoever overflows the probes is found by bisection.
func TestCollidingPathsStayFast(t *testing.T) {
	m, entries := colliding(t)
	used := 0
	for s := m.slots; len(s) > 0; s = s[slotLen:] {
		if binary.LittleEndian.Uint32(s[4:]) != 0 {
			used++
		}
	}
	if used != maxProbe {
		t.Errorf("%d slots used, want %d: the paths do not collide as this test means them to", used, maxProbe)
	}
	for _, e := range entries {
		if i, ok := m.Lookup(e.Path); !ok || m.At(i) != e {
			t.Fatalf("Lookup(%q) = %d, %v", e.Path, i, ok)
		}
	}
	if _, ok := m.Lookup("/missing"); ok {
		t.Error("found what is not there")
	}
	if err := m.Verify(); err != nil {
		t.Error(err)
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	m := large(t, 1000)
	hit, miss := largePath(500), []byte("/nothing/here")
	if n := testing.AllocsPerRun(100, func() {
		i, _ := m.Lookup(hit)
		_ = m.At(i)
		m.LookupBytes(miss)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

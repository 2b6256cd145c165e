package manifest

import (
	"slices"
	"testing"
)

func FuzzOpen(f *testing.F) {
	f.Add([]byte{}, "/")
	f.Add(encode(f).Bytes(), "/a")
	f.Add(encode(f, entry("/a", "1"), entry("/b/c", "2"), entry("/d.html", "3")).Bytes(), "/b/c")
	corrupt := slices.Clone(encode(f, entry("/a", "1")).Bytes())
	for i := len(corrupt) - 16; i < len(corrupt); i++ {
		corrupt[i] = 0xff
	}
	f.Add(corrupt, "/a")
	f.Fuzz(func(t *testing.T, b []byte, path string) {
		m, err := Open(b)
		p, perr := part(b)
		if err == nil && perr != nil {
			t.Fatalf("not opened as a part: %v", perr)
		}
		if perr == nil {
			p.Lookup(path)
			for i := range p.Len() {
				p.At(i)
			}
		}
		if err != nil {
			return
		}
		if p.Err() != nil {
			t.Fatalf("as a part: %v", p.Err())
		}
		for i, e := range m.All() {
			if e.Path == "" || e.Size < 0 {
				t.Fatalf("entry %d: %+v", i, e)
			}
			m.Lookup(e.Path)
		}
		if i, ok := m.Lookup(path); ok {
			if at, same := p.Lookup(path); !same || at != i {
				t.Fatalf("Lookup(%q) = %d of a part %d, %v", path, i, at, same)
			}
		}
		if i, ok := m.Lookup(path); ok && m.At(i).Path != path {
			t.Fatalf("Lookup(%q) found %q", path, m.At(i).Path)
		}
		if m.Verify() != nil {
			return
		}
		for i, e := range m.All() {
			if at, ok := m.Lookup(e.Path); !ok || at != i {
				t.Fatalf("verified, but Lookup(%q) = %d, %v; want %d", e.Path, at, ok, i)
			}
		}
	})
}

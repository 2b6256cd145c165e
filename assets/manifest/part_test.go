package manifest

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"berth/assets/sparse"
)

func part(b []byte) (*Manifest, error) {
	return OpenPart(sparse.New(bytes.NewReader(b), int64(len(b))))
}

// reads counts what is read of a manifest.
type reads struct {
	*bytes.Reader
	n    int
	fail error
}

func (r *reads) ReadAt(p []byte, off int64) (int, error) {
	if r.n += len(p); r.fail != nil {
		return 0, r.fail
	}
	return r.Reader.ReadAt(p, off)
}

// A part answers as the whole, also where paths were made to collide, so that look-ups end in a bisection.
func TestPartAnswersAsTheWhole(t *testing.T) {
	crowded, _ := colliding(t)
	for name, whole := range map[string]*Manifest{
		"nothing": encode(t), "one": encode(t, entry("/a", "1")), "many": large(t, 3000), "colliding": crowded,
	} {
		t.Run(name, func(t *testing.T) {
			m, err := part(whole.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if m.Len() != whole.Len() || m.Size() != len(whole.Bytes()) || m.Bytes() != nil {
				t.Errorf("%d entries, %d bytes", m.Len(), m.Size())
			}
			for i, e := range whole.All() {
				if m.At(i) != e || m.PathAt(i) != e.Path {
					t.Errorf("entry %d: %+v, want %+v", i, m.At(i), e)
				}
				for _, path := range []string{e.Path, e.Path + "x"} {
					at, ok := m.LookupBytes([]byte(path))
					if want, there := whole.Lookup(path); ok != there || ok && at != want {
						t.Errorf("Lookup(%q) = %d, %v; want %d, %v", path, at, ok, want, there)
					}
				}
			}
			if m.Err() != nil {
				t.Error(m.Err())
			}
		})
	}
}

func TestPartReadsLittle(t *testing.T) {
	whole := large(t, 20_000)
	r := &reads{Reader: bytes.NewReader(whole.Bytes())}
	m, err := OpenPart(sparse.New(r, r.Size()))
	if err != nil {
		t.Fatal(err)
	}
	i, ok := m.Lookup(largePath(7777))
	if !ok || m.At(i).Path != largePath(7777) {
		t.Errorf("%d, %v", i, ok)
	}
	if r.n > 5*16<<10 {
		t.Errorf("%d bytes of %d were read", r.n, r.Size())
	}
	r.fail = errors.New("no")
	if _, ok := m.Lookup(largePath(11)); ok || !errors.Is(m.Err(), r.fail) {
		t.Errorf("%v, %v", ok, m.Err())
	}
}

func TestPartRefusesWhatIsNone(t *testing.T) {
	good := encode(t, entry("/a", "1"), entry("/b", "2")).Bytes()
	newer := slices.Clone(good)
	newer[len(magic)]++
	for name, b := range map[string][]byte{"nothing": nil, "no header": good[:headerLen-1], "cut off": good[:len(good)-1], "something else": bytes.Repeat([]byte("x"), 200)} {
		if _, err := part(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := part(newer); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("newer: %v", err)
	}
	beyond := slices.Clone(good)
	beyond[headerLen+offPath+3] = 0x7f
	m, err := part(beyond)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m.Lookup("/a"); ok || !errors.Is(m.Err(), ErrCorrupt) {
		t.Errorf("an entry beyond the pool: %v, %v", ok, m.Err())
	}
}

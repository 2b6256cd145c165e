package blob

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A blob that something outside cut short must count as missing for whoever knows its size, until an upload heals it.
func TestRefsOfABlobThatWasCutShort(t *testing.T) {
	path := t.TempDir()
	d, err := OpenDir(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	content := []byte("all of it")
	g, size, err := d.Put(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	ref := Ref{g, size}
	check := func(when string, whole bool) {
		t.Helper()
		if err := d.TouchRef(ref); (err == nil) != whole || !whole && !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: TouchRef: %v", when, err)
		}
		unpin, missing := d.PinRefs(ref)
		defer unpin()
		if (len(missing) == 0) != whole {
			t.Errorf("%s: PinRefs misses %d", when, len(missing))
		}
		if err := d.Touch(g); err != nil {
			t.Errorf("%s: Touch, which knows no size: %v", when, err)
		}
	}
	check("whole", true)
	if err := os.Truncate(filepath.Join(path, filepath.FromSlash(fileName(g))), 3); err != nil {
		t.Fatal(err)
	}
	check("cut short", false)
	if _, _, err := d.Put(bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	check("healed", true)
}

//go:build !race

// The race detector makes sync.Pool drop what it is given at random, so the promise can only be kept without it.

package hostkey

import (
	"testing"
	"unsafe"
)

func TestCanonicalAndKeyAllocateNothing(t *testing.T) {
	hasher := NewHasher(testSecret())
	for _, in := range []string{
		"2b469e16.docs.pages.localhost", "docs.pages.localhost:8080", "docs.pages.localhost.", "docs.pages.localhost.:80", name253,
		"127.0.0.1:80", "[2001:db8::1]:80", "[::ffff:192.0.2.1]", "www.xn--bcher-kva.example", "xn--wgv71a119e.jp", "xn--strae-oqa.example",
	} {
		var key Key
		if n := testing.AllocsPerRun(200, func() {
			h, err := Canonical(in)
			if err != nil {
				t.Fatal(err)
			}
			key = hasher.Key(h)
		}); n != 0 {
			t.Errorf("%q: %v allocations (key %v)", in, n, key)
		}
		h, _ := Canonical(in)
		at := uintptr(unsafe.Pointer(unsafe.StringData(string(h)))) - uintptr(unsafe.Pointer(unsafe.StringData(in)))
		if at >= uintptr(len(in)) {
			t.Errorf("%q: the result is not a substring of the input", in)
		}
	}
}

package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// What is read of a table is what is in it, whether the kernel has it in memory, in part or not at all.
func TestTablesAreReadAsTheyAre(t *testing.T) {
	want := make([]byte, 3*blockMost+100)
	for i := range want {
		want[i] = byte(rand.Uint32())
	}
	name := filepath.Join(t.TempDir(), "000001.sst")
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	g := newGuard(vfs.Default, Options{})
	f, err := g.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only read
	if _, ok := f.(*tableFile); !ok {
		t.Fatalf("%T", f)
	}
	read := func(off, n int, wantErr error) {
		t.Helper()
		p := make([]byte, n)
		got, err := f.ReadAt(p, int64(off))
		if !errors.Is(err, wantErr) || !bytes.Equal(p[:got], want[min(off, len(want)):min(off+n, len(want))]) {
			t.Errorf("%d bytes from %d on: %d, %v", n, off, got, err)
		}
		if got := readCached(f.Fd(), p, int64(off)); got > n || got > 0 && !bytes.Equal(p[:got], want[off:off+got]) {
			t.Errorf("%d bytes from %d on in memory: %d", n, off, got)
		}
	}
	for range 2 {
		for _, off := range []int{0, 1, 4095, 4096, blockMost, len(want) - 4096} {
			for _, n := range []int{0, 1, 4096, blockMost, blockMost + 1} {
				if off+n <= len(want) {
					read(off, n, nil)
				}
			}
		}
		read(len(want)-10, 20, io.EOF)
		read(len(want), 1, io.EOF)
		dropCached(t, f.Fd())
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := f.ReadAt(make([]byte, 10), 0); err == nil {
		t.Errorf("%d bytes of a closed file", n)
	}
	// Others than tables, and of other file systems, are left alone.
	mem := vfs.NewMem()
	made, err := mem.Create("000001.sst", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := newGuard(mem, Options{}).Open("000001.sst")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close() // only read
	if _, ok := other.(*tableFile); ok {
		t.Error("a file in memory is read by its number")
	}
}

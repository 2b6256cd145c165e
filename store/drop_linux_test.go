package store

import (
	"testing"

	"golang.org/x/sys/unix"
)

// dropCached has the kernel forget what it has of a file in memory.
func dropCached(t *testing.T, fd uintptr) {
	t.Helper()
	if err := unix.Fsync(int(fd)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}

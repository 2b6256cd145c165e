//go:build unix

package store

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapped returns that many blocks of zeros that are not the garbage collector's, until owner is unreachable; nil if the system has none. A filter of
// millions of keys would be half of the heap, and the heap be let grow by as much again before its garbage is collected.
func mapped(n int64, owner *keyFilter) []filterBlock {
	b, err := unix.Mmap(-1, 0, int(n)*len(filterBlock{})*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil
	}
	hugePages(b)
	runtime.AddCleanup(owner, func(b []byte) { _ = unix.Munmap(b) }, b)
	return unsafe.Slice((*filterBlock)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

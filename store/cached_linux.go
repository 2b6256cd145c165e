//go:build linux && !race

package store

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readCached fills p with what a file has from off on, as far as the kernel has it in memory, and says how much that is; -1: nothing. It
// does not tell Go's scheduler of the call, which never waits for the disk.
func readCached(fd uintptr, p []byte, off int64) int {
	part := unix.Iovec{Base: unsafe.SliceData(p)}
	part.SetLen(len(p))
	n, _, errno := syscall.RawSyscall6(unix.SYS_PREADV2, fd, uintptr(unsafe.Pointer(&part)), 1,
		uintptr(off), uintptr(uint64(off)>>32), unix.RWF_NOWAIT) // on 64 bits the kernel drops the second half
	if errno != 0 {
		return -1
	}
	return int(n)
}

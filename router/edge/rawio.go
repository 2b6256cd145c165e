//go:build linux && !race

package edge

import (
	"syscall"
	"unsafe"
)

// waitsHere says that connections wait in lane.go.
const waitsHere = true

// msgMore says that more follows what is written, so that the two share a packet.
const msgMore = syscall.MSG_MORE

// rawRead and rawWrite are for sockets that do not block: they do not tell Go's scheduler of the call.
func rawRead(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), errno
}

// rawSendfile moves *off on by what it sent.
func rawSendfile(fd uintptr, file int, off *int64, n int) (int, syscall.Errno) {
	sent, _, errno := syscall.RawSyscall6(syscall.SYS_SENDFILE, fd, uintptr(file), uintptr(unsafe.Pointer(off)), uintptr(n), 0, 0)
	return int(sent), errno
}

// rawWrite sends p; flags are 0 or msgMore.
func rawWrite(fd uintptr, p []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		flags|syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

//go:build linux && !race

package edge

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
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

// received is what the kernel says of what is left in a socket, as a control message (TCP_INQ, Linux 4.18).
type received struct {
	msg     syscall.Msghdr
	part    syscall.Iovec
	control struct {
		syscall.Cmsghdr
		left int32
		_    int32
	}
}

// rawTellLeft has a socket tell rawReceive what is left in it, and reports whether it will.
func rawTellLeft(fd uintptr) bool {
	on := int32(1)
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, fd, syscall.IPPROTO_TCP, unix.TCP_INQ, uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
	return errno == 0
}

// rawReceive is rawRead of a socket that tells what is left, and reports whether that is nothing: no byte, and not the end either.
func rawReceive(fd uintptr, p []byte, r *received) (n int, emptied bool, errno syscall.Errno) {
	r.part.Base = unsafe.SliceData(p)
	r.part.SetLen(len(p))
	r.msg.Iov, r.msg.Iovlen = &r.part, 1
	r.msg.Control = (*byte)(unsafe.Pointer(&r.control))
	r.msg.SetControllen(int(unsafe.Sizeof(r.control)))
	r.control.Type = 0
	got, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&r.msg)), 0)
	emptied = errno == 0 && r.msg.Flags&syscall.MSG_CTRUNC == 0 && r.control.Level == syscall.IPPROTO_TCP && r.control.Type == unix.TCP_CM_INQ &&
		r.control.left == 0
	return int(got), emptied, errno
}

// rawSendfile moves *off on by what it sent.
func rawSendfile(fd uintptr, file int, off *int64, n int) (int, syscall.Errno) {
	sent, _, errno := syscall.RawSyscall6(syscall.SYS_SENDFILE, fd, uintptr(file), uintptr(unsafe.Pointer(off)), uintptr(n), 0, 0)
	return int(sent), errno
}

// sysCachestat has the same number on every architecture. Kernels before Linux 6.5 do not know it.
const sysCachestat = 451

// rawCached reports that all n bytes of a file from off on are in the kernel's memory, and false if that cannot be told.
func rawCached(file int, off, n int64) bool {
	page := int64(os.Getpagesize())
	part := [2]uint64{uint64(off), uint64(n)} // struct cachestat_range
	var stat [5]uint64                        // struct cachestat: the first is how many pages there are
	_, _, errno := syscall.RawSyscall6(sysCachestat, uintptr(file), uintptr(unsafe.Pointer(&part)), uintptr(unsafe.Pointer(&stat)), 0, 0, 0)
	return errno == 0 && int64(stat[0]) >= (off+n-1)/page-off/page+1
}

// rawWrite sends p; flags are 0 or msgMore.
func rawWrite(fd uintptr, p []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		flags|syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

// rawCork has a socket keep what is no full packet until there is more (tcp(7), TCP_CORK), or send it.
func rawCork(fd uintptr, on bool) {
	value := int32(0)
	if on {
		value = 1
	}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_CORK, uintptr(unsafe.Pointer(&value)), unsafe.Sizeof(value), 0)
}

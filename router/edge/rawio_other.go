//go:build race || !linux

package edge

import (
	"runtime"
	"syscall"
)

// waitsHere: elsewhere sendfile has other rules, and fasthttp serves everything.
const waitsHere = runtime.GOOS == "linux"

const msgMore = 0

// The race detector learns from the calls of package syscall, and not from raw ones, that what one end of a connection did before it
// wrote came before what the other does after it has read.

func rawRead(fd uintptr, p []byte) (int, syscall.Errno) { return outcome(syscall.Read(int(fd), p)) }

type received struct{}

func rawTellLeft(uintptr) bool { return false }

func rawReceive(fd uintptr, p []byte, _ *received) (n int, emptied bool, errno syscall.Errno) {
	n, errno = rawRead(fd, p)
	return n, false, errno
}

// rawWrite leaves the flags out, which only say in what packets p is sent.
func rawWrite(fd uintptr, p []byte, _ uintptr) (int, syscall.Errno) {
	return outcome(syscall.Write(int(fd), p))
}

func rawSendfile(fd uintptr, file int, off *int64, n int) (int, syscall.Errno) {
	return outcome(syscall.Sendfile(int(fd), file, off, n))
}

// rawCork does nothing: a cork is about packets alone.
func rawCork(uintptr, bool) {}

func rawCached(int, int64, int64) bool { return false }

func outcome(n int, err error) (int, syscall.Errno) {
	errno, _ := err.(syscall.Errno)
	return n, errno
}

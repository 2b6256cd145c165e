package edge

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// sweepMax bounds one sweep. It is what kernels let a listener's queue hold.
const sweepMax = 4096

// sweep admits the connections that a listener's queue holds right now, whatever its deadline, and returns how many those
// were. What is left in the queue when the listener closes is reset, with the requests in it.
func (s *Server) sweep(ln net.Listener) int {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	for n := range sweepMax {
		nc := acceptNow(raw)
		if nc == nil {
			return n
		}
		s.admit(nc)
	}
	return sweepMax
}

// acceptNow accepts without waiting; nil says that nobody is there, or that the kernel could not give us the connection.
func acceptNow(raw syscall.RawConn) net.Conn {
	fd, err := -1, error(nil)
	accept := func(ln uintptr) {
		for {
			fd, _, err = syscall.Accept(int(ln)) // net has set O_NONBLOCK
			if !errors.Is(err, syscall.EINTR) && !errors.Is(err, syscall.ECONNABORTED) {
				return
			}
		}
	}
	if raw.Control(accept) != nil || err != nil {
		return nil
	}
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "accepted connection")
	defer f.Close() // FileConn works on a duplicate
	nc, err := net.FileConn(f)
	if err != nil {
		return nil
	}
	return nc
}

package peers

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Epoll is the floor of this machine: one thread that waits for connections with epoll, reads, takes what ends with an empty line
// for a request, and writes the same answer each time, without Go's scheduler being told of its system calls. Whatever the kernel
// takes for that, every server on it must pay. It serves until the process ends. What a client must not do to it (send two requests at
// once, or one in two pieces) no benchmark does.
func Epoll(addr string, size int) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return err
	}
	if !at.Addr().Is4() {
		return fmt.Errorf("%s is not an IPv4 address", addr)
	}
	runtime.LockOSThread()
	s := epollServer{answer: constantAnswer(size), in: make([]byte, 64<<10)}
	if err := s.prepare(size); err != nil {
		return err
	}
	if err := s.listen(at); err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	return s.serve()
}

func constantAnswer(size int) []byte {
	head := "HTTP/1.1 200 OK\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) + "\r\nContent-Type: image/png\r\nContent-Length: " + strconv.Itoa(size) +
		"\r\nAccept-Ranges: bytes\r\nETag: \"2a28e23db2cf7d98c7e9115289a53958\"\r\nCache-Control: public, max-age=0, must-revalidate\r\nAccess-Control-Allow-Origin: *\r\n" +
		"Referrer-Policy: strict-origin-when-cross-origin\r\nX-Content-Type-Options: nosniff\r\n\r\n"
	return append([]byte(head), make([]byte, size)...)
}

type epollServer struct {
	listener, poll int
	answer, in     []byte
	file           *os.File       // has the answer, if it is sent from there; nil: it is written from memory
	left           [1 << 16]int64 // by descriptor, bytes of an answer that are still to be sent
}

// fromFile is from what size on sendfile is cheaper than a copy, and atOnce how much is best sent by one call.
const (
	fromFile = 512 << 10
	atOnce   = 256 << 10
)

func (s *epollServer) prepare(size int) (err error) {
	if size < fromFile {
		return nil
	}
	// A file on disk, in the kernel's memory by large pieces, is cheaper to send than one that is in memory only.
	f, err := os.CreateTemp("", "berth-bench-answer-")
	if err != nil {
		return err
	}
	if _, err := f.Write(s.answer); err != nil {
		return errors.Join(err, f.Close())
	}
	s.file = f
	return os.Remove(f.Name())
}

func (s *epollServer) listen(at netip.AddrPort) (err error) {
	if s.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(s.listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(s.listener, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return err
	}
	if err := unix.Listen(s.listener, 4096); err != nil {
		return err
	}
	if s.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	return unix.EpollCtl(s.poll, unix.EPOLL_CTL_ADD, s.listener, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.listener)})
}

func (s *epollServer) serve() error {
	events := make([]unix.EpollEvent, 512)
	for {
		n, err := unix.EpollWait(s.poll, events, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range events[:n] {
			if int(e.Fd) == s.listener {
				err = s.accept()
			} else {
				s.talk(int(e.Fd))
			}
			if err != nil {
				return err
			}
		}
	}
}

func (s *epollServer) accept() error {
	fd, _, err := unix.Accept4(s.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return nil // gone already
	}
	if fd >= len(s.left) {
		return unix.Close(fd)
	}
	s.left[fd] = 0
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	return unix.EpollCtl(s.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// talk goes on with a connection: with the rest of its answer, or with its next request.
func (s *epollServer) talk(fd int) {
	if s.left[fd] > 0 {
		s.send(fd, true)
		return
	}
	n, _, err := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&s.in[0])), uintptr(len(s.in)), 0, 0, 0)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if n == 0 || err != 0 {
		_ = unix.Close(fd)
		return
	}
	if bytes.HasSuffix(s.in[:n], []byte("\r\n\r\n")) {
		s.left[fd] = int64(len(s.answer))
		s.send(fd, false)
	}
}

// send sends what is left of an answer, as far as the socket takes it. waited says that epoll tells when it takes more.
func (s *epollServer) send(fd int, waited bool) {
	for s.left[fd] > 0 {
		n, err := s.sendPart(fd, int64(len(s.answer))-s.left[fd])
		if err == unix.EINTR {
			continue
		}
		if err != 0 && err != unix.EAGAIN {
			s.left[fd] = 0
			_ = unix.Close(fd)
			return
		}
		if err != 0 {
			break
		}
		s.left[fd] -= int64(n)
	}
	if waits := s.left[fd] > 0; waits != waited {
		events := uint32(unix.EPOLLIN)
		if waits {
			events = unix.EPOLLOUT
		}
		_ = unix.EpollCtl(s.poll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	}
}

func (s *epollServer) sendPart(fd int, from int64) (uintptr, unix.Errno) {
	if s.file == nil {
		rest := s.answer[from:]
		n, _, err := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&rest[0])), uintptr(len(rest)), unix.MSG_NOSIGNAL, 0, 0)
		return n, err
	}
	n, _, err := unix.RawSyscall6(unix.SYS_SENDFILE, uintptr(fd), s.file.Fd(), uintptr(unsafe.Pointer(&from)), atOnce, 0, 0)
	return n, err
}

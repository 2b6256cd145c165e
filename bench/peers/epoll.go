package peers

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Epoll is the floor of this machine: one thread that waits for connections with epoll, reads, takes what ends with an empty line
// for a request, and writes the same answer each time. Whatever the kernel takes for that, every server on it must pay. It serves
// until the process ends. What a client must not do to it (send two requests at once, or one in two pieces) no benchmark does.
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
	if err := s.listen(at); err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	return s.serve()
}

func constantAnswer(size int) []byte {
	head := "HTTP/1.1 200 OK\r\nDate: " + time.Now().UTC().Format(time.RFC1123[:26]+"GMT") + "\r\nContent-Type: image/png\r\nContent-Length: " + strconv.Itoa(size) +
		"\r\nAccept-Ranges: bytes\r\nETag: \"2a28e23db2cf7d98c7e9115289a53958\"\r\nCache-Control: public, max-age=0, must-revalidate\r\nAccess-Control-Allow-Origin: *\r\n" +
		"Referrer-Policy: strict-origin-when-cross-origin\r\nX-Content-Type-Options: nosniff\r\n\r\n"
	return append([]byte(head), make([]byte, size)...)
}

type epollServer struct {
	listener, poll int
	answer, in     []byte
	left           [1 << 16][]byte // by descriptor, what of an answer did not fit into the socket's buffer
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
	s.left[fd] = nil
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	return unix.EpollCtl(s.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// talk goes on with a connection: with the rest of its answer, or with its next request.
func (s *epollServer) talk(fd int) {
	if len(s.left[fd]) > 0 {
		s.write(fd, s.left[fd])
		return
	}
	n, err := unix.Read(fd, s.in)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if n <= 0 || err != nil {
		_ = unix.Close(fd)
		return
	}
	if bytes.HasSuffix(s.in[:n], []byte("\r\n\r\n")) {
		s.write(fd, s.answer)
	}
}

func (s *epollServer) write(fd int, b []byte) {
	waited := len(s.left[fd]) > 0
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			_ = unix.Close(fd)
			return
		}
		if err != nil {
			break
		}
		b = b[n:]
	}
	s.left[fd] = b
	if waits := len(b) > 0; waits != waited {
		events := uint32(unix.EPOLLIN)
		if waits {
			events = unix.EPOLLOUT
		}
		_ = unix.EpollCtl(s.poll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	}
}

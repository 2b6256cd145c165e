package load

import (
	"bytes"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSend and rawReceive are system calls on sockets that do not block: the scheduler need not know of them.
func rawSend(fd int, b []byte) (int, unix.Errno) {
	n, _, err := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), err
}

func rawReceive(fd int, b []byte, flags int) (int, unix.Errno) {
	n, _, err := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags), 0, 0)
	return int(n), err
}

// take is given the next bytes of an answer, up to where its body begins to be read elsewhere. It says whether the answer is whole,
// and whether it is one: a 200 with a length.
func (c *conn) take(b []byte) (whole, ok bool) {
	head := b
	if len(c.head) > 0 {
		c.head = append(c.head, b...)
		head = c.head
	}
	i := bytes.Index(head, []byte("\r\n\r\n"))
	if i < 0 {
		if len(c.head) == 0 {
			c.head = append(c.head, b...)
		}
		return false, len(c.head) < 16<<10
	}
	length, ok := contentLength(head[:i])
	if !ok || !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return false, false
	}
	c.left = length - int64(len(head)-i-4)
	return c.left == 0, c.left >= 0
}

// contentLength looks for the length in a head.
func contentLength(head []byte) (n int64, ok bool) {
	const name = "\r\ncontent-length:"
	for at := 0; ; {
		i := bytes.IndexByte(head[at:], '\r')
		if i < 0 || at+i+len(name) > len(head) {
			return 0, false
		}
		at += i
		if line := head[at : at+len(name)]; line[2]|0x20 == 'c' && line[9] == '-' && strings.EqualFold(string(line), name) {
			for _, d := range bytes.TrimLeft(head[at+len(name):], " ") {
				if d < '0' || d > '9' {
					break
				}
				n, ok = 10*n+int64(d-'0'), true
			}
			return n, ok
		}
		at++
	}
}

// requests gives one request after the other, over all hosts.
type requests struct {
	made   [][]byte // if there are few hosts
	pieces []string // otherwise: what stands around the host
	hosts  []string
	at     int
	step   int
	buffer []byte
}

// manyHosts is from how many on requests are put together when they are sent: to fetch a kilobyte from far memory costs more.
const manyHosts = 5000

func newRequests(j Job) requests {
	r := requests{hosts: j.Hosts, at: j.start(), step: stride(len(j.Hosts)), pieces: strings.Split(j.Headers.template(j.Path), "HOST")}
	if len(j.Hosts) <= manyHosts {
		for _, h := range j.Hosts {
			r.made = append(r.made, []byte(j.Headers.Request(j.Path, h)))
		}
	}
	return r
}

// next is valid until the next call.
func (r *requests) next() []byte {
	if r.at += r.step; r.at >= len(r.hosts) {
		r.at -= len(r.hosts)
	}
	if r.made != nil {
		return r.made[r.at]
	}
	r.buffer = append(r.buffer[:0], r.pieces[0]...)
	for _, p := range r.pieces[1:] {
		r.buffer = append(append(r.buffer, r.hosts[r.at]...), p...)
	}
	return r.buffer
}

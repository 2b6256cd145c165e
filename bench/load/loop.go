package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"berth/bench/machine"
)

// loop is connections to one server, and the thread that serves them all.
type loop struct {
	job      Job
	at       netip.AddrPort
	requests requests
	poll     int
	conns    []*conn // by descriptor
	in       []byte
	events   []unix.EpollEvent

	live      int // connections
	answered  int64
	bytes     int64
	errors    int64
	fault     string   // why the first of them
	latencies []uint32 // microseconds
}

// conn is a connection. While a request is on its way, due is when it was to be sent.
type conn struct {
	fd   int
	due  time.Time
	busy bool
	left int64  // bytes of a body that are still to come
	head []byte // of a head, as far as it came
	out  []byte // of a request, what did not fit into the socket's buffer
}

func newLoop(j Job) (*loop, error) {
	at, err := netip.ParseAddrPort(j.Addr)
	if err != nil {
		return nil, err
	}
	l := &loop{job: j, requests: newRequests(j), in: make([]byte, 1<<20), events: make([]unix.EpollEvent, 1024), latencies: make([]uint32, 0, 1<<20)}
	if l.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	l.at = at
	for range j.Conns {
		if _, err := l.open(); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *loop) open() (*conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(unix.Connect(fd, &unix.SockaddrInet4{Port: int(l.at.Port()), Addr: l.at.Addr().As4()}), unix.SetNonblock(fd, true),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.EpollCtl(l.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fd)})); err != nil {
		return nil, fmt.Errorf("connect: %w", errors.Join(err, unix.Close(fd)))
	}
	for len(l.conns) <= fd {
		l.conns = append(l.conns, nil)
	}
	c := &conn{fd: fd, head: make([]byte, 0, 4096)}
	l.conns[fd] = c
	l.live++
	return c, nil
}

func (l *loop) close() {
	for _, c := range l.conns {
		if c != nil {
			_ = unix.Close(c.fd)
		}
	}
	_ = unix.Close(l.poll)
}

// closed is the loop in which an answer calls for the next request.
func (l *loop) closed(ctx context.Context) (Result, error) {
	clock, err := machine.ThreadTime()
	if err != nil {
		return Result{}, err
	}
	began := time.Now()
	end := began.Add(l.job.For)
	for _, c := range l.conns {
		if c != nil {
			l.send(c, began)
		}
	}
	idle := time.Duration(0)
	for now := began; l.goesOn(now, end) && ctx.Err() == nil; {
		ready, err := l.wait()
		if err != nil {
			return Result{}, err
		}
		last := now
		if now = time.Now(); len(ready) == 0 && l.job.Spin {
			idle += now.Sub(last)
		}
		for _, e := range ready {
			c := l.conns[e.Fd]
			if c != nil && l.receive(c) {
				now = time.Now()
				l.finish(c, now)
				l.send(c, now)
			}
		}
	}
	r := l.result(time.Since(began))
	after, err := machine.ThreadTime()
	r.Used = after - clock
	r.Worked = r.Used - idle
	if r.Requests == 0 {
		err = errors.Join(err, fmt.Errorf("no request was answered; %d errors: %s", r.Errors, r.Fault))
	}
	return r, err
}

// goesOn says that the time is not up. On a machine that is busy with other things not even one answer may be there by then: it is
// waited for.
func (l *loop) goesOn(now, end time.Time) bool {
	return now.Before(end) || l.answered == 0 && l.live > 0 && now.Before(end.Add(afterwards))
}

// wait gives the connections on which something happened; none if nothing did for a millisecond or, to who never sleeps, just now.
func (l *loop) wait() ([]unix.EpollEvent, error) {
	most := 1
	if l.job.Spin {
		most = 0
	}
	n, err := unix.EpollWait(l.poll, l.events, most)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return nil, err
	}
	return l.events[:max(n, 0)], nil
}

// send writes the next request.
func (l *loop) send(c *conn, due time.Time) {
	c.due, c.busy, c.head = due, true, c.head[:0]
	c.out = l.requests.next()
	l.flush(c)
}

func (l *loop) flush(c *conn) {
	for len(c.out) > 0 {
		n, err := rawSend(c.fd, c.out)
		if err == unix.EAGAIN {
			_ = unix.EpollCtl(l.poll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLOUT, Fd: int32(c.fd)})
			c.out = slices.Clone(c.out) // the requests' buffer is used again
			return
		}
		if err != 0 {
			l.lose(c, "send: "+err.Error())
			return
		}
		c.out = c.out[n:]
	}
}

// lose gives up a connection that broke, and remembers why the first one did.
func (l *loop) lose(c *conn, why string) {
	if l.errors++; l.fault == "" {
		l.fault = why
	}
	l.live--
	_ = unix.Close(c.fd)
	l.conns[c.fd] = nil
}

// receive reads what there is of an answer, and says whether it is whole.
func (l *loop) receive(c *conn) bool {
	if len(c.out) > 0 {
		l.flush(c)
		if l.conns[c.fd] == nil || len(c.out) > 0 {
			return false
		}
		_ = unix.EpollCtl(l.poll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(c.fd)})
	}
	for c.left == 0 {
		n, err := rawReceive(c.fd, l.in[:16<<10], 0)
		if err == unix.EAGAIN {
			return false
		}
		if n <= 0 || err != 0 || !c.busy {
			l.lose(c, broken(n, err))
			return false
		}
		l.bytes += int64(n)
		whole, ok := c.take(l.in[:n])
		if !ok {
			l.lose(c, fmt.Sprintf("answer %.60q", l.in[:n]))
			return false
		}
		if whole {
			return true
		}
	}
	for c.left > 0 {
		// MSG_TRUNC: nothing is copied, so that the generator can take answers of a megabyte as fast as a server sends them.
		n, err := rawReceive(c.fd, l.in[:min(int64(len(l.in)), c.left)], unix.MSG_TRUNC)
		if err == unix.EAGAIN {
			return false
		}
		if n <= 0 || err != 0 {
			l.lose(c, broken(n, err))
			return false
		}
		l.bytes += int64(n)
		c.left -= int64(n)
	}
	return true
}

func broken(n int, err unix.Errno) string {
	switch {
	case err != 0:
		return "receive: " + err.Error()
	case n == 0:
		return "the server closed a connection"
	}
	return "the server spoke without being asked"
}

// finish notes an answer.
func (l *loop) finish(c *conn, now time.Time) {
	c.busy = false
	l.answered++
	l.latencies = append(l.latencies, uint32(min(now.Sub(c.due).Microseconds(), 1<<32-1)))
}

func (l *loop) result(took time.Duration) Result {
	return Result{Requests: l.answered, Bytes: l.bytes, Took: took, Errors: l.errors, Fault: l.fault}.withLatencies(l.latencies)
}

func (r Result) withLatencies(us []uint32) Result {
	if len(us) == 0 {
		return r
	}
	slices.Sort(us)
	at := func(q float64) time.Duration {
		return time.Duration(us[min(int(q*float64(len(us))), len(us)-1)]) * time.Microsecond
	}
	r.P50, r.P99, r.P999, r.Max = at(0.5), at(0.99), at(0.999), at(1)
	return r
}

package edge

import (
	"cmp"
	"io"
	"runtime"
	"syscall"
	"time"
)

// sendPrepared sends an answer, or puts it with those that wait, and returns how many bytes of its body that were. If not all could be
// sent, c.failed is set.
func (c *conn) sendPrepared(fd uintptr, l *lane, p *prepared, file *openFile) int64 {
	if len(p.head)+len(p.body) > cap(l.out)-len(l.out) && !c.flush(fd, l) {
		return 0
	}
	from := len(l.out)
	l.out = append(l.out, p.head...) // may grow it: a head has up to 64 KiB
	c.srv.dates.put(l.out[from+p.date:], l.now)
	switch {
	case p.fromFile():
		return c.sendBlob(fd, l, p, file)
	case len(p.body) <= cap(l.out)-len(l.out):
		l.out = append(l.out, p.body...)
		return p.size
	}
	if !c.sendWaiting(fd, l, msgMore) || !c.sendNow(fd, p.body, 0) {
		return 0
	}
	return p.size
}

// flush sends what waits.
func (c *conn) flush(fd uintptr, l *lane) bool {
	if len(l.out) == 0 {
		return true
	}
	ok := c.sendWaiting(fd, l, 0)
	c.logSent(l)
	return ok
}

func (c *conn) sendWaiting(fd uintptr, l *lane, flags uintptr) bool {
	out := l.out
	l.out = l.out[:0]
	return c.sendNow(fd, out, flags)
}

// sendNow sends b, waiting for the client only if it must.
func (c *conn) sendNow(fd uintptr, b []byte, flags uintptr) bool {
	n, errno := rawWrite(fd, b, flags)
	switch {
	case n == len(b):
		return true
	case errno == 0, errno == syscall.EAGAIN, errno == syscall.EINTR:
		_, err := c.Write(b[max(n, 0):])
		c.tookLong()
		return err == nil
	}
	c.failed = true
	return false
}

// idleFrom has the connection's time to be idle begin.
func (c *conn) idleFrom(now time.Time) { c.want = now.Add(c.srv.opts.IdleTimeout) }

// tookLong is for answers that may have waited for their client or the disk: what the clock said before them is old.
func (c *conn) tookLong() {
	now := time.Now()
	c.idleFrom(now)
	if c.lane != nil {
		c.lane.now = now
	}
}

// sendBlob sends what waits, and a blob after it, from its file.
func (c *conn) sendBlob(fd uintptr, l *lane, p *prepared, file *openFile) int64 {
	if !c.sendWaiting(fd, l, msgMore) {
		return 0
	}
	n, err := c.sendFile(file, 0, p.size)
	c.tookLong()
	if err != nil {
		c.failed = true
		if err == io.ErrUnexpectedEOF { // the file that was opened is not what it was
			c.srv.files.drop(p.blob, p.size)
			c.srv.badBlob(p.blob, n, err)
		}
	}
	return n
}

// pusher sends part of a file to a connection, as its client takes it.
type pusher struct {
	c        *conn
	file     *openFile
	off, end int64
	due      int64 // when off comes here, the client has another WriteTimeout
	err      error
	corked   bool // the socket keeps what is no full packet until there is more, or for 200 ms at the most

	ready func(fd uintptr) bool // push, made once
}

func newPusher() any {
	p := &pusher{}
	p.ready = p.push
	return p
}

// sendFile sends n bytes of a file from off, without copying them through this process. It returns how many it sent; the error is
// io.ErrUnexpectedEOF if the file has fewer.
func (c *conn) sendFile(f *openFile, off, n int64) (int64, error) {
	p := c.srv.pushers.Get().(*pusher)
	defer c.srv.pushers.Put(p)
	p.c, p.file, p.off, p.end, p.due, p.err, p.corked = c, f, off, off+n, off+writeChunk, nil, false
	c.armWrite()
	err := c.raw.Write(p.ready)
	switch p.err {
	case nil:
	case syscall.EINVAL, syscall.ENOSYS, syscall.EOPNOTSUPP:
		err = p.copyRest()
	default:
		err = p.err
	}
	p.c, p.file = nil, nil
	return p.off - off, err
}

// push sends what the socket has room for. It returns false to be called again when there is more room.
//
// What takes several calls is corked: each call would send what it has beyond a full packet in a packet of its own. That is 44 packets for a
// MiB on the loopback instead of 27, and a sixth of the processor time.
func (p *pusher) push(fd uintptr) bool {
	if !p.corked && p.end-p.off > sendMost {
		p.corked = true
		rawCork(fd, true)
	}
	done := p.pushAll(fd)
	if done && p.corked {
		p.corked = false
		rawCork(fd, false)
	}
	return done
}

func (p *pusher) pushAll(fd uintptr) bool {
	for p.off < p.end {
		n, errno := p.sendPiece(fd)
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			if p.off >= p.due {
				p.due = p.off + writeChunk
				p.c.armWrite()
			}
			return false
		case errno != 0:
			p.err = errno
			return true
		case n == 0:
			p.err = io.ErrUnexpectedEOF
			return true
		case p.off < p.end:
			// Others' turn. A file that is sent in one go outruns its client, who then sleeps and is woken for every packet of
			// the rest: twice the work.
			runtime.Gosched()
		}
	}
	return true
}

// sendMost is what one call sends at the most: the call cannot be interrupted.
const sendMost = 256 << 10

// sendPiece has Go's scheduler know of the call if part of the piece has to come from the disk, so that others run meanwhile. That costs
// more than sending a small file from the kernel's memory does: every call that takes longer than 20 µs has its thread replaced. So
// the kernel is asked first; where it does not say, the scheduler knows of every call.
func (p *pusher) sendPiece(fd uintptr) (int, syscall.Errno) {
	want := int(min(p.end-p.off, sendMost))
	if p.file.cached(p.off, want) {
		return rawSendfile(fd, p.file.fd, &p.off, want)
	}
	n, err := syscall.Sendfile(int(fd), p.file.fd, &p.off, want)
	errno, _ := err.(syscall.Errno)
	return n, errno
}

// copyRest sends what is left of a file that the kernel does not send by itself: some file systems have no sendfile.
func (p *pusher) copyRest() error {
	buf := p.c.srv.buffers.Get().(*[]byte)
	defer p.c.srv.buffers.Put(buf)
	for p.off < p.end {
		b := (*buf)[:min(p.end-p.off, int64(len(*buf)))]
		n, err := p.file.ReadAt(b, p.off)
		if n < len(b) {
			return cmp.Or(err, io.ErrUnexpectedEOF)
		}
		n, err = p.c.Write(b)
		p.off += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}

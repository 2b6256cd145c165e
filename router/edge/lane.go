package edge

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"

	"berth/router"
)

// A connection waits for requests here and not in fasthttp: one on which nothing happens then holds no buffer, and a request
// whose answer is prepared (answers.go) costs two system calls and little else. All other requests go to fasthttp, one visit
// each: it is given the bytes that were read, answers, and when it asks for the next request, is told that there is none.
//
// What is not a socket, such as a pipe in a test, is fasthttp's from the first byte to the last.

// lane is what a connection works with while there is something to do. Idle connections have none.
type lane struct {
	in      []byte // in[r:w] has been read and not been dealt with
	r, w    int
	end     int       // of the head of the request that is fasthttp's, in in; 0: not known
	out     []byte    // answers that wait for more to go with them
	records []*record // of the answers that wait
	head    head
	query   router.Query
	accepts acceptClass
	last    received
	now     time.Time // when the requests in it were read, or the last of their answers was sent that took long
}

// outBytes is how much of answers is sent in one piece. What has no room in it goes by itself.
const outBytes = 16 << 10

func (s *Server) newLane() any {
	return &lane{in: make([]byte, s.opts.MaxHeaderBytes), out: make([]byte, 0, outBytes)}
}

func (l *lane) unread() []byte { return l.in[l.r:l.w] }

var headEnd = []byte("\r\n\r\n") // made where it is used, it would be made for each request

// turn is what becomes of a connection that has been looked at.
type turn uint8

const (
	waits     turn = iota // for its next request, or the rest of one
	toServer              // there is something for fasthttp
	toClosing             // the client is gone, or told to go
)

// tells says whether a socket says what is left in it when it is read.
type tells uint8

const (
	notAsked tells = iota
	tellsLeft
	tellsNothing
)

// await waits for requests and answers those that it can. It reports false when the connection is over, and true when the next
// request is fasthttp's.
func (c *conn) await() bool {
	for {
		c.draining = c.srv.draining.Load()
		until := c.want
		if c.draining {
			until = c.lastCallAt()
		}
		c.arm(until)
		if !c.draining && c.srv.draining.Load() {
			continue // our deadline may have overwritten the wake-up
		}
		c.turn = waits
		err := c.raw.Read(c.ready)
		c.waits = 0
		switch {
		case c.turn == toServer:
			return true
		case c.turn == toClosing:
			return false
		case err == nil: // to be asked again
		case !errors.Is(err, os.ErrDeadlineExceeded):
			c.gone = true
			return false
		case until.IsZero() || time.Now().Before(until):
			c.armed = time.Time{} // woken
		case c.srv.draining.Load():
			return c.anythingLeft()
		default:
			return false // idle for too long
		}
	}
}

// anythingLeft looks for a request that came while the grace ended (see lastLook).
func (c *conn) anythingLeft() bool {
	l := c.takeLane()
	n := c.readNow(l.in[l.w:])
	l.w, c.heard = l.w+n, c.heard || n > 0
	return n > 0
}

func (c *conn) takeLane() *lane {
	if c.lane == nil {
		c.lane = c.srv.lanes.Get().(*lane)
	}
	return c.lane
}

func (c *conn) putLane() {
	if l := c.lane; l != nil {
		c.logSent(l)
		c.lane, l.r, l.w, l.end, l.out = nil, 0, 0, 0, l.out[:0]
		if cap(l.out) > 2*outBytes {
			l.out = make([]byte, 0, outBytes)
		}
		c.srv.lanes.Put(l)
	}
}

// visit has fasthttp serve the request that has been read, and those that it reads along with it.
func (c *conn) visit() {
	c.given, c.parked, c.readErr = false, false, nil
	_ = c.srv.fast.ServeConn(c) // the error is the client's doing, or was logged with its request
	if c.parked {
		c.parked = false
	}
}

// give hands bytes that were read here to fasthttp: of the request that it is to serve, and what follows it only if it asks for more,
// as it does for a body. While draining it gets everything, because only then is it known which answer is the last.
func (c *conn) give(p []byte) (int, error) {
	l := c.lane
	b := l.unread()
	if l.end > l.r && !c.srv.draining.Load() {
		b = b[:l.end-l.r]
	}
	n := copy(p, b)
	l.r += n
	c.given = true
	if l.r == l.w {
		c.putLane()
	}
	return c.took(p[:n])
}

// moreRead says that there are bytes which fasthttp has not been given, and which are more than empty lines.
func (c *conn) moreRead() bool {
	return c.lane != nil && len(bytes.Trim(c.lane.unread(), "\r\n")) > 0
}

// serveReady reads and answers until there is nothing to be read; it is called with the socket whenever something may be. It
// returns false to be called again, as syscall.RawConn has it.
//
// Reading and writing are raw system calls: they cannot block on a socket of Go's, and to tell the scheduler of each costs a
// third as much as the call.
func (c *conn) serveReady(fd uintptr) bool {
	turns := &c.srv.turns
	l, emptied := c.takeLane(), false // emptied: nothing was left in the socket, and whatever comes now is told of
	again := false                    // this is another look, after an answer
	l.now = time.Now()
	turns.wakes(c.waits, turns.at(l.now))
	c.waits = 0
	for {
		if l.r < l.w {
			served := false
			if served, c.turn = c.answerAll(fd, l); c.turn != waits {
				return true
			}
			if served && emptied && l.r == l.w && (turns.overdue(turns.at(l.now)) || c.looks.vain()) {
				c.putLane()
				return c.wait()
			}
			if served {
				if l.r == l.w {
					c.putLane() // the next to answer has it then, while it is in the processor's cache
				}
				runtime.Gosched()
				l = c.takeLane()
				l.now = time.Now()
				again = true
			}
		}
		if l.r > 0 {
			l.w = copy(l.in, l.unread())
			l.r = 0
		}
		if l.w == len(l.in) {
			c.turn = toServer // which says that the head is too large
			return true
		}
		var n int
		var errno syscall.Errno
		n, emptied, errno = c.receive(fd, l, turns.soon(turns.at(l.now)) || c.looks.mayBeVain())
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN && l.w > 0:
			c.turn = toServer // the rest of the head may be long in coming
			return true
		case errno == syscall.EAGAIN:
			if again {
				c.looks.nothing()
			}
			c.putLane()
			return c.wait()
		case errno != 0 || n == 0:
			c.gone = true
			c.turn = toClosing
			if l.w > 0 {
				c.turn = toServer
			}
			return true
		default:
			l.w += n
			c.heard = true
			if again {
				c.looks.something()
			}
		}
	}
}

// receive reads, and finds out whether anything is left if that matters: to be told takes a tenth more.
func (c *conn) receive(fd uintptr, l *lane, matters bool) (n int, emptied bool, errno syscall.Errno) {
	if !matters {
		n, errno = rawRead(fd, l.in[l.w:])
		return n, false, errno
	}
	if c.tells == notAsked {
		c.tells = tellsNothing
		if rawTellLeft(fd) {
			c.tells = tellsLeft
		}
	}
	if c.tells == tellsNothing {
		n, errno = rawRead(fd, l.in[l.w:])
		return n, false, errno
	}
	return rawReceive(fd, l.in[l.w:], &l.last)
}

// wait moves the deadline on before the connection is idle again. It reports true if draining began meanwhile: then another deadline
// holds, and await sets it.
func (c *conn) wait() bool {
	if c.draining {
		return false
	}
	c.arm(c.want)
	c.waits = c.srv.turns.at(time.Now())
	return c.srv.draining.Load()
}

// answerAll answers the requests that have been read, in order, until one is not for here or not there in full. It reports whether any was
// answered, and what becomes of the connection.
func (c *conn) answerAll(fd uintptr, l *lane) (served bool, next turn) {
	l.end = 0
	for {
		for l.r < l.w && (l.in[l.r] == '\r' || l.in[l.r] == '\n') {
			l.r++ // RFC 9112 section 2.2: empty lines before a request mean nothing
		}
		end := bytes.Index(l.unread(), headEnd)
		if end < 0 {
			break
		}
		end += len(headEnd)
		if !c.answerHere(fd, l, l.in[l.r:l.r+end]) {
			if !c.flush(fd, l) {
				return served, toClosing
			}
			l.end = l.r + end
			return served, toServer
		}
		l.r += end
		served = true
		if c.failed {
			return served, toClosing
		}
	}
	if !c.flush(fd, l) {
		return served, toClosing
	}
	return served, waits
}

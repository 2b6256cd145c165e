package edge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// errBodyBudget ends a request whose body is mostly chunk framing.
var errBodyBudget = errors.New("edge: too many bytes for the body's bound")

const (
	writeChunk = 64 << 10 // what must leave within WriteTimeout

	// After an answer that ends the connection, bytes that the client had under way would make the kernel send a reset,
	// which may overtake the answer (RFC 9112 section 9.6). So they are taken in for a while.
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// conn wraps an accepted connection. It puts deadlines where they cost least, knows whether a request has begun (which
// decides what draining may close), and carries the exchange under way. Its fields belong to the goroutine that
// serves the connection; Shutdown only ever touches nc.
type conn struct {
	nc      net.Conn
	srv     *Server
	peer    netip.Addr // invalid if the listener's addresses are not IP
	trusted bool       // peer is a trusted proxy
	counted bool       // in Server.perIP
	shard   *counterShard

	want       time.Time // deadline of Read, as fasthttp set it
	armed      time.Time // deadline that nc has; zero: unknown
	writeArmed time.Time
	lastCall   time.Time // while draining: when to stop waiting for a request

	begun  bool // a byte of the next request has come
	sawLF  bool // its request line is complete
	heard  bool // a byte has come at all
	gone   bool // the peer has closed, or failed
	failed bool // a write failed
	closed bool

	// received counts bytes since the connection was last idle, used what the requests since then took up: if they
	// differ, a pipelined request is waiting. Unknown lengths (chunked bodies) count as everything received. Empty lines
	// before a request do not count, since they announce none (RFC 9112 section 2.2): blank is how many bytes of them,
	// or of the end of a head, came last.
	received, used, blank int

	budget int // bytes that may still be read for the body; 0: no bound

	cut atomic.Bool // the body that is read is not wanted any more: see functionBody

	readErr error // of the last Read, if it failed: fasthttp does not always wrap it

	x *exchange // under way, or answered and not yet logged

	// Of lane.go. Where raw is nil nc is no socket, and fasthttp has it from the first byte to the last.
	raw      syscall.RawConn
	ready    func(fd uintptr) bool // serveReady, made once
	lane     *lane                 // nil: there is nothing to do
	turn     turn                  // what serveReady found
	tells    tells                 // whether the socket says what is left in it
	waits    time.Duration         // when it began to wait, by Server.turns; 0: it does not
	looks    looks                 // what came of those after answers
	draining bool                  // the server was when await last looked
	given    bool                  // fasthttp has been given bytes in this visit
	parked   bool                  // fasthttp was told that there is no further request, and will close what goes on without it
	asked    routing               // of the request that fasthttp is given
}

func (s *Server) newConn(nc net.Conn) *conn {
	c := &conn{nc: nc, srv: s, shard: s.stats.next()}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.peer = a.AddrPort().Addr().Unmap().WithZone("")
	}
	c.trusted = s.trusts(c.peer)
	if sc, ok := nc.(syscall.Conn); ok && waitsHere && !s.opts.PlainOnly {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw, c.ready = raw, c.serveReady
			c.want = time.Now().Add(s.opts.HeaderTimeout)
		}
	}
	return c
}

// Read waits for the deadline that fasthttp set, or, while draining and between requests, for the end of grace. Shutdown
// wakes it by moving the deadline; it then looks at what it should wait for again.
func (c *conn) Read(p []byte) (int, error) {
	if !c.begun {
		if c.given {
			c.parked = true
			return 0, io.EOF
		}
		c.received, c.used = 0, 0
	}
	if c.lane != nil {
		return c.give(p)
	}
	for {
		draining := c.srv.draining.Load()
		until := c.want
		if draining && !c.begun {
			until = c.lastCallAt()
		}
		c.arm(until)
		if !draining && c.srv.draining.Load() {
			continue // our deadline may have overwritten the wake-up
		}
		if c.cut.Load() {
			c.readErr = errBodyCut
			return 0, errBodyCut
		}
		n, err := c.nc.Read(p)
		if n > 0 {
			return c.took(p[:n])
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			c.gone, c.readErr = true, err
			return n, err
		}
		if until.IsZero() || time.Now().Before(until) {
			c.armed = time.Time{} // woken
			continue
		}
		if c.begun || !c.srv.draining.Load() {
			c.readErr = err
			return n, err
		}
		return c.lastLook(p)
	}
}

func (c *conn) lastCallAt() time.Time {
	if c.lastCall.IsZero() {
		c.lastCall = time.Now().Add(c.srv.opts.DrainGrace)
	}
	if !c.want.IsZero() && c.want.Before(c.lastCall) {
		return c.want
	}
	return c.lastCall
}

// arm gives nc the deadline, unless the one it has is later by so little that moving a timer is not worth it.
func (c *conn) arm(until time.Time) {
	if until.IsZero() && c.armed.IsZero() {
		return
	}
	slack := time.Duration(0)
	if !c.begun && !c.srv.draining.Load() {
		slack = c.srv.slack
	}
	if !c.armed.IsZero() && !c.armed.Before(until) && c.armed.Sub(until) <= slack {
		return
	}
	c.armed = until
	if !until.IsZero() {
		c.armed = until.Add(slack)
	}
	_ = c.nc.SetReadDeadline(c.armed) // fails on a closed connection only, as the Read will
}

// took notes the arrival of bytes.
func (c *conn) took(b []byte) (int, error) {
	c.begun = true
	if !c.heard { // which Write looks at, perhaps meanwhile
		c.heard = true
	}
	c.count(b)
	if c.budget > 0 {
		if c.budget -= len(b); c.budget <= 0 {
			c.budget = 1
			c.readErr = errBodyBudget
			return 0, errBodyBudget
		}
	}
	return len(b), nil
}

func (c *conn) count(b []byte) {
	const lineEnds = "\r\n"
	content := bytes.TrimRight(b, lineEnds)
	if len(content) > 0 {
		c.blank = 0
	}
	c.blank += len(b) - len(content)
	if c.received == c.used {
		b = bytes.TrimLeft(b, lineEnds)
	}
	c.received += len(b)
	c.sawLF = c.sawLF || bytes.IndexByte(b, '\n') >= 0
}

// Write bounds each piece rather than the whole. Before the peer has sent anything there is nothing to answer: fasthttp
// would send a 408 to a browser that opened a connection ahead of need, which then takes it for the answer to
// its first request.
func (c *conn) Write(p []byte) (int, error) {
	if !c.heard {
		return len(p), nil
	}
	done := 0
	for {
		piece := p[done:min(done+writeChunk, len(p))]
		c.armWrite()
		n, err := c.nc.Write(piece)
		done += n
		if err != nil {
			c.failed = true
			return done, err
		}
		if done == len(p) {
			return done, nil
		}
	}
}

// armWrite gives the client WriteTimeout from now, or up to a quarter more.
func (c *conn) armWrite() {
	timeout := c.srv.opts.WriteTimeout
	if now := time.Now(); c.writeArmed.Sub(now) < timeout {
		c.writeArmed = now.Add(timeout + timeout/4)
		_ = c.nc.SetWriteDeadline(c.writeArmed) // fails on a closed connection only, as the write will
	}
}

// answered ends an exchange on a connection that stays open.
func (c *conn) answered() {
	c.finish()
	if c.received-c.used <= c.blank {
		c.received = c.used
	}
	c.begun = c.received > c.used
	c.sawLF = c.begun
	c.lastCall = time.Time{}
	c.budget = 0
}

func (c *conn) finish() {
	if c.x != nil {
		c.srv.finish(c, c.x)
		c.x = nil
	}
}

// Close ends the last exchange and the connection.
func (c *conn) Close() error {
	if c.closed || c.parked {
		return nil
	}
	c.closed = true
	c.finish()
	if c.begun && !c.gone && !c.failed {
		c.linger()
	}
	err := c.nc.Close()
	c.putLane()
	c.srv.forget(c)
	return err
}

func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.nc.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	buf := c.srv.buffers.Get().(*[]byte)
	defer c.srv.buffers.Put(buf)
	for left := lingerBytes; left > 0; {
		n, err := c.nc.Read(*buf)
		if err != nil {
			return
		}
		left -= n
	}
}

// SetReadDeadline notes what fasthttp wants; Read applies it. Most requests are there in one piece, so that the deadline
// of their head never needs a timer.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.want = t
	return nil
}

func (c *conn) SetWriteDeadline(time.Time) error { return nil } // Write has its own

func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *conn) LocalAddr() net.Addr  { return c.nc.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

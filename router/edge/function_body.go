package edge

import (
	"cmp"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errBodyCut      = errors.New("edge: the body is not wanted any more")
	errBodyTooLarge = errors.New("edge: the body is larger than it may be")
)

// functionBody is the body of a request while a function reads it. It may be read while the answer is written: an echo of any
// size then needs no memory. Reading belongs to one goroutine and writing to another meanwhile; what both touch of the conn is guarded
// by mu, or atomic.
type functionBody struct {
	c       *conn
	stream  io.Reader
	timeout time.Duration
	rate    int // bytes a second that have to come, beside timeout: a large body cannot be asked to come in that, and must not take for ever
	max     int
	length  int // negative: not known

	stopped atomic.Bool

	mu     sync.Mutex // held while the connection is read; guards the below
	read   int
	waited time.Duration // for the client
	done   bool
	err    error
}

func (s *Server) newFunctionBody(c *conn, stream io.Reader, length int) *functionBody {
	c.budget = 8*s.opts.MaxFunctionBody + s.opts.MaxHeaderBytes // see discardBody
	return &functionBody{c: c, stream: stream, timeout: s.opts.ReadTimeout, rate: s.opts.FunctionBodyRate, max: s.opts.MaxFunctionBody, length: length}
}

// Read is for who sends the body on.
func (b *functionBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.done:
		return 0, io.EOF
	case b.err != nil:
		return 0, b.err
	case b.stopped.Load():
		return 0, errBodyCut
	}
	began := time.Now()
	b.c.want = began.Add(b.timeout + time.Duration(float64(b.read)/float64(b.rate)*float64(time.Second)) - b.waited)
	n, err := b.stream.Read(p)
	b.waited += time.Since(began)
	b.read += n
	switch {
	case b.read > b.max:
		b.err = errBodyTooLarge
	case b.length >= 0 && b.read == b.length, err == io.EOF && b.length < 0 && !b.c.gone:
		b.done = true
		return n, io.EOF
	case err == io.EOF:
		// fasthttp tells a body that broke off between two pieces from a whole one by nothing. RFC 9112 section 8: it is not complete.
		b.err = io.ErrUnexpectedEOF
	case err != nil:
		b.err = cmp.Or(b.c.readErr, err)
	}
	return n, b.err
}

// Stop ends reading.
func (b *functionBody) Stop() {
	b.stopped.Store(true)
	if b.mu.TryLock() {
		b.mu.Unlock()
		return // nobody reads, and nobody will
	}
	b.c.cut.Store(true)
	_ = b.c.nc.SetReadDeadline(time.Unix(1, 0)) // fails on a closed connection only, as the Read does
	b.mu.Lock()
	b.c.armed = time.Time{}
	if b.done {
		b.c.cut.Store(false) // that read was the last one, and the connection goes on
	}
	b.mu.Unlock()
}

// whole reports whether all of the body has been read, so that the next request begins where the connection is.
func (b *functionBody) whole() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	if b.done && b.length < 0 {
		b.c.used = b.c.received // the chunks came after the head that was counted
	}
	return b.done
}

// fault is what was wrong with the body by the client's doing. For after Stop.
func (b *functionBody) fault() answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err == nil, errors.Is(b.err, errBodyCut):
		return answer{}
	case errors.Is(b.err, errBodyTooLarge):
		return bodyTooLarge()
	}
	return bodyFault(b.err)
}

package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

const (
	// A connection that the kernel accepted for us is reset when its listener closes, with the request in it. So the
	// queue is emptied first: until it has been empty for queueQuiet, or for queueTime at most if clients keep coming.
	queueQuiet = 5 * time.Millisecond
	queueTime  = 500 * time.Millisecond

	// logTime is how long the access log may take to be written out once everything else is over.
	logTime = time.Second
)

// Shutdown drains: it stops accepting, answers every request that clients have sent or still send on open connections,
// telling each "Connection: close", gives idle connections DrainGrace for one more request, and returns when no
// connection is left. When ctx ends first, it cuts off those that are left and says how many. The access log is flushed
// in both cases. Making the server unready (so that nobody connects any more) is the caller's first step.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopAccepting()
	done := make(chan struct{})
	go func() {
		s.accepting.Wait()
		s.serving.Wait()
		close(done)
	}()
	err := s.wait(ctx, done)
	s.cancel()
	s.tending.Wait()
	if s.access != nil {
		err = errors.Join(err, s.access.close(logTime))
	}
	return err
}

// stopAccepting makes the accept loops end and wakes idle connections. The order matters: who sees draining unset is
// woken afterwards.
func (s *Server) stopAccepting() {
	s.draining.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for ln := range s.listeners {
		if d, ok := ln.(interface{ SetDeadline(time.Time) error }); !ok || d.SetDeadline(time.Now().Add(queueQuiet)) != nil {
			_ = ln.Close() // the accept loop reports it
		}
	}
	for c := range s.conns {
		_ = c.nc.SetReadDeadline(time.Now())
	}
}

// moreQueued tells an accept loop that drains whether to go on, and gives it time to see that the queue is empty.
func (s *Server) moreQueued(ln net.Listener, last *time.Time) bool {
	now := time.Now()
	if last.IsZero() {
		*last = now.Add(queueTime)
	}
	d, ok := ln.(interface{ SetDeadline(time.Time) error })
	return ok && now.Before(*last) && d.SetDeadline(now.Add(queueQuiet)) == nil
}

func (s *Server) wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	cut := len(s.conns)
	for c := range s.conns {
		_ = c.nc.Close()
	}
	s.mu.Unlock()
	s.cancel()
	// Their goroutines see closed connections now; one may still be inside a look-up that ignores its context.
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	return fmt.Errorf("drain: %d connections cut off: %w", cut, context.Cause(ctx))
}

// lastLook closes an idle connection, unless a request came in the meantime: the timer that ended the grace may have
// run late, and what counts is what the kernel holds now. Closing right here leaves a client the least time to
// send into a connection that nobody reads (RFC 9112 section 9.3.1 lets it retry then, but not every client does).
func (c *conn) lastLook(p []byte) (int, error) {
	if n := c.readNow(p); n > 0 {
		return c.took(p[:n])
	}
	c.gone = true
	_ = c.nc.Close()
	return 0, io.EOF
}

// readNow reads what is there without waiting.
func (c *conn) readNow(p []byte) int {
	sc, ok := c.nc.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil || c.nc.SetReadDeadline(time.Time{}) != nil {
		return 0
	}
	c.armed = time.Time{}
	n := 0
	err = raw.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), p)
		return true // whatever came of it: no waiting
	})
	if err != nil || n < 0 {
		return 0
	}
	return n
}

package edge

import (
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"
)

// Serve accepts connections from ln until Shutdown, which makes it return nil (even if it came first), or until ln
// fails. It may be called for
// several listeners. It closes ln.
func (s *Server) Serve(ln net.Listener) error {
	if !s.addListener(ln) {
		_ = ln.Close()
		return nil // a signal may come before the listener does
	}
	defer s.accepting.Done()
	s.tendOnce.Do(func() { s.tending.Go(func() { s.files.tend(s.base) }) })
	defer s.dropListener(ln)
	var pause time.Duration
	var last time.Time // end of the accept queue's time while draining
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(nc)
			if s.draining.Load() && !s.moreQueued(ln, &last) {
				s.sweep(ln)
				return nil
			}
		case s.draining.Load():
			// On a busy machine a deadline may pass before this loop comes to look at the queue, and Accept then does
			// not look either.
			if s.sweep(ln) == 0 && !last.IsZero() || !s.moreQueued(ln, &last) {
				return nil
			}
		case isTemporary(err):
			// Out of file descriptors, or a client that left while queued: neither is a reason to stop serving.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.faults.report("accept failed", "err", err, "retry_in", pause)
			select {
			case <-time.After(pause):
			case <-s.base.Done():
			}
		default:
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		}
	}
}

func isTemporary(err error) bool {
	// Temporary is deprecated for what it means elsewhere; for accept it is still the way to tell EMFILE and ECONNABORTED
	// from a closed listener, and net/http does the same.
	var ne interface{ Temporary() bool }
	return errors.As(err, &ne) && ne.Temporary()
}

func (s *Server) addListener(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[ln] = struct{}{}
	s.accepting.Add(1)
	return true
}

func (s *Server) dropListener(ln net.Listener) {
	s.mu.Lock()
	delete(s.listeners, ln)
	s.mu.Unlock()
	if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.faults.report("close listener failed", "err", err)
	}
}

// admit starts to serve a connection, or refuses it. Refusing must not block: the answer fits a fresh socket's buffer.
func (s *Server) admit(nc net.Conn) {
	if s.open.Add(1) > int64(s.opts.MaxConns) {
		s.open.Add(-1)
		s.stats.refusedConns.Add(1)
		refuse(nc, fullAnswer)
		return
	}
	c := s.newConn(nc)
	if s.perIP != nil && c.peer.IsValid() && !c.trusted {
		if !s.perIP.take(c.peer) {
			s.open.Add(-1)
			s.stats.refusedConns.Add(1)
			refuse(nc, crowdAnswer)
			return
		}
		c.counted = true
	}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.stats.conns.Add(1)
	s.serving.Go(func() { s.serveConn(c) })
}

// serveConn outlives faults of fasthttp itself: a panic outside the handler costs one connection, not the process.
func (s *Server) serveConn(c *conn) {
	defer func() {
		if r := recover(); r != nil {
			s.faults.report("connection failed", "panic", r, "stack", string(debug.Stack()))
			c.Close()
		}
	}()
	if c.raw == nil {
		// The error is the client's doing, or was logged with its request.
		_ = s.fast.ServeConn(c)
		return
	}
	for c.await() {
		c.visit()
		if c.closed {
			return
		}
	}
	_ = c.Close()
}

// forget takes a closed connection out of all counts.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	if c.counted {
		s.perIP.put(c.peer)
	}
	s.open.Add(-1)
}

func refuse(nc net.Conn, answer string) {
	_ = nc.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	_, _ = nc.Write([]byte(answer))
	_ = nc.Close()
}

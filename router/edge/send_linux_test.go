package edge

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"time"
)

// A socket that was corked for a large file is not when the next answer is due, which would come 200 ms late.
func TestUncorkedAfterAFile(t *testing.T) {
	r, content, _ := largeFile(t, Options{}, 4*sendMost+1)
	c := r.dial(t)
	for range 3 {
		if got := c.send(get("a.example", "/large.bin")).mustRead(); got.body != content {
			t.Fatalf("%d other bytes", len(got.body))
		}
		eventually(t, "no cork", func() bool { return !anyCorked(t, r.Server) })
	}
}

func anyCorked(t *testing.T, s *Server) (corked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		t.Fatal("no connection")
	}
	for c := range s.conns {
		raw, err := c.nc.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			v, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK)
			if err != nil {
				t.Error(err)
			}
			corked = corked || v != 0
		}); err != nil {
			t.Fatal(err)
		}
	}
	return corked
}

// held is a listener whose connections are taken in when they are let in.
type held struct {
	net.Listener
	let chan struct{}
}

func (h held) Accept() (net.Conn, error) {
	c, err := h.Listener.Accept()
	if err == nil {
		<-h.let
	}
	return c, err
}

// A client that ends what it sends with its request is answered, and the connection is over, also where connections wait without another
// look: request and end are there when the server first looks, and it may have been told of both before. Whether it has is luck, so many try.
func TestEndWithTheRequest(t *testing.T) {
	w, dir := diskWorld(t)
	w.add("a.example", compileSite(t, dir, files{"/f": "content"}))
	s, err := newServer(w.deps(slog.New(slog.DiscardHandler)), w, Options{IdleTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gate := held{ln, make(chan struct{})}
	r := serve(t, s, gate, nil)
	for i := range 100 {
		c := r.dial(t).send(get("a.example", "/f"))
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		r.turns.woken.Store(-int64(time.Hour)) // nobody has been woken for so long
		gate.let <- struct{}{}
		if got := c.mustRead(); got.body != "content" {
			t.Fatalf("%q", got.body)
		}
		if err := c.Conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.br.ReadByte(); err != io.EOF {
			t.Fatalf("connection %d, after the answer: %v", i, err)
		}
	}
	if n := r.Stats().Prepared; n == 0 {
		t.Error("no prepared answer")
	}
}

// So is one whose connection waits at once, because its client has never been as fast as another look.
func TestEndWithTheLastRequest(t *testing.T) {
	w, dir := diskWorld(t)
	w.add("a.example", compileSite(t, dir, files{"/f": "content"}))
	r := start(t, w, Options{IdleTimeout: time.Hour})
	for i := range 50 {
		c := r.dial(t)
		for range 2 * lookEvery {
			if got := c.send(get("a.example", "/f")).mustRead(); got.body != "content" {
				t.Fatalf("%q", got.body)
			}
		}
		tcp := c.Conn.(*net.TCPConn)
		cork(t, tcp) // the end goes with the request, in one packet
		c.send(get("a.example", "/f"))
		if err := errors.Join(tcp.CloseWrite(), tcp.SetReadDeadline(time.Now().Add(time.Minute))); err != nil {
			t.Fatal(err)
		}
		if got := c.mustRead(); got.body != "content" {
			t.Fatalf("%q", got.body)
		}
		if _, err := c.br.ReadByte(); err != io.EOF {
			t.Fatalf("connection %d, after the answer: %v", i, err)
		}
	}
}

func cork(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { rawCork(fd, true) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

package edge

import (
	"io"
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

// A client that ends what it sends with its request is answered, and the connection is over, also while connections wait without another look.
func TestEndWithTheRequest(t *testing.T) {
	r, content, _ := largeFile(t, Options{}, 1000)
	before := r.Stats()
	for range 20 {
		r.turns.woken.Store(-int64(time.Hour)) // as if nobody had been woken for so long; most connections find their request without a wait
		c := r.dial(t).send(get("a.example", "/large.bin"))
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := c.mustRead(); got.body != content {
			t.Fatalf("%d other bytes", len(got.body))
		}
		if _, err := c.br.ReadByte(); err != io.EOF {
			t.Errorf("after the answer: %v", err)
		}
	}
	if n := r.Stats().Prepared - before.Prepared; n != 20 {
		t.Errorf("%d prepared answers", n)
	}
}

//go:build linux && !race

package edge

import (
	"net"
	"syscall"
	"testing"
)

// A socket is emptied when neither a byte nor the end of what the client sends is left in it.
func TestReceiveTellsWhatIsLeft(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sent    string
		ends    bool
		room    int
		emptied bool
	}{
		{"all of it", "abc", false, 10, true},
		{"as much as there is room for", "abc", false, 3, true},
		{"more than there is room for", "abcd", false, 3, false},
		{"the end too", "abc", true, 10, false},
	} {
		client, server := tcpPair(t)
		if _, err := client.Write([]byte(tt.sent)); err != nil {
			t.Fatal(err)
		}
		if tt.ends {
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := server.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			if !rawTellLeft(fd) {
				t.Fatal("the kernel cannot tell")
			}
			eventually(t, "arrived", func() bool { // the end comes in a packet of its own
				n, _, err := syscall.Recvfrom(int(fd), make([]byte, 100), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
				return err == nil && n == len(tt.sent) && (!tt.ends || halfClosed(t, fd))
			})
			var r received
			b := make([]byte, tt.room)
			n, emptied, errno := rawReceive(fd, b, &r)
			if errno != 0 || string(b[:n]) != tt.sent[:min(len(tt.sent), tt.room)] || emptied != tt.emptied {
				t.Errorf("%s: %q, emptied %v, %v", tt.name, b[:max(n, 0)], emptied, errno)
			}
			if _, emptied, errno := rawReceive(fd, b, &r); errno == syscall.EAGAIN && emptied {
				t.Errorf("%s: a look in vain empties it", tt.name)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// halfClosed asks for the state of a connection, the first byte of struct tcp_info.
func halfClosed(t *testing.T, fd uintptr) bool {
	const closeWait = 8
	state, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
	if err != nil {
		t.Fatal(err)
	}
	return state&0xff == closeWait
}

func tcpPair(t *testing.T) (client, server *net.TCPConn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

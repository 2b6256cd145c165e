package edge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// logBuffer collects what a server logs.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// running is a server on a loopback listener.
type running struct {
	*Server
	addr string
	log  *logBuffer
}

func start(t testing.TB, w *world, opts Options) *running {
	t.Helper()
	log := new(logBuffer)
	s, err := newServer(w.deps(slog.New(slog.NewTextHandler(log, nil))), w, opts)
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, s, log)
}

func listen(t testing.TB, s *Server, log *logBuffer) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, s, ln, log)
}

func serve(t testing.TB, s *Server, ln net.Listener, log *logBuffer) *running {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_ = s.Shutdown(ctx) // tests of draining look at its error; here clients may just be left open
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &running{Server: s, addr: ln.Addr().String(), log: log}
}

// client is a raw connection.
type client struct {
	t testing.TB
	net.Conn
	br *bufio.Reader
}

func (r *running) dial(t testing.TB) *client {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, Conn: c, br: bufio.NewReader(c)}
}

func (c *client) send(s string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatalf("send: %v", err)
	}
	return c
}

// reply is a parsed response.
type reply struct {
	status string // "200 OK"
	fields []string
	body   string
}

func (r reply) field(name string) (string, bool) {
	for _, f := range r.fields {
		if n, v, _ := strings.Cut(f, ": "); strings.EqualFold(n, name) {
			return v, true
		}
	}
	return "", false
}

var errClosed = errors.New("the server closed the connection")

// read reads one response. It knows as little of HTTP as possible, so that it does not hide what was sent.
func (c *client) read(head bool) (reply, error) {
	var r reply
	line, err := c.br.ReadString('\n')
	if err != nil {
		if line == "" && errors.Is(err, io.EOF) {
			return r, errClosed
		}
		return r, err
	}
	r.status = strings.TrimPrefix(strings.TrimSuffix(line, "\r\n"), "HTTP/1.1 ")
	length := 0
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return r, err
		}
		line = strings.TrimSuffix(line, "\r\n")
		if line == "" {
			break
		}
		r.fields = append(r.fields, line)
		if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length = atoi(v)
		}
	}
	if head || strings.HasPrefix(r.status, "304") || strings.HasPrefix(r.status, "1") {
		return r, nil
	}
	body := make([]byte, length)
	n, err := io.ReadFull(c.br, body)
	r.body = string(body[:n])
	return r, err
}

func (c *client) mustRead() reply {
	c.t.Helper()
	r, err := c.read(false)
	if err != nil {
		c.t.Fatalf("read response: %v (got %s %q, %d bytes)", err, r.status, r.fields, len(r.body))
	}
	return r
}

// mustEnd checks that the server closes the connection and sends nothing more.
func (c *client) mustEnd() {
	c.t.Helper()
	rest, err := io.ReadAll(c.br)
	if err != nil || len(rest) > 0 {
		c.t.Fatalf("connection did not end: %q, %v", rest, err)
	}
}

func atoi(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}

func get(host, target string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
}

// eventually waits for what another goroutine is about to do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}

package edge

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/assets"
)

// load keeps connections busy until each is told to close, and counts requests that got no answer.
type load struct {
	answered, failed, told atomic.Int64
	wg                     sync.WaitGroup
}

// client sends requests one after another, pausing between them. Its connection may be closed only after an answer that
// said so: it never retries, so any other end is a failed request.
func (l *load) client(t *testing.T, r *running, n int, pause func() time.Duration) {
	c := r.dial(t)
	request := get("a.example", "/")
	if n%4 == 3 {
		request = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc"
	}
	l.wg.Go(func() {
		defer c.Close()
		for {
			if _, err := io.WriteString(c.Conn, request); err != nil {
				l.failed.Add(1)
				return
			}
			got, err := c.read(false)
			if err != nil || got.body != "page" {
				l.failed.Add(1)
				t.Errorf("client %d: %+v, %v", n, got, err)
				return
			}
			l.answered.Add(1)
			if v, _ := got.field("Connection"); v == "close" {
				l.told.Add(1)
				return
			}
			if d := pause(); d > 0 {
				<-time.After(d)
			}
		}
	})
}

func TestDrainUnderLoad(t *testing.T) {
	for range 2 {
		w := newWorld()
		w.add("a.example", text("page"))
		r := start(t, w, Options{DrainGrace: 1500 * time.Millisecond})
		var l load
		const fast, slow, idle = 24, 24, 24
		for n := range fast {
			l.client(t, r, n, func() time.Duration { return 0 })
		}
		for n := range slow {
			l.client(t, r, n, func() time.Duration { return time.Duration(rand.IntN(40)) * time.Millisecond })
		}
		for range idle {
			c := r.dial(t)
			c.send(get("a.example", "/")).mustRead()
			l.wg.Go(func() {
				if got, err := c.read(false); !errors.Is(err, errClosed) {
					t.Errorf("idle connection: %+v, %v", got, err)
				}
				c.Close()
			})
		}
		eventually(t, "load", func() bool { return l.answered.Load() > 2000 })
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		began := time.Now()
		if err := r.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		cancel()
		l.wg.Wait()
		if l.failed.Load() != 0 || l.told.Load() != fast+slow {
			t.Errorf("%d answered, %d failed, %d of %d told to close", l.answered.Load(), l.failed.Load(), l.told.Load(), fast+slow)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("draining took %v", d)
		}
		if n := r.Stats().OpenConns; n != 0 {
			t.Errorf("%d connections left", n)
		}
	}
}

// gate is a site whose requests wait.
type gate struct {
	entered chan struct{}
	open    chan struct{}
}

func newGate() *gate { return &gate{entered: make(chan struct{}, 100), open: make(chan struct{})} }

func (g *gate) Plan(dst *assets.Plan, req *assets.Request) {
	g.entered <- struct{}{}
	<-g.open
	text("page").Plan(dst, req)
}

func shutdown(r *running, timeout time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		done <- r.Shutdown(ctx)
	}()
	return done
}

func TestDrainAnswersWhatWasSent(t *testing.T) {
	w := newWorld()
	g := newGate()
	w.add("slow.example", g)
	w.add("a.example", text("page"))
	r := start(t, w, Options{DrainGrace: 5 * time.Second})

	inHandler := r.dial(t).send(get("slow.example", "/"))
	<-g.entered
	pipelined := r.dial(t).send(get("slow.example", "/") + get("a.example", "/") + get("a.example", "/"))
	<-g.entered
	halfSent := r.dial(t).send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Le")
	inBody := r.dial(t).send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\na")
	idle := r.dial(t)
	idle.send(get("a.example", "/")).mustRead()
	fresh := r.dial(t)
	eventually(t, "accepted", func() bool { return r.Stats().Conns == 6 })

	done := shutdown(r, 10*time.Second)
	eventually(t, "draining", func() bool { return r.Stats().Draining })
	close(g.open)
	halfSent.send("ngth: 3\r\n\r\nabc")
	inBody.send("bc")
	idle.send(get("a.example", "/"))
	fresh.send(get("a.example", "/"))

	for name, c := range map[string]*client{"in handler": inHandler, "half sent": halfSent, "in body": inBody, "idle": idle, "fresh": fresh} {
		got := c.mustRead()
		if v, _ := got.field("Connection"); v != "close" || got.body != "page" {
			t.Errorf("%s: %+v", name, got)
		}
		c.mustEnd()
	}
	for i := range 3 {
		got := pipelined.mustRead()
		if v, _ := got.field("Connection"); got.body != "page" || (v == "close") != (i == 2) {
			t.Errorf("pipelined request %d: %+v", i, got)
		}
	}
	pipelined.mustEnd()
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestDrainClosesIdleAfterGrace(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("page"))
	const grace = 150 * time.Millisecond
	r := start(t, w, Options{DrainGrace: grace})
	idle, fresh := r.dial(t), r.dial(t)
	idle.send(get("a.example", "/")).mustRead()
	eventually(t, "accepted", func() bool { return r.Stats().Conns == 2 })
	began := time.Now()
	done := shutdown(r, 10*time.Second)
	idle.mustEnd()
	if d := time.Since(began); d < grace {
		t.Errorf("idle connection closed after %v, before its grace of %v", d, grace)
	}
	fresh.mustEnd()
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestDrainDeadline(t *testing.T) {
	w := newWorld()
	g := newGate()
	w.add("slow.example", g)
	r := start(t, w, Options{})
	c := r.dial(t).send(get("slow.example", "/"))
	<-g.entered
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Shutdown(ctx) }()
	<-ctx.Done()
	if _, err := io.ReadAll(c.br); err == nil {
		c.mustEnd() // closed by reset or orderly, but closed
	}
	if r.base.Err() == nil {
		eventually(t, "look-ups cancelled", func() bool { return r.base.Err() != nil })
	}
	close(g.open)
	err := <-done
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 connections cut off") {
		t.Errorf("Shutdown: %v", err)
	}
	eventually(t, "connection forgotten", func() bool { return r.Stats().OpenConns == 0 })
}

// heldListener accepts nothing until it is let go.
type heldListener struct {
	*net.TCPListener
	waiting, letGo chan struct{}
	once           sync.Once
}

func (l *heldListener) Accept() (net.Conn, error) {
	l.once.Do(func() { close(l.waiting); <-l.letGo })
	return l.TCPListener.Accept()
}

// A client whose connection waits to be accepted is served: it did connect.
func TestDrainEmptiesTheAcceptQueue(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("page"))
	r := start(t, w, Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	held := &heldListener{TCPListener: ln.(*net.TCPListener), waiting: make(chan struct{}), letGo: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- r.Serve(held) }()
	<-held.waiting
	r.addr = ln.Addr().String()
	var cs []*client
	for range 50 {
		cs = append(cs, r.dial(t).send(get("a.example", "/")))
	}
	done := shutdown(r, 10*time.Second)
	eventually(t, "draining", func() bool { return r.Stats().Draining })
	<-time.After(2 * queueQuiet) // Shutdown's own deadline is over: only the accept loop's look counts
	close(held.letGo)
	for _, c := range cs {
		if got := c.mustRead(); got.body != "page" {
			t.Errorf("%+v", got)
		}
		c.Close()
	}
	if err := errors.Join(<-served, <-done); err != nil {
		t.Errorf("Serve and Shutdown: %v", err)
	}
	if c, err := net.Dial("tcp", r.addr); err == nil {
		c.Close()
		t.Error("still accepting after Shutdown")
	}
}

// The grace may end while a request is in the kernel already: it is served, not reset.
func TestLastLookSeesWhatHasArrived(t *testing.T) {
	r := start(t, newWorld(), Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	out, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := r.newConn(in)
	buf := make([]byte, 16)
	if n := c.readNow(buf); n != 0 {
		t.Errorf("read %d bytes of nothing", n)
	}
	if _, err := io.WriteString(out, "GET"); err != nil {
		t.Fatal(err)
	}
	// Loopback delivers before the write returns; the read deadline being over must not hide it.
	if err := in.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.lastLook(buf); n != 3 || err != nil {
		t.Errorf("lastLook = %d, %v", n, err)
	}
	if n, err := c.lastLook(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("lastLook = %d, %v", n, err)
	}
	if _, err := out.Read(buf); !errors.Is(err, io.EOF) {
		t.Errorf("the other end sees %v", err)
	}
}

// hookConn runs a hook before its first read deadline.
type hookConn struct {
	net.Conn
	hook func()
}

func (h *hookConn) SetReadDeadline(t time.Time) error {
	if h.hook != nil {
		h.hook()
		h.hook = nil
	}
	return h.Conn.SetReadDeadline(t)
}

// Draining may begin between a connection's look at it and its deadline, which then replaces the wake-up.
func TestDrainWakeUpIsNotLost(t *testing.T) {
	r := start(t, newWorld(), Options{DrainGrace: 20 * time.Millisecond})
	in, out := net.Pipe()
	defer out.Close()
	h := &hookConn{Conn: in}
	c := r.newConn(h)
	h.hook = func() {
		r.draining.Store(true)
		_ = in.SetReadDeadline(time.Now())
	}
	c.want = time.Now().Add(time.Hour)
	done := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, io.EOF) {
			t.Errorf("Read: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("still waiting for a request")
	}
}

package edge

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// starvedListener is one whose accept loop gets the processor only after its deadlines have passed.
type starvedListener struct {
	*net.TCPListener
	waiting, letGo chan struct{}
	once           sync.Once
}

func (l *starvedListener) Accept() (net.Conn, error) {
	l.once.Do(func() { close(l.waiting) })
	<-l.letGo
	return nil, os.ErrDeadlineExceeded
}

func TestDrainEmptiesTheAcceptQueueWhenStarved(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("page"))
	r := start(t, w, Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	starved := &starvedListener{TCPListener: ln.(*net.TCPListener), waiting: make(chan struct{}), letGo: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- r.Serve(starved) }()
	<-starved.waiting
	r.addr = ln.Addr().String()
	var clients []*client
	for range 10 {
		clients = append(clients, r.dial(t).send(get("a.example", "/")))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Shutdown(ctx) }()
	eventually(t, "draining", r.draining.Load)
	close(starved.letGo)
	for _, c := range clients {
		if got := c.mustRead(); got.status != "200 OK" {
			t.Errorf("%+v", got)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

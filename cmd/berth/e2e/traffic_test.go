//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// truth is what a host must answer: one body, or while a deployment is on its way either of two.
type truth struct {
	host    string
	allowed atomic.Pointer[[]string]
}

func (h *truth) set(bodies ...string) { h.allowed.Store(&bodies) }

// traffic asks hosts all the time and looks at every byte of the answers.
type traffic struct {
	s     *server
	mu    sync.Mutex // guards hosts
	hosts []*truth

	asked  atomic.Int64
	faults faults
	stop   chan struct{}
	wg     sync.WaitGroup
}

// faults keeps the first few.
type faults struct {
	mu    sync.Mutex
	count int
	first []string
}

func (f *faults) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count++; len(f.first) < 10 {
		f.first = append(f.first, fmt.Sprintf(format, args...))
	}
}

func newTraffic(s *server) *traffic { return &traffic{s: s, stop: make(chan struct{})} }

// serves says what hosts must answer from now on.
func (l *traffic) serves(body string, hosts ...string) {
	for _, h := range hosts {
		l.truth(h).set(body)
	}
}

func (l *traffic) truth(host string) *truth {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.hosts {
		if h.host == host {
			return h
		}
	}
	h := &truth{host: host}
	h.set()
	l.hosts = append(l.hosts, h)
	return h
}

// moving lets hosts answer a new body beside the present ones, until done is called.
func (l *traffic) moving(body string, hosts ...string) (done func()) {
	for _, name := range hosts {
		h := l.truth(name)
		if now := *h.allowed.Load(); len(now) > 0 { // else nobody asks for it yet
			h.set(append(slices.Clone(now), body)...)
		}
	}
	return func() { l.serves(body, hosts...) }
}

func (l *traffic) all() []*truth {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hosts)
}

// start asks with so many goroutines until end.
func (l *traffic) start(workers int) {
	for i := range workers {
		l.wg.Go(func() {
			for n := i; ; n++ {
				select {
				case <-l.stop:
					return
				default:
				}
				hosts := l.all()
				l.ask(hosts[n%len(hosts)])
			}
		})
	}
}

// ask compares one answer. What was allowed when the request began may be answered, and what is when it has ended.
func (l *traffic) ask(h *truth) {
	before := *h.allowed.Load()
	if len(before) == 0 {
		return
	}
	a, err := l.s.tryGet(h.host, "/")
	allowed := append(slices.Clone(before), *h.allowed.Load()...)
	l.asked.Add(1)
	switch {
	case err != nil:
		l.faults.add("%s: %v", h.host, err)
	case a.status != 200 || !slices.Contains(allowed, a.body):
		l.faults.add("%s: %d %.80q, want 200 and one of %q", h.host, a.status, a.body, allowed)
	}
}

// more waits until so many more requests were made.
func (l *traffic) more(t *testing.T, n int64) {
	t.Helper()
	until := l.asked.Load() + n
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for l.asked.Load() < until {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d requests less than wanted within a minute", until-l.asked.Load())
		}
	}
}

// end stops asking and wants not one wrong answer.
func (l *traffic) end(t *testing.T, atLeast int64) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	l.verdict(t)
	if n := l.asked.Load(); n < atLeast {
		t.Errorf("only %d requests were made: that proves little", n)
	}
	t.Logf("%d requests, %d wrong", l.asked.Load(), l.faults.count)
}

func (l *traffic) verdict(t *testing.T) {
	t.Helper()
	if l.faults.count > 0 {
		t.Errorf("%d wrong answers, such as\n%s", l.faults.count, strings.Join(l.faults.first, "\n"))
	}
}

// check asks every host once.
func (l *traffic) check(t *testing.T, when string) {
	t.Helper()
	was := l.faults.count
	for _, h := range l.all() {
		l.ask(h)
	}
	if l.faults.count > was {
		l.verdict(t)
		t.Fatal(when)
	}
}

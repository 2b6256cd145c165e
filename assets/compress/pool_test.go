package compress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"berth/assets/httpsem"
)

func newPool(t *testing.T, o Options, kind string, args ...string) *Pool {
	t.Helper()
	o.Command = childCommand(kind, args...)
	p, err := NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *Pool) idleWorkers() []*worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*worker(nil), p.idle...)
}

// Children write what Encode writes, one job after the other in the same process.
func TestPoolIsLocal(t *testing.T) {
	p := newPool(t, Options{Workers: 1}, "serve")
	var first *worker
	for _, plain := range [][]byte{text(5_000), {}, noise(block + 1), {'a'}} {
		for _, e := range allCodings {
			var b bytes.Buffer
			if err := p.Encode(t.Context(), &b, bytes.NewReader(plain), int64(len(plain)), e); err != nil {
				t.Fatalf("%d bytes in %v: %v", len(plain), e, err)
			}
			if !bytes.Equal(b.Bytes(), encoded(t, plain, e)) {
				t.Errorf("%d bytes in %v: another result", len(plain), e)
			}
			idle := p.idleWorkers()
			if first == nil {
				first = idle[0]
			}
			if len(idle) != 1 || idle[0] != first {
				t.Fatal("another process for the next job")
			}
		}
	}
}

func TestPoolIsConcurrent(t *testing.T) {
	p := newPool(t, Options{Workers: 2}, "serve")
	plain := text(10_000)
	var jobs sync.WaitGroup
	for i := range 12 {
		jobs.Go(func() {
			e := allCodings[i%3]
			var b bytes.Buffer
			if err := p.Encode(t.Context(), &b, bytes.NewReader(plain), int64(len(plain)), e); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(b.Bytes(), encoded(t, plain, e)) {
				t.Errorf("%v: another result", e)
			}
		})
	}
	jobs.Wait()
	if n := len(p.idleWorkers()); n < 1 || n > 2 {
		t.Errorf("%d processes", n)
	}
}

// After each of these the next job gets a process that works, if there is one.
func TestPoolFails(t *testing.T) {
	broken := errors.New("broken")
	plain := noise(3 * block)
	for name, c := range map[string]struct {
		kind string
		dst  io.Writer
		src  io.Reader
		want error
		text string
	}{
		"a crash":         {"crash", io.Discard, bytes.NewReader(plain), ErrWorker, "exit status 7: out of paper"},
		"a flood":         {"flood", io.Discard, bytes.NewReader(plain), ErrWorker, errFlood.Error()},
		"another program": {"babble", io.Discard, bytes.NewReader(plain), ErrWorker, errProtocol.Error()},
		"a refusal":       {"give-up", io.Discard, bytes.NewReader(plain), ErrWorker, "cannot do that"},
		"a reader":        {"serve", io.Discard, iotest.ErrReader(broken), broken, ""},
		"a writer":        {"serve", failing{broken}, bytes.NewReader(plain), broken, ""},
		"a short file":    {"serve", io.Discard, bytes.NewReader(plain[1:]), io.ErrUnexpectedEOF, ""},
	} {
		p := newPool(t, Options{Workers: 1}, c.kind)
		err := p.Encode(t.Context(), c.dst, c.src, int64(len(plain)), httpsem.Gzip)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || errors.Is(err, ErrWorker) != (c.want == ErrWorker) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if n := len(p.idleWorkers()); n != 0 {
			t.Errorf("%s: %d processes are kept", name, n)
		}
		if c.kind != "serve" {
			continue
		}
		if err := p.Encode(t.Context(), io.Discard, bytes.NewReader(plain), int64(len(plain)), httpsem.Gzip); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

func TestPoolRestartsWhatCrashed(t *testing.T) {
	p := newPool(t, Options{Workers: 1}, "crash-once", filepath.Join(t.TempDir(), "crashed"))
	plain := text(10_000)
	encode := func() error {
		return p.Encode(t.Context(), io.Discard, bytes.NewReader(plain), int64(len(plain)), httpsem.Gzip)
	}
	if err := encode(); !errors.Is(err, ErrWorker) {
		t.Fatalf("%v, want %v", err, ErrWorker)
	}
	if err := encode(); err != nil {
		t.Fatal(err)
	}
	w := p.idleWorkers()[0]
	w.kill() // while it has nothing to do
	<-w.gone
	if err := encode(); err != nil {
		t.Fatalf("after a process ended that was idle: %v", err)
	}
}

// A process that ends just before it becomes idle is not given a job either.
func TestPoolDoesNotUseTheDead(t *testing.T) {
	p := newPool(t, Options{Workers: 1}, "serve")
	ended := make(chan struct{})
	w, err := startWorker(p.o.Command, func(*worker) { close(ended) })
	if err != nil {
		t.Fatal(err)
	}
	w.kill()
	<-ended
	p.put(w)
	if err := p.Encode(t.Context(), io.Discard, strings.NewReader("a"), 1, httpsem.Gzip); err != nil {
		t.Error(err)
	}
}

func TestPoolCannotStart(t *testing.T) {
	p, err := NewPool(Options{Command: []string{filepath.Join(t.TempDir(), "nothing")}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.Encode(t.Context(), io.Discard, strings.NewReader("a"), 1, httpsem.Gzip); !errors.Is(err, ErrWorker) {
			t.Errorf("%v, want %v", err, ErrWorker)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestPoolRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no command":       {},
		"an empty one":     {Command: []string{""}},
		"negative workers": {Command: []string{"a"}, Workers: -1},
		"negative time":    {Command: []string{"a"}, Idle: -1},
	} {
		if _, err := NewPool(o); err == nil {
			t.Errorf("%s: made", name)
		}
	}
	p := newPool(t, Options{}, "serve")
	for _, e := range []httpsem.Encoding{httpsem.Identity, 77} {
		if err := p.Encode(t.Context(), io.Discard, strings.NewReader("a"), 1, e); err == nil || errors.Is(err, ErrWorker) {
			t.Errorf("%v: %v", e, err)
		}
	}
	if n := len(p.idleWorkers()); n != 0 {
		t.Errorf("%d processes for nothing", n)
	}
}

// hanging is a pool whose workers hang, and tell so by connecting: what is read from a connection ends when its process does.
func hanging(t *testing.T, o Options) (*Pool, net.Listener) {
	t.Helper()
	l := listen(t)
	return newPool(t, o, "hang", l.Addr().String()), l
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// isGone waits for the end of the process behind a connection.
func isGone(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("the process goes on: %v", err)
	}
}

func TestPoolEndsJobs(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		stop func(cancel func(), p *Pool)
		want error
	}{
		"cancelled": {Options{}, func(cancel func(), _ *Pool) { cancel() }, context.Canceled},
		"closed":    {Options{}, func(_ func(), p *Pool) { p.Close() }, ErrClosed},
		"too slow":  {Options{Timeout: func(int64) time.Duration { return time.Millisecond }}, func(func(), *Pool) {}, ErrTimeout},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		p, l := hanging(t, c.o)
		result := make(chan error, 1)
		go func() { result <- p.Encode(ctx, io.Discard, endless{}, 1<<40, httpsem.Brotli) }()
		if c.o.Timeout == nil { // otherwise it may be ended before it can connect
			conn := accept(t, l)
			defer isGone(t, conn)
		}
		c.stop(cancel, p)
		if err := <-result; !errors.Is(err, c.want) || errors.Is(err, ErrWorker) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		cancel()
	}
}

func TestPoolWaitsForAFreeWorker(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, l := hanging(t, Options{Workers: 1})
	first := make(chan error, 1)
	go func() { first <- p.Encode(ctx, io.Discard, endless{}, 1<<40, httpsem.Brotli) }()
	accept(t, l)

	waiting, stopWaiting := context.WithCancel(t.Context())
	stopWaiting()
	if err := p.Encode(waiting, io.Discard, endless{}, 1, httpsem.Gzip); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	second := make(chan error, 1)
	go func() { second <- p.Encode(t.Context(), io.Discard, endless{}, 1<<40, httpsem.Gzip) }()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	accept(t, l) // the second has a worker now
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-second; !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want %v", err, ErrClosed)
	}
}

func TestPoolEndsIdleWorkers(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Idle: time.Hour}, "serve")
	encode := func() {
		t.Helper()
		if err := p.Encode(t.Context(), io.Discard, strings.NewReader("a"), 1, httpsem.Gzip); err != nil {
			t.Fatal(err)
		}
	}
	encode()
	w := p.idleWorkers()[0]
	w.idle.Reset(0) // the hour is over
	<-w.gone
	if w.err != nil {
		t.Errorf("it did not end by itself: %v", w.err)
	}
	encode()
	if again := p.idleWorkers()[0]; again == w {
		t.Error("the same process as before")
	}
}

func TestPoolCloses(t *testing.T) {
	p := newPool(t, Options{Workers: 2}, "serve")
	for range 3 {
		if err := p.Encode(t.Context(), io.Discard, strings.NewReader("a"), 1, httpsem.Gzip); err != nil {
			t.Fatal(err)
		}
	}
	w := p.idleWorkers()[0]
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if !w.hasGone() || w.err != nil {
		t.Errorf("gone: %v, %v", w.hasGone(), w.err)
	}
	if err := p.Encode(t.Context(), io.Discard, strings.NewReader("a"), 1, httpsem.Gzip); !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want %v", err, ErrClosed)
	}
}

// What the server was told by its environment stays there, and what a worker says is logged.
func TestWorkersKnowNothing(t *testing.T) {
	t.Setenv("BERTH_API_TOKEN", "secret")
	var log bytes.Buffer
	p := newPool(t, Options{Workers: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}, "environment")
	err := p.Encode(t.Context(), io.Discard, strings.NewReader("a"), 1, httpsem.Gzip)
	if !errors.Is(err, ErrWorker) || !strings.Contains(err.Error(), "GOMAXPROCS=1") || strings.Contains(err.Error(), "secret") {
		t.Errorf("it knows %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "GOMAXPROCS=1") {
		t.Errorf("logged: %s", log.String())
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var all bytes.Buffer
	var kept tail
	for i := range 200 {
		b := bytes.Repeat([]byte{byte('a' + i%26)}, i*i%5000)
		all.Write(b)
		if n, err := kept.Write(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
		if want := all.Bytes()[max(0, all.Len()-maxSaid):]; kept.String() != string(want) {
			t.Fatalf("after %d: %d bytes, want %d", i, len(kept.String()), len(want))
		}
	}
}

// A worker that is asked for nonsense says so, and ends.
func TestServeRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"half a header":     "\x01\x00",
		"identity":          "\x00\x01\x00\x00\x00\x00\x00\x00\x00a",
		"an unknown coding": "\x09\x01\x00\x00\x00\x00\x00\x00\x00a",
		"a negative size":   "\x01\xff\xff\xff\xff\xff\xff\xff\xff",
		"half a job":        "\x01\x02\x00\x00\x00\x00\x00\x00\x00a",
	} {
		var out bytes.Buffer
		if err := Serve(strings.NewReader(in), &out); err == nil {
			t.Errorf("%s: served", name)
		}
		if err := receiveAnswer(io.Discard, &out, 1000); err == nil {
			t.Errorf("%s: answered", name)
		}
	}
	if err := Serve(strings.NewReader(""), io.Discard); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
	if err := Serve(strings.NewReader("\x01\x00\x00\x00\x00\x00\x00\x00\x00"), failing{io.ErrClosedPipe}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("nobody to answer: %v", err)
	}
}

// Whatever a worker writes, no more than the limit is taken from it.
func FuzzReceiveAnswer(f *testing.F) {
	var good bytes.Buffer
	if err := Serve(strings.NewReader("\x01\x01\x00\x00\x00\x00\x00\x00\x00a"), &good); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes(), int64(1000))
	f.Add(good.Bytes(), int64(3))
	f.Add([]byte("d\xff\xff\xff\xff"), int64(3))
	f.Add([]byte("!\x02\x00\x00\x00no"), int64(3))
	f.Fuzz(func(t *testing.T, answer []byte, limit int64) {
		var b bytes.Buffer
		err := receiveAnswer(&b, bytes.NewReader(answer), limit)
		if int64(b.Len()) > max(limit, 0) {
			t.Fatalf("took %d bytes, limit %d (%v)", b.Len(), limit, err)
		}
		if err == nil && !bytes.Contains(answer, []byte{partDone, 0, 0, 0, 0}) && !bytes.Contains(answer, []byte{partDone}) {
			t.Fatal("done without saying so")
		}
	})
}

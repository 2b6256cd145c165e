package functions

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"log/slog"
)

const (
	// idleTime is less than the 5 s after which workerd closes a connection that waits for its next request: a request that crosses the
	// closing would fail.
	idleTime         = 2 * time.Second
	maxIdle          = 64
	maxResponseField = 256 << 10 // bytes of an answer's head
	outputDelay      = time.Second
)

// process is one life of workerd.
type process struct {
	pid    int
	socket string          // path
	kept   *http.Transport // for calls that may be sent again: its connections serve one after the other
	single *http.Transport // for all others: a connection for each

	gone chan struct{} // closed when it has ended; err then says how
	err  error
}

// startProcess starts workerd, which will listen on a socket of the given name.
func startProcess(o Options, name string, log *slog.Logger) (*process, error) {
	if err := configure(o.Dir, name); err != nil {
		return nil, err
	}
	p := &process{socket: o.socket(name), gone: make(chan struct{})}
	p.kept, p.single = newTransport(dial(p.socket)), newTransport(dialOnce(p.socket))
	p.single.DisableKeepAlives = true
	cmd := exec.Command(o.Command, "serve", "--experimental", configFile)
	out := &output{log: log}
	cmd.Dir, cmd.Env, cmd.SysProcAttr, cmd.WaitDelay = o.Dir, []string{}, processAttributes(), outputDelay
	cmd.Stdout, cmd.Stderr = out, out
	started := make(chan error)
	go func() {
		// The kernel ends the child with the thread that started it, so this one has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = ended(cmd.Wait())
		close(p.gone)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("functions: start %s: %w", o.Command, err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// ended names an end without an error, which is none that we asked for.
func ended(err error) error {
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("functions: workerd ended: %w", err)
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// dial speaks to whoever listens on a socket, whatever a URL says.
func dial(socket string) dialer {
	var d net.Dialer
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) }
}

func dialOnce(socket string) dialer {
	d := dial(socket)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := d(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return onceConn{c}, nil
	}
}

// onceConn carries one call. When a function answers and leaves a body unread, workerd closes the connection, and what is still sent of
// the body fails. The answer has come all the same, but a Transport that cannot write gives it up: so the failure is kept from it, and
// what it reads tells it whether there is an answer.
type onceConn struct{ net.Conn }

func (c onceConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return len(p), nil
	}
	return n, err
}

func newTransport(d dialer) *http.Transport {
	return &http.Transport{
		DialContext:            d,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: maxResponseField,
		ReadBufferSize:         32 << 10,
		WriteBufferSize:        32 << 10,
	}
}

// roundTrip sends a call on a connection of the right kind: workerd closes one without a word when a function has left a body unread, and
// only a GET or HEAD without a body, should it go into such a one, may be sent again.
func (p *process) roundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil && (req.Method == http.MethodGet || req.Method == http.MethodHead) {
		return p.kept.RoundTrip(req)
	}
	return p.single.RoundTrip(req)
}

// end kills the process and waits for its end.
func (p *process) end() {
	killGroup(p.pid)
	<-p.gone
	p.kept.CloseIdleConnections()
	_ = os.Remove(p.socket)
}

// probe asks the dispatcher for a sign of life.
func (p *process) probe(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req := (&http.Request{Method: http.MethodGet, URL: target("http://berth/probe"), Host: "berth", Header: http.Header{}}).WithContext(ctx)
	res, err := p.roundTrip(req)
	if err != nil {
		return fmt.Errorf("functions: workerd does not answer: %w", err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("functions: workerd answers a probe with %s", res.Status)
	}
	return nil
}

// target has a URL written into the request line to the letter: net/url would refuse some that browsers send, and spell others anew.
func target(absolute string) *url.URL {
	return &url.URL{Scheme: "http", Host: "functions", Opaque: absolute}
}

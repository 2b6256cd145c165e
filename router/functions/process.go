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
	pid       int
	socket    string // path
	transport *http.Transport

	gone chan struct{} // closed when it has ended; err then says how
	err  error
}

// startProcess starts workerd, which will listen on a socket of the given name.
func startProcess(o Options, name string, log *slog.Logger) (*process, error) {
	if err := configure(o.Dir, name); err != nil {
		return nil, err
	}
	p := &process{socket: o.socket(name), gone: make(chan struct{})}
	p.transport = newTransport(p.socket)
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

// newTransport speaks to whoever listens on a socket, whatever a URL says.
func newTransport(socket string) *http.Transport {
	var d net.Dialer
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: maxResponseField,
		ReadBufferSize:         32 << 10,
		WriteBufferSize:        32 << 10,
	}
}

// end kills the process and waits for its end.
func (p *process) end() {
	killGroup(p.pid)
	<-p.gone
	p.transport.CloseIdleConnections()
	_ = os.Remove(p.socket)
}

// probe asks the dispatcher for a sign of life.
func (p *process) probe(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req := (&http.Request{Method: http.MethodGet, URL: target("http://berth/probe"), Host: "berth", Header: http.Header{}}).WithContext(ctx)
	res, err := p.transport.RoundTrip(req)
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

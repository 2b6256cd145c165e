package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Output is where a running server writes.
type Output struct {
	Stdout, Stderr io.Writer
	// Started is told once, when the server serves.
	Started func(Status) error
}

// Status is what a server says when it has started.
type Status struct {
	HTTP       string `json:"http"` // addresses, with the ports that were bound
	API        string `json:"api"`
	APIURL     string `json:"api_url"`
	PublicURL  string `json:"public_url"` // SCHEME[:PORT]
	Domain     string `json:"domain"`
	Datacentre string `json:"datacentre"`
	Data       string `json:"data"`
	TokenFile  string `json:"token_file"`
	PID        int    `json:"pid"`
}

// SettingsError is a fault of the settings, or several. Nothing was opened.
type SettingsError struct{ Err error }

func (e *SettingsError) Error() string { return e.Err.Error() }
func (e *SettingsError) Unwrap() error { return e.Err }

// Run serves until ctx is done, then drains. It returns nil after a clean drain.
func Run(ctx context.Context, s Settings, out Output) error {
	c, err := s.check()
	if err != nil {
		return &SettingsError{err}
	}
	log := c.newLog(out.Stderr)
	listeners, err := c.listen(ctx)
	if err != nil {
		return err
	}
	access, file, err := c.accessLog(out.Stdout)
	if err != nil {
		listeners.close()
		return err
	}
	c.Edge.AccessLog = access
	c.limitMemory(false)
	c.onMigration = func() { c.limitMemory(true) }
	n, err := c.open(ctx, log, c.publicURL(listeners.http))
	if err != nil {
		listeners.close()
		return errors.Join(err, closeLog(file))
	}
	c.warnOfFewFiles(log)
	r := &running{checked: c, node: n, listeners: listeners, log: log, accessFile: file}
	return errors.Join(r.run(ctx, out), closeLog(file))
}

func closeLog(file *logFile) error {
	if file == nil {
		return nil
	}
	return file.Close()
}

// running is a server whose parts are open.
type running struct {
	checked
	*node
	listeners  *listeners
	log        *slog.Logger
	accessFile *logFile
	api        *http.Server
}

// run serves until ctx is done or a part fails, and ends everything that it began.
func (r *running) run(ctx context.Context, out Output) error {
	if err := r.control.Bootstrap(ctx); err != nil {
		r.listeners.close()
		return errors.Join(fmt.Errorf("first start: %w", err), r.node.close())
	}
	failed := make(chan error, 4)
	stopBackground := r.background(failed)
	served := r.serve(failed)
	stopSignals := r.onHangup()
	defer stopSignals()

	r.control.SetReady(true)
	err := r.announce(out)
	if err == nil {
		select {
		case <-ctx.Done():
			r.log.Info("stopping", slog.Duration("drain_timeout", r.DrainTimeout))
		case err = <-failed:
			r.log.Error("stopping after a failure", slog.Any("error", err))
		}
	}
	return errors.Join(err, r.shutdown(served, stopBackground))
}

// shutdown is the one end of a server, in the one order: unready, stop accepting and drain, stop background work, and
// close the store last, since all of the others may still write to it.
func (r *running) shutdown(served *sync.WaitGroup, stopBackground func() error) error {
	r.control.SetReady(false)
	ctx, cancel := context.WithTimeout(context.Background(), r.DrainTimeout)
	defer cancel()
	var draining sync.WaitGroup
	var edgeErr, apiErr error
	draining.Go(func() { edgeErr = r.edge.Shutdown(ctx) })
	draining.Go(func() {
		if apiErr = r.api.Shutdown(ctx); apiErr != nil {
			apiErr = errors.Join(fmt.Errorf("drain the API: %w", apiErr), r.api.Close())
		}
	})
	draining.Wait()
	served.Wait()
	err := errors.Join(edgeErr, apiErr, stopBackground(), r.node.close())
	if err == nil {
		r.log.Info("stopped")
	}
	return err
}

// background runs the work of control and of the migration. The function it returns ends both and waits.
func (r *running) background(failed chan<- error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	works := []func(context.Context) error{r.control.Run, r.migration.Run}
	done := make(chan error, len(works))
	for _, work := range works {
		go func() {
			err := work(ctx)
			done <- err
			if ctx.Err() == nil {
				failed <- fmt.Errorf("background work ended: %w", err)
			}
		}()
	}
	return func() error {
		cancel()
		var err error
		for range works {
			err = errors.Join(err, <-done)
		}
		return err
	}
}

const (
	apiHeaderTimeout = 10 * time.Second
	// apiIdleTimeout is longer than the pauses of wrangler's polling (16 s) and than our own client keeps a connection.
	apiIdleTimeout    = 90 * time.Second
	apiMaxHeaderBytes = 64 << 10
)

// serve accepts on both listeners. There is no WriteTimeout on the API: making a large deployment takes what it takes,
// and a body's own timeout is control's.
func (r *running) serve(failed chan<- error) *sync.WaitGroup {
	r.api = &http.Server{
		Handler:           r.apiHandler(),
		ReadHeaderTimeout: apiHeaderTimeout,
		IdleTimeout:       apiIdleTimeout,
		MaxHeaderBytes:    apiMaxHeaderBytes,
		TLSConfig:         r.tlsConfig(),
		ErrorLog:          slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	r.api.Protocols = new(http.Protocols)
	r.api.Protocols.SetHTTP1(true)
	var served sync.WaitGroup
	served.Go(func() {
		if err := r.edge.Serve(r.listeners.http); err != nil {
			failed <- fmt.Errorf("serve sites on %s: %w", r.listeners.http.Addr(), err)
		}
	})
	served.Go(func() {
		ln := r.listeners.boundedAPI(r.MaxAPIConns)
		err := error(nil)
		if r.tls != nil {
			err = r.api.ServeTLS(ln, "", "")
		} else {
			err = r.api.Serve(ln)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve the API on %s: %w", r.listeners.api.Addr(), err)
		}
	})
	return &served
}

// onHangup opens the access log again and reads the certificate again, for log rotation and renewal.
func (r *running) onHangup() (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	var worker sync.WaitGroup
	worker.Go(func() {
		for {
			select {
			case <-hangups:
				r.reload()
			case <-done:
				return
			}
		}
	})
	return func() {
		signal.Stop(hangups)
		close(done)
		worker.Wait()
	}
}

func (r *running) reload() {
	if r.accessFile != nil {
		if err := r.accessFile.reopen(); err != nil {
			r.log.Error("access log not opened again", slog.Any("error", err))
		}
	}
	if r.tls != nil {
		if err := r.tls.load(); err != nil {
			r.log.Error("certificate not read again; the old one stays", slog.Any("error", err))
		}
	}
	r.log.Info("reloaded after SIGHUP")
}

// announce says that the server serves, to people and to whoever waits for the ready file.
func (r *running) announce(out Output) error {
	st := r.status()
	if r.ReadyFile != "" {
		text, err := json.Marshal(st)
		if err != nil {
			return fmt.Errorf("--ready-file: %w", err)
		}
		if err := writeWhole(r.ReadyFile, append(text, '\n')); err != nil {
			return fmt.Errorf("--ready-file: %w", err)
		}
	}
	if out.Started == nil {
		return nil
	}
	return out.Started(st)
}

func (r *running) status() Status {
	scheme := "http"
	if r.tls != nil {
		scheme = "https"
	}
	return Status{
		HTTP: r.listeners.http.Addr().String(), API: r.listeners.api.Addr().String(),
		APIURL: scheme + "://" + reachable(r.listeners.api.Addr()), PublicURL: r.publicURL(r.listeners.http),
		Domain: r.Domain, Datacentre: r.Datacentre, Data: r.Data, TokenFile: filepath.Join(r.Data, tokenFile), PID: os.Getpid(),
	}
}

// reachable is an address that a client on this machine can use.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(tcp.Port))
}

// writeWhole puts a file in place in one step, so that nobody reads half of it.
func writeWhole(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".ready-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

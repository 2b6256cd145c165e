package functions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Fields by which this server and the dispatcher understand each other. Whoever makes a Call leaves out all that begin with
// FieldPrefix: a client could speak for this server otherwise.
const (
	FieldPrefix     = "Berth-"
	fieldDeployment = "Berth-Deployment"
	fieldFault      = "Berth-Fault"
	fieldURL        = "Berth-Url"
)

// Runtime runs functions. It is safe for concurrent use.
type Runtime struct {
	opts    Options
	source  Source
	log     *slog.Logger
	slots   chan struct{}
	ours    net.Listener
	server  *http.Server
	stats   counters
	version atomic.Pointer[string] // the date that the program was made for; nil: not known yet

	suspects chan struct{} // has one when somebody waited in vain
	stop     context.CancelFunc
	work     sync.WaitGroup

	mu      sync.Mutex    // guards the two below; nothing is locked under it
	live    *process      // nil: there is none that answers
	changed chan struct{} // closed when live changes
}

// New checks its options, makes the directory, and starts nothing yet.
func New(d Deps, o Options) (*Runtime, error) {
	o, err := o.withDefaults()
	if d.Source == nil {
		err = errors.Join(err, errors.New("functions: no Source"))
	}
	if err != nil {
		return nil, err
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, err
	}
	r := &Runtime{
		opts: o, source: d.Source, log: d.Log, slots: make(chan struct{}, o.MaxInFlight),
		suspects: make(chan struct{}, 1), stop: func() {}, changed: make(chan struct{}),
	}
	if r.ours, err = net.Listen("unix", o.socket(ourSocket)); err != nil {
		return nil, fmt.Errorf("functions: listen for the dispatcher: %w", err)
	}
	return r, nil
}

// Start begins to run functions; it does not wait for the process. Code asks assets for the files of its deployment.
func (r *Runtime) Start(assets Assets) {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.server = r.newServer(assets)
	r.work.Go(func() { r.serve() })
	r.work.Go(func() { r.supervise(ctx) })
}

// Close ends the process at once, with what it is doing.
func (r *Runtime) Close() error {
	r.stop()
	var err error
	if r.server != nil {
		err = r.server.Close()
	} else {
		err = r.ours.Close()
	}
	r.work.Wait()
	return err
}

// Run has a function answer a call and returns when the head of the answer is there. The body must be closed; until then the call
// counts as in flight. The end of ctx ends the call.
func (r *Runtime) Run(ctx context.Context, c *Call) (*http.Response, error) {
	r.stats.calls.Add(1)
	res, err := r.run(ctx, c)
	if err != nil {
		if c.Body != nil {
			c.Body.Stop()
		}
		r.stats.failed(err)
	}
	return res, err
}

func (r *Runtime) run(ctx context.Context, c *Call) (*http.Response, error) {
	select {
	case r.slots <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	ctx, cancel := context.WithCancelCause(ctx)
	f := &flight{r: r, cancel: cancel, body: c.Body}
	p, err := r.ready(ctx)
	if err != nil {
		f.end()
		return nil, err
	}
	f.patience = time.AfterFunc(r.opts.Timeout, f.lose)
	res, err := p.roundTrip(f.request(ctx, c))
	if err != nil {
		if context.Cause(ctx) == ErrTimeout {
			err = ErrTimeout
		}
		f.end()
		return nil, err
	}
	f.patience.Reset(r.opts.Timeout)
	f.answer, res.Body = res.Body, f
	if text, ok := res.Header[fieldFault]; ok {
		_ = res.Body.Close()
		return nil, thrown(text[0])
	}
	return res, nil
}

func thrown(text string) error {
	plain, err := url.PathUnescape(text)
	if err != nil {
		plain = text
	}
	return &Thrown{plain}
}

// ready waits for a process that answers.
func (r *Runtime) ready(ctx context.Context) (*process, error) {
	var late <-chan time.Time
	for {
		r.mu.Lock()
		p, changed := r.live, r.changed
		r.mu.Unlock()
		if p != nil {
			return p, nil
		}
		if late == nil {
			timer := time.NewTimer(r.opts.Timeout)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-changed:
		case <-late:
			return nil, ErrUnavailable
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// set makes a process the one that calls go to; nil: none.
func (r *Runtime) set(p *process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = p
	close(r.changed)
	r.changed = make(chan struct{})
}

// flight is a call under way, and the body of its answer.
type flight struct {
	r        *Runtime
	cancel   context.CancelCauseFunc
	patience *time.Timer  // with the function
	others   atomic.Int32 // that are waited for, and not the function: a client who sends the body, one who takes the answer
	taking   bool         // the client takes what Read returned; of who reads
	body     Body         // of the call
	answer   io.ReadCloser
	once     sync.Once
	ended    atomic.Bool
}

// lose ends a call whose function was silent for too long.
func (f *flight) lose() {
	if f.ended.Load() {
		return // a read of the request's body came to its end late
	}
	if f.others.Load() > 0 {
		f.patience.Reset(f.r.opts.Timeout)
		return
	}
	f.cancel(ErrTimeout)
	f.r.suspect()
}

func (f *flight) request(ctx context.Context, c *Call) *http.Request {
	header := http.Header(c.Header)
	header[fieldDeployment] = []string{strconv.FormatUint(uint64(c.Deployment), 10)}
	if _, ok := header["User-Agent"]; !ok {
		header["User-Agent"] = []string{""} // or net/http adds its own
	}
	req := &http.Request{
		Method: c.Method, URL: target(c.URL), Host: c.Host, Header: header, ContentLength: c.Length,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if c.Body != nil {
		req.Body = upload{f}
	}
	return req.WithContext(ctx)
}

// upload is a call's body as it goes to the function. While the client is waited for, the function may be silent.
type upload struct{ f *flight }

func (u upload) Read(p []byte) (int, error) {
	u.f.others.Add(1)
	n, err := u.f.body.Read(p)
	u.f.others.Add(-1)
	u.f.patience.Reset(u.f.r.opts.Timeout)
	return n, err
}

func (u upload) Close() error { return nil } // whoever made the call stops it

func (f *flight) Read(p []byte) (int, error) {
	if f.taking {
		f.taking = false
		f.others.Add(-1)
	}
	f.patience.Reset(f.r.opts.Timeout)
	n, err := f.answer.Read(p)
	f.taking = true
	f.others.Add(1)
	return n, err
}

// Close ends the call, its body included.
func (f *flight) Close() error {
	err := f.answer.Close()
	if f.body != nil {
		f.body.Stop()
	}
	f.end()
	return err
}

func (f *flight) end() {
	f.once.Do(func() {
		f.ended.Store(true)
		if f.patience != nil {
			f.patience.Stop()
		}
		f.cancel(nil)
		<-f.r.slots
	})
}

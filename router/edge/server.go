package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"berth/assets/blob"
	"berth/assets/catalog"
	"berth/assets/manifest"
	"berth/router"
	"berth/store"
)

// Sites gives what requests are answered from; it is a *catalog.Catalog.
type Sites interface {
	Deployment(ctx context.Context, no store.DeploymentNo) (*catalog.Deployment, error)
	Settings(ctx context.Context, no store.ProjectNo) (*store.SiteSettings, error)
	Target(ctx context.Context, no store.DeploymentNo, production bool) (*catalog.Target, error)
}

// Blobs gives the bytes of files. Both methods fail with blob.ErrNotFound or blob.ErrCorrupt if the blob is missing or has
// not the size that is asked for.
type Blobs interface {
	Open(g manifest.Digest, size int64) (blob.File, error)
	ReadAll(g manifest.Digest, size int64) ([]byte, error)
}

// Deps are what a Server needs: all of it but Log.
type Deps struct {
	Resolver router.Resolver
	Sites    Sites
	Blobs    Blobs
	// CookieSecret signs pins (see Options.SkewMaxAge): whoever has it can choose among the deployments that a host has
	// served lately. All zero counts as missing.
	CookieSecret [32]byte
	Functions    Functions    // nil: deployments are answered from their files alone
	Log          *slog.Logger // nil: slog.Default
}

// Server answers HTTP/1.1. It is safe for concurrent use.
type Server struct {
	opts      Options
	resolver  router.Resolver
	sites     sites
	functions Functions      // nil: none run
	running   *addressCounts // of requests that functions work on; nil: no bound
	bodies    *bodies
	files     *openFiles
	answers   *answers
	dates     dates
	turns     turns
	pins      *pins
	now       func() time.Time
	fast      *fasthttp.Server
	faults    faultLog
	access    *accessLog // nil: none
	stats     counters
	perIP     *addressCounts // nil: no bound
	requests  *addressCounts // of clients behind a trusted proxy; nil: no bound

	slack time.Duration // by which the deadline of an idle connection may be late

	exchanges sync.Pool // *exchange
	buffers   sync.Pool // *[]byte of copySize
	lanes     sync.Pool // *lane
	pushers   sync.Pool // *pusher

	// base is given to every look-up. It belongs to the Server's life and not to a request's: a fill that one request
	// began serves those that wait for it too, and fasthttp reuses its RequestCtx. Cancelled when draining is over.
	base   context.Context
	cancel context.CancelFunc

	draining atomic.Bool
	open     atomic.Int64

	// mu guards the fields below; nothing else is locked under it.
	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	closed    bool

	tendOnce  sync.Once
	tending   sync.WaitGroup // files.tend
	accepting sync.WaitGroup // accept loops
	serving   sync.WaitGroup // connections
}

// New checks deps and opts, reporting all faults, and makes a Server that serves nothing yet.
func New(deps Deps, opts Options) (*Server, error) {
	var errs []error
	if deps.Resolver == nil {
		errs = append(errs, errors.New("no Resolver"))
	}
	if deps.Sites == nil {
		errs = append(errs, errors.New("no Sites"))
	}
	if deps.Blobs == nil {
		errs = append(errs, errors.New("no Blobs"))
	}
	if deps.CookieSecret == [32]byte{} {
		errs = append(errs, errors.New("no CookieSecret"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("make edge: %w", err)
	}
	return newServer(deps, compiledSites{deps.Sites}, opts)
}

// newServer takes another Sites than that of deps.
func newServer(deps Deps, sites sites, opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("make edge: %w", err)
	}
	log := deps.Log
	if log == nil {
		log = slog.Default()
	}
	bodies, err := newBodies(deps.Blobs, opts)
	if err != nil {
		return nil, fmt.Errorf("make edge: %w", err)
	}
	files, err := newOpenFiles(deps.Blobs, opts.OpenFiles)
	if err != nil {
		return nil, fmt.Errorf("make edge: %w", err)
	}
	answers, err := newAnswers(opts.AnswerCache)
	if err != nil {
		return nil, fmt.Errorf("make edge: %w", err)
	}
	pins, err := newPins(deps.CookieSecret, opts.SkewMaxAge)
	if err != nil {
		return nil, fmt.Errorf("make edge: %w", err)
	}
	s := &Server{
		opts:      opts,
		resolver:  deps.Resolver,
		sites:     sites,
		functions: deps.Functions,
		bodies:    bodies,
		files:     files,
		answers:   answers,
		pins:      pins,
		now:       time.Now,
		faults:    faultLog{log: log},
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
	}
	s.slack = min(opts.HeaderTimeout, opts.IdleTimeout) / 8
	s.exchanges.New = func() any { return new(exchange) }
	s.lanes.New, s.pushers.New = s.newLane, newPusher
	s.turns.began = time.Now()
	s.buffers.New = func() any { b := make([]byte, copySize); return &b }
	s.base, s.cancel = context.WithCancel(context.Background())
	if opts.MaxConnsPerIP > 0 {
		s.perIP = newAddressCounts(opts.MaxConnsPerIP)
		s.requests = newAddressCounts(opts.MaxConnsPerIP)
	}
	if opts.MaxFunctionsPerIP > 0 {
		s.running = newAddressCounts(opts.MaxFunctionsPerIP)
	}
	s.fast = s.newFastHTTP(log)
	if opts.AccessLog != nil {
		s.access = newAccessLog(opts.AccessLog, opts.AccessLogRing, log)
	}
	return s, nil
}

// newFastHTTP configures what parses heads and writes answers. Its own limits on connections are out of reach, since the
// accept loop holds ours; its WriteTimeout is unset, since it would bound whole responses.
func (s *Server) newFastHTTP(log *slog.Logger) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      s.serve,
		ErrorHandler:                 s.refuseUnparsed,
		ExpectHandler:                s.expect,
		HeaderReceived:               s.headerReceived,
		ConnState:                    s.connState,
		Concurrency:                  s.opts.MaxConns + 1,
		ReadBufferSize:               s.opts.MaxHeaderBytes,
		ReadTimeout:                  s.opts.HeaderTimeout,
		IdleTimeout:                  s.opts.IdleTimeout,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		Logger:                       fastLogger{log},
	}
}

// headerReceived gives a body its own deadline. A request without one costs no look at the clock.
func (s *Server) headerReceived(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if h.ContentLength() == -2 {
		return fasthttp.RequestConfig{}
	}
	if !h.IsHTTP11() {
		// RFC 9110 section 10.1.1: a 100-continue expectation in an HTTP/1.0 request is to be ignored. fasthttp would
		// send a 100 that the client takes for the answer.
		h.Del(fasthttp.HeaderExpect)
	}
	// fasthttp prefetches as much of a body as may be held, 8 KiB at most, before it asks the handler. One byte is the
	// least it can be told, so that a body that is too large is refused at once.
	return fasthttp.RequestConfig{ReadTimeout: s.opts.ReadTimeout, MaxRequestBodySize: 1}
}

// connState learns from fasthttp that an answer has been written and the next request is awaited.
func (s *Server) connState(nc net.Conn, state fasthttp.ConnState) {
	if c, ok := nc.(*conn); ok && state == fasthttp.StateIdle {
		c.answered()
	}
}

// fastLogger takes what fasthttp says about connections: clients' faults, of interest to a debugger only.
type fastLogger struct{ log *slog.Logger }

func (l fastLogger) Printf(format string, args ...any) {
	l.log.Debug("fasthttp", "text", fmt.Sprintf(format, args...))
}

// faultLog logs what went wrong on our side. A fault of the store fails every request: it is said once a second at most,
// with the number of those that were left out.
type faultLog struct {
	log    *slog.Logger
	next   atomic.Int64 // Unix nanoseconds before which nothing is logged
	unsaid atomic.Uint64
}

func (f *faultLog) report(msg string, args ...any) {
	now, next := time.Now().UnixNano(), f.next.Load()
	if now < next || !f.next.CompareAndSwap(next, now+int64(time.Second)) {
		f.unsaid.Add(1)
		return
	}
	f.log.Error(msg, append(args, "unlogged", f.unsaid.Swap(0))...)
}

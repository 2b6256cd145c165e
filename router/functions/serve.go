package functions

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/netutil"

	"berth/store"
)

// Assets answers code that asks for the files of its deployment.
type Assets interface {
	// ServeAsset answers r as a request for rawURL, which is absolute, to the files of a deployment.
	ServeAsset(w http.ResponseWriter, r *http.Request, no store.DeploymentNo, rawURL string)
}

const (
	headTime     = 10 * time.Second
	maxHead      = 128 << 10
	assetsOfEach = 16 // connections for each call that may be in flight
	loadsAtATime = 2  // each holds a bundle in memory
)

// newServer is what the dispatcher asks. Nobody else can: its socket is in a directory of this user's.
func (r *Runtime) newServer(assets Assets) *http.Server {
	loading := make(chan struct{}, loadsAtATime)
	return &http.Server{
		ReadHeaderTimeout: headTime, MaxHeaderBytes: maxHead,
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			no, err := strconv.ParseUint(req.Header.Get(fieldDeployment), 10, 64)
			switch {
			case err != nil:
				http.Error(w, "no deployment", http.StatusBadRequest)
			case req.URL.Path == "/code":
				loading <- struct{}{}
				defer func() { <-loading }()
				r.serveCode(w, req, store.DeploymentNo(no))
			default:
				rawURL := req.Header.Get(fieldURL)
				req.Header.Del(fieldURL)
				req.Header.Del(fieldDeployment)
				assets.ServeAsset(w, req, store.DeploymentNo(no), rawURL)
			}
		}),
	}
}

func (r *Runtime) serve() {
	err := r.server.Serve(netutil.LimitListener(r.ours, assetsOfEach*r.opts.MaxInFlight))
	if !errors.Is(err, http.ErrServerClosed) {
		r.log.Error("functions: their code can get no files", "err", err)
	}
}

func (r *Runtime) serveCode(w http.ResponseWriter, req *http.Request, no store.DeploymentNo) {
	code, err := r.source.Code(req.Context(), no)
	if err != nil {
		r.log.Error("functions: code cannot be had", "deployment", no, "err", err)
		status, text := http.StatusInternalServerError, "internal error"
		if errors.Is(err, store.ErrNotFound) {
			status, text = http.StatusNotFound, "no such deployment"
		}
		http.Error(w, text, status)
		return
	}
	if newest := r.version.Load(); newest != nil && code.CompatibilityDate > *newest {
		code.CompatibilityDate = *newest // a later one is refused, an earlier one changes little
	}
	r.stats.loads.Add(1)
	_ = code.writeTo(w) // an error is the end of the process
}

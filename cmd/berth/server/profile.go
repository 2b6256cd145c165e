package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"

	"berth/store/control"
)

// profilePath is where profiles are served, as `go tool pprof` expects it.
const profilePath = "/debug/pprof/"

// maxProfileSeconds bounds how long a profile may be taken for one call.
const maxProfileSeconds = 300

// apiHandler is the API, the server's counts, and, if the operator asked for it, profiles of this process beside them. Counts are of all accounts,
// and profiles say what the server works on, down to hosts and paths in its memory: only a server's administrator may have them.
func (r *running) apiHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, administrators(r.control.Authenticate, metricsHandler(r.metrics)))
	if r.Pprof {
		mux.Handle("GET "+profilePath+"{name}", administrators(r.control.Authenticate, http.HandlerFunc(serveProfile)))
	}
	api := r.control.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// Whatever is not of this mux goes on as it came: a mux would lead paths with // elsewhere.
		if _, pattern := mux.Handler(req); pattern != "" {
			mux.ServeHTTP(w, req)
			return
		}
		api.ServeHTTP(w, req)
	})
}

// administrators lets only those through who administer the server.
func administrators(authenticate func(string) (control.Principal, error), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		p, err := authenticate(token)
		switch e := (*control.Error)(nil); {
		case errors.As(err, &e):
			http.Error(w, e.Message, e.Status)
		case err != nil:
			http.Error(w, "the token could not be checked", http.StatusInternalServerError)
		case !p.AdministersServer():
			http.Error(w, "this needs a server admin's token", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func serveProfile(w http.ResponseWriter, r *http.Request) {
	if text := r.FormValue("seconds"); text != "" {
		if n, err := strconv.Atoi(text); err != nil || n < 0 || n > maxProfileSeconds {
			http.Error(w, fmt.Sprintf("seconds: want 0 to %d", maxProfileSeconds), http.StatusBadRequest)
			return
		}
	}
	switch name := r.PathValue("name"); name {
	case "profile":
		pprof.Profile(w, r)
	case "trace":
		pprof.Trace(w, r)
	case "cmdline", "symbol":
		http.NotFound(w, r) // the first may hold what is nobody's business, and the other is not needed any more
	default:
		pprof.Handler(name).ServeHTTP(w, r)
	}
}

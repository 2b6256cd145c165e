package control

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

const apiPrefix = "/client/v4"

const maxMessage = 8 << 10 // bytes of an error that are shown; none of our own wording needs as many

// Bounds on what is read from a client that has its answer already and still sends. net/http would close the
// connection under it, and the reset would destroy the answer before the client reads it. Up to drainBefore it reads
// by itself, before it answers.
const (
	drainBytes  = 64 << 20
	drainTime   = 5 * time.Second
	drainBefore = 256 << 10
)

// Handler serves the API: /client/v4/…, /healthz, /readyz.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, e := range s.endpoints() {
		method, path, ok := strings.Cut(e.pattern, " ")
		if !ok {
			method, path = "", method
		}
		mux.Handle(strings.TrimSpace(method+" "+apiPrefix+path), s.authorised(e))
	}
	mux.Handle("GET /healthz", plain(func() (int, string) { return http.StatusOK, "ok\n" }))
	mux.Handle("GET /readyz", plain(s.readiness))
	return s.outermost(mux)
}

func (s *Service) readiness() (int, string) {
	if s.ready.Load() {
		return http.StatusOK, "ready\n"
	}
	return http.StatusServiceUnavailable, "not ready\n"
}

// plain answers probes, which want a status and no envelope.
func plain(f func() (int, string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status, text := f()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	})
}

// outermost cleans the path, recovers panics, logs, and answers in an envelope what no endpoint answers.
func (s *Service) outermost(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		seen := &statusWriter{ResponseWriter: w}
		// A copy, because net/http decides by the type of its own request's body what to do with what is left of it.
		r = r.WithContext(r.Context())
		b := s.newBody(seen, r)
		r.Body = b
		defer func() {
			if p := recover(); p != nil {
				s.recovered(seen, r, p)
			}
			s.logCall(r, seen, time.Since(start))
			drain(r, b)
		}()
		collapse(r)
		// ServeMux redirects a path with dot segments; here it is one more path that nobody serves.
		if h, pattern := mux.Handler(r); strings.Contains(r.URL.Path, "/.") {
			s.unrouted(seen, r, http.NotFoundHandler())
		} else if pattern == "" {
			s.unrouted(seen, r, h)
		} else {
			mux.ServeHTTP(seen, r)
		}
	})
}

func (s *Service) newBody(w http.ResponseWriter, r *http.Request) *body {
	return &body{src: r.Body, rc: http.NewResponseController(w), timeout: s.opts.BodyTimeout, rate: s.opts.MinBodyRate,
		limit: s.opts.MaxJSONBytes, what: "this endpoint"}
}

// collapse makes one slash of many, and drops one at the end: a base URL that ends in a slash gives "//accounts/…".
// ServeMux would redirect, which no client follows with its body.
func collapse(r *http.Request) {
	for _, p := range []*string{&r.URL.Path, &r.URL.RawPath} {
		for strings.Contains(*p, "//") {
			*p = strings.ReplaceAll(*p, "//", "/")
		}
		if len(*p) > 1 {
			*p = strings.TrimSuffix(*p, "/")
		}
	}
}

// unrouted answers a path or a method that the table does not have. miss is ServeMux's answer, of which only the status
// and the Allow field are wanted.
func (s *Service) unrouted(w http.ResponseWriter, r *http.Request, miss http.Handler) {
	probe := &discardWriter{header: make(http.Header)}
	miss.ServeHTTP(probe, r)
	if allow := probe.header.Get("Allow"); probe.status == http.StatusMethodNotAllowed && allow != "" {
		w.Header().Set("Allow", allow)
		s.fail(w, r, refuse(http.StatusMethodNotAllowed, codeRoute, "%s is not a method of %s (use %s)", r.Method, r.URL.Path, allow))
		return
	}
	s.fail(w, r, refuse(http.StatusNotFound, codeRoute, "there is no endpoint %s %s", r.Method, r.URL.Path))
}

func (s *Service) recovered(w *statusWriter, r *http.Request, p any) {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.deps.Log.Error("panic in an API call", slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if w.status == 0 {
		s.fail(w, r, fmt.Errorf("panic: %v", p))
	}
}

// fail answers an error. The cause of an internal one goes to the log.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	if e.Status >= 500 && e.Cause != nil {
		s.deps.Log.Error("API call failed", slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("error", e.Cause))
	}
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="berth"`)
	}
	message := e.Message
	if len(message) > maxMessage { // encoding/json, for one, quotes a number of any length
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	reply(w, r, e.Status, envelope{Errors: []envelopeError{{Code: e.Code, Message: message}}})
}

// reply writes an envelope. What is unread of the body must not keep it: a long one is read after the answer and the
// connection then closed, a short one by net/http, in bounded time.
func reply(w http.ResponseWriter, r *http.Request, status int, e envelope) {
	if b, ok := r.Body.(*body); ok && !bodyRead(r) && r.ProtoMajor == 1 {
		_ = b.rc.SetReadDeadline(b.patience())
		if r.ContentLength < 0 || r.ContentLength > drainBefore || b.slow() {
			w.Header().Set("Connection", "close")
		}
	}
	writeEnvelope(w, status, e)
}

// bodyRead says whether all of the request is read.
func bodyRead(r *http.Request) bool {
	b, ok := r.Body.(*body)
	return !ok || b.err == io.EOF || r.ContentLength == 0
}

// drain reads what a client still sends, after its answer is on its way.
func drain(r *http.Request, b *body) {
	// A client that asked before sending (100-continue) has its answer and sends nothing.
	if bodyRead(r) || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
		return
	}
	_ = b.rc.Flush()
	_ = b.rc.SetReadDeadline(b.patience())
	_, _ = io.CopyN(io.Discard, b.src, drainBytes)
}

// logCall writes the request log: refusals at info, the rest at debug.
func (s *Service) logCall(r *http.Request, w *statusWriter, took time.Duration) {
	level := slog.LevelDebug
	if w.status >= 400 {
		level = slog.LevelInfo
	}
	s.deps.Log.LogAttrs(context.WithoutCancel(r.Context()), level, "API call", slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", w.status), slog.Duration("took", took))
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// discardWriter keeps a handler's status and header only.
type discardWriter struct {
	header http.Header
	status int
}

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *discardWriter) WriteHeader(status int)      { w.status = status }

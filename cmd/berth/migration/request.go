package migration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/load"
	"berth/migrate/ramp"
	"berth/migrate/verify"
	"berth/store/control"
)

// Codes of the envelope, as control uses them.
const (
	codeBadRequest = 8000011
	codeNotFound   = 8000009
	codeConflict   = 8000017
)

const (
	maxWhy  = 1000 // bytes of a reason
	maxIDs  = 10_000
	maxPage = 1000
)

func refuse(status, code int, format string, args ...any) error {
	return &control.Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func bad(format string, args ...any) error {
	return refuse(http.StatusBadRequest, codeBadRequest, format, args...)
}

func conflict(format string, args ...any) error {
	return refuse(http.StatusConflict, codeConflict, format, args...)
}

// public gives the faults that a caller can do something about their face; others stay internal.
func public(err error) error {
	switch {
	case err == nil:
		return nil
	case isRefusal(err):
		return conflict("%s", plain(err))
	case errors.Is(err, backfill.ErrNoFailure):
		return refuse(http.StatusNotFound, codeNotFound, "%s", err)
	}
	return err
}

// plain is a refusal without what only says which package it is of. Words of the message itself, such as the name of a phase, stay.
func plain(err error) string {
	text := err.Error()
	for _, sentinel := range []error{migrate.ErrPhase, verify.ErrPhase} {
		text = strings.Replace(text, sentinel.Error()+": ", "", 1)
	}
	for _, sentinel := range []error{ramp.ErrConflict, ramp.ErrChanged, load.ErrConcurrent} {
		_, without, _ := strings.Cut(sentinel.Error(), ": ")
		text = strings.Replace(text, sentinel.Error(), without, 1)
	}
	for _, prefix := range []string{"ramp: ", "load: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

// isRefusal is true of an error that says what does not go now.
func isRefusal(err error) bool {
	for _, target := range []error{migrate.ErrPhase, verify.ErrPhase, ramp.ErrConflict, ramp.ErrChanged, load.ErrConcurrent} {
		if errors.Is(err, target) {
			return true
		}
	}
	return strings.HasPrefix(err.Error(), "ramp: ") // its words on a plan, or on one that runs already
}

// readJSON reads a request's body, strictly: a field that is not known is a mistake that would be done nothing about.
func readJSON(r *http.Request, v any) error {
	raw, err := io.ReadAll(r.Body) // control bounds it
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return bad("the request body does not fit: %v", err)
	}
	return nil
}

// checkWhy wants a reason: whoever reads the log in a month has nothing else.
func checkWhy(why string) error {
	switch {
	case strings.TrimSpace(why) == "":
		return bad("why is missing: say in a few words why, for the log")
	case len(why) > maxWhy:
		return bad("why has %d bytes; want at most %d", len(why), maxWhy)
	}
	return nil
}

// who is how the log calls the caller.
func who(p control.Principal) string {
	if p.Token.Name != "" {
		return p.Token.Name
	}
	return "token " + p.Token.ID
}

// handler is one call of the API.
type handler func(context.Context, control.Principal, *http.Request) (any, error)

// Mount adds the calls to the API, and learns from it which hosts are served. It must be called once, before the API's handler is made.
func (s *Service) Mount(c *control.Service) {
	s.hosts = c.Hosts
	s.mountImport(c)
	for pattern, h := range map[string]handler{
		"GET /berth/migrate":                 s.getStatus,
		"GET /berth/migrate/plan":            s.getPlan,
		"GET /berth/migrate/report":          s.getReport,
		"GET /berth/migrate/log":             s.getLog,
		"POST /berth/migrate/phase":          s.postPhase,
		"POST /berth/migrate/backfill":       s.postBackfill,
		"GET /berth/migrate/rollout":         s.getRollout,
		"POST /berth/migrate/rollout":        s.postRollout,
		"GET /berth/migrate/rollout/run":     s.getRun,
		"POST /berth/migrate/rollout/run":    s.postRun,
		"POST /berth/migrate/rollout/stop":   s.postStop,
		"POST /berth/migrate/shadow":         s.postSampling,
		"GET /berth/migrate/verify":          s.getVerify,
		"POST /berth/migrate/verify":         s.postVerify,
		"GET /berth/migrate/diffs":           s.getDiffs,
		"POST /berth/migrate/finish":         s.postFinish,
		"GET /berth/migrate/failures":        s.getFailures,
		"POST /berth/migrate/failures/retry": s.postRetry,
		"POST /berth/migrate/failures/skip":  s.postSkip,
	} {
		c.Extra(pattern, control.NeedServer, func(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
			v, err := h(ctx, p, r)
			return v, public(err)
		})
	}
}

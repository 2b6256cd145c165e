package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

// Codes that this client acts on.
const (
	CodeAuth           = 10000
	CodeForbidden      = 9109
	CodeProjectMissing = 8000007
	CodeProjectExists  = 8000002
	CodeUploadToken    = 8000013 // the upload token expired: fetch another one
)

// Detail is one entry of an answer's errors.
type Detail struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Error is a refusal by the server.
type Error struct {
	Base         string // address of the API
	Method, Path string
	Status       int
	Details      []Detail
	Malformed    string // start of a body that was not an envelope
	Location     string // of a redirect
	TokenFile    string // where the token was read that it came with; "": elsewhere
}

func (e *Error) Error() string {
	if e.Location != "" && len(e.Details) == 0 {
		return fmt.Sprintf("%s %s%s: redirected to %s: point --api (BERTH_API) at the address that answers itself", e.Method, e.Base, e.Path, e.Location)
	}
	if len(e.Details) == 0 {
		hint := "is this address a Berth API?"
		if e.Status >= 500 {
			hint = "the server, or a proxy before it, is in trouble"
		}
		return fmt.Sprintf("%s %s%s: the answer is %d %s without a readable reason (%q): %s",
			e.Method, e.Base, e.Path, e.Status, http.StatusText(e.Status), e.Malformed, hint)
	}
	var parts []string
	for _, d := range e.Details {
		parts = append(parts, fmt.Sprintf("%s [code: %d]", d.Message, d.Code))
	}
	msg := strings.Join(parts, "; ")
	switch {
	case e.Has(CodeAuth) && e.TokenFile != "":
		msg += fmt.Sprintf("\n  the token is that of %s: either it was revoked (berth token create --offline makes another one), or the server at %s has another data directory: give --api URL of the one that has this, or --data DIR of that server", e.TokenFile, e.Base)
	case e.Has(CodeAuth):
		msg += "\n  give a valid token with --token or BERTH_API_TOKEN; on the server's own machine, --data DIR finds DIR/admin.token"
	case e.Has(CodeForbidden):
		msg += "\n  this token may not do that: use one with a wider scope (berth token create)"
	}
	return msg
}

// Has says whether the server gave this code.
func (e *Error) Has(code int) bool {
	return slices.ContainsFunc(e.Details, func(d Detail) bool { return d.Code == code })
}

// HasCode says whether err is the server's refusal with this code.
func HasCode(err error, code int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Has(code)
}

// Temporary says that the same call may succeed later: the network failed, or the server (or a proxy before it) did.
func Temporary(err error) bool {
	if e, ok := errors.AsType[*NetworkError](err); ok {
		return !e.Fatal
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	return e.Status >= 500 && e.Status != http.StatusNotImplemented || e.Status == http.StatusRequestTimeout || e.Status == http.StatusTooManyRequests
}

// NetworkError is a call without an answer.
type NetworkError struct {
	Base, Method, Path string
	Err                error
	// Unsent says that no connection was made, so the server cannot have acted.
	Unsent bool
	// Fatal says that no retry mends it.
	Fatal bool
}

func (e *NetworkError) Unwrap() error { return e.Err }

func (e *NetworkError) Error() string {
	msg := fmt.Sprintf("%s %s%s: %v", e.Method, e.Base, e.Path, e.Err)
	switch {
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		msg += "\n  nothing listens there: start `berth serve`, or point --api (BERTH_API) at the server"
	case isCertificateError(e.Err):
		msg += "\n  for a private certificate authority give its PEM file with --api-ca"
	}
	return msg
}

func isCertificateError(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

func (c *Client) networkError(ctx context.Context, req Request, err error) error {
	// The reader of a body may have found the reason: a file that changed is not the network's fault.
	if b, ok := errors.AsType[*BodyError](err); ok {
		return b.Err
	}
	if cause := context.Cause(ctx); cause != nil && cause != errStalled && cause != errNoAnswer {
		return cause
	} else if cause != nil {
		err = cause
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err // our own message names method and address
	}
	op, _ := errors.AsType[*net.OpError](err)
	fatal := isCertificateError(err) || strings.Contains(err.Error(), "gave HTTP response to HTTPS client")
	return &NetworkError{
		Base: c.base, Method: req.Method, Path: req.Path, Err: err,
		Unsent: fatal || op != nil && op.Op == "dial", Fatal: fatal,
	}
}

// BodyError wraps the failure of a Body's reader, so that it is told from the network's.
type BodyError struct{ Err error }

func (e *BodyError) Error() string { return e.Err.Error() }
func (e *BodyError) Unwrap() error { return e.Err }

// decode turns an answer into a result or an *Error. Success is what the body says, not the status.
func (c *Client) decode(req Request, res *http.Response, text []byte) (Answer, error) {
	var env struct {
		Success  *bool           `json:"success"`
		Errors   []Detail        `json:"errors"`
		Messages []string        `json:"messages"`
		Result   json.RawMessage `json:"result"`
		Info     *PageInfo       `json:"result_info"`
	}
	if len(text) == 0 && res.StatusCode == http.StatusNoContent {
		return Answer{Result: json.RawMessage("null")}, nil
	}
	failure := &Error{Base: c.base, Method: req.Method, Path: req.Path, Status: res.StatusCode, Location: res.Header.Get("Location")}
	if req.Bearer == "" {
		failure.TokenFile = c.source
	}
	if err := json.Unmarshal(text, &env); err != nil || env.Success == nil {
		failure.Malformed = string(text[:min(len(text), 100)])
		return Answer{}, failure
	}
	if !*env.Success {
		failure.Details = env.Errors
		failure.Malformed = string(text[:min(len(text), 100)])
		return Answer{}, failure
	}
	if env.Result == nil {
		env.Result = json.RawMessage("null")
	}
	return Answer{Result: env.Result, Info: env.Info, Messages: env.Messages}, nil
}

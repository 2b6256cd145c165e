package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"berth/store"
)

// Error is a refusal as the caller sees it: an HTTP status, a code in the envelope and a message that says what, where
// and what to do. Cause is for the log only.
type Error struct {
	Status  int
	Code    int
	Message string
	Cause   error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Cause }

// refuse makes an Error without a private cause.
func refuse(status, code int, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Codes of the envelope. wrangler acts on a few of them (see the comments); none may be divisible by 256 where an asset
// call can answer it, because wrangler makes it the exit status modulo 256.
const (
	codeAuth           = 10000   // wrangler then asks whoami and exits 1
	codeForbidden      = 9109    // valid token, not allowed
	codeNotUserToken   = 1000    // answer of /user/tokens/verify for a token we do not know
	codeProjectMissing = 8000007 // wrangler: "project not found"
	codeUploadToken    = 8000013 // only for an expired or invalid upload JWT: wrangler loops on it
	codeProjectExists  = 8000002
	codeBadRequest     = 8000011
	codeNotFound       = 8000009
	codeConflict       = 8000017
	codeTooLarge       = 8000019
	codeNotImplemented = 8000021
	codeInternal       = 8000023 // never 8000000: wrangler would send the deployment again
	codeRoute          = 7003    // no such endpoint, or not with this method
	codeBusy           = 8000025 // too many calls at once
	codeSlow           = 8000027 // the client stopped sending its body
	codeDiskFull       = 8000029
	codeLimit          = 8000031 // a bound of the account or project is reached
)

type resultInfo struct {
	Page       int  `json:"page"`
	PerPage    int  `json:"per_page"`
	Count      int  `json:"count"`
	TotalCount *int `json:"total_count,omitempty"` // left out of a listing too long to be counted for each page
	// Cursor, given instead of a page, is the next page; left out if there is none. It costs the same however far into the listing.
	Cursor string `json:"cursor,omitempty"`
}

type envelopeError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// envelope is the body of every answer. Errors and Messages are never nil: `null` there crashes wrangler 4.60.
type envelope struct {
	Success    bool            `json:"success"`
	Errors     []envelopeError `json:"errors"`
	Messages   []string        `json:"messages"`
	Result     any             `json:"result"`
	ResultInfo *resultInfo     `json:"result_info,omitempty"`
}

func writeEnvelope(w http.ResponseWriter, status int, e envelope) {
	if e.Errors == nil {
		e.Errors = []envelopeError{}
	}
	if e.Messages == nil {
		e.Messages = []string{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(e) // the client is gone: nobody is left to tell
}

// asError gives every failure its public face. What is not an *Error is internal: the caller learns that it failed and
// that the log has more, the log gets the cause.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	e = &Error{Status: http.StatusInternalServerError, Code: codeInternal, Cause: err,
		Message: "internal error; the server's log has the cause"}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, store.ErrDiskFull):
		e.Status, e.Code, e.Message = http.StatusInsufficientStorage, codeDiskFull, "the server's disk is full; nothing was changed. "+
			"Its operator has to make room on that disk; berth sweep removes what no deployment needs"
	case errors.Is(err, store.ErrUncertain): // matches ErrBroken too
		e.Message = "the server's disk failed during this call; whether it took effect shows once the server was restarted"
	case errors.Is(err, store.ErrBroken):
		e.Status, e.Message = http.StatusServiceUnavailable, "the server's disk failed, and it changes nothing until it is restarted"
	case errors.Is(err, store.ErrClosed):
		e.Status, e.Message = http.StatusServiceUnavailable, "the server is stopping"
	}
	return e
}

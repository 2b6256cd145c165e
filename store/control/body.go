package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"time"
)

// body is a request's body within bounds: of size, of the time without a byte, and of the time that is waited for all of them. Its
// error is an *Error, ready to be answered, and stays.
//
// A client that sends a byte now and then would keep a call for ever, of the few that are worked on at once. So what is waited for in
// all is bounded too: by timeout, and for each byte that came by what it takes at rate. Only waiting counts, not what is done
// with the bytes: a server that is busy does not make its clients slow.
type body struct {
	src     io.ReadCloser
	rc      *http.ResponseController
	timeout time.Duration
	rate    int64 // bytes a second
	limit   int64
	what    string // the limit's name in words, for the refusal
	read    int64
	waited  time.Duration
	err     error
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	// One byte over the limit is asked for, so that a body of exactly the limit can end.
	if room := b.limit - b.read + 1; int64(len(p)) > room {
		p = p[:room]
	}
	began := time.Now()
	_ = b.rc.SetReadDeadline(began.Add(b.left())) // not every transport has one
	n, err := b.src.Read(p)
	took := time.Since(began)
	b.waited += took
	b.read += int64(n)
	if b.read > b.limit {
		b.err = b.tooLarge()
		return 0, b.err
	}
	if err != nil {
		b.err = b.explain(err, took)
	}
	return n, b.err
}

// left is how long the next bytes may take.
func (b *body) left() time.Duration {
	return min(b.timeout, b.allowed()-b.waited)
}

// allowed is how long the bytes so far, and those that follow, may have been waited for.
func (b *body) allowed() time.Duration {
	return b.timeout + time.Duration(float64(b.read)/float64(b.rate)*float64(time.Second))
}

func (b *body) Close() error { return b.src.Close() }

// slow says whether the client stopped sending.
func (b *body) slow() bool {
	e, ok := b.err.(*Error)
	return ok && e.Code == codeSlow
}

// patience is until when a client may still send what nobody wants. One that stopped sending has had its time.
func (b *body) patience() time.Time {
	if b.slow() {
		return time.Now()
	}
	return time.Now().Add(min(drainTime, b.timeout))
}

func (b *body) tooLarge() *Error {
	return refuse(http.StatusRequestEntityTooLarge, codeTooLarge, "the request body has more than %d bytes, the limit for %s", b.limit, b.what)
}

func (b *body) explain(err error, took time.Duration) error {
	var e *Error
	switch {
	case err == io.EOF:
		return io.EOF
	case errors.As(err, &e):
		return e
	case errors.Is(err, os.ErrDeadlineExceeded) && took < b.timeout:
		return &Error{Status: http.StatusRequestTimeout, Code: codeSlow, Cause: err,
			Message: fmt.Sprintf("the request body came too slowly: %d bytes in %v, and less than %d bytes a second (--min-body-rate) are not waited for",
				b.read, b.waited.Round(time.Millisecond), b.rate)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{Status: http.StatusRequestTimeout, Code: codeSlow, Cause: err,
			Message: fmt.Sprintf("no byte of the request body came for %v (after %d bytes)", b.timeout, b.read)}
	default:
		return &Error{Status: http.StatusBadRequest, Code: codeBadRequest, Cause: err,
			Message: fmt.Sprintf("the request body broke off after %d bytes", b.read)}
	}
}

// allowBody sets the bound of this call's body, which is Options.MaxJSONBytes before. what says in words what is
// limited ("an asset upload (--max-upload-bytes)"). A body that announces more is refused without being read.
func (c *call) allowBody(limit int64, what string) error {
	c.body.limit, c.body.what = limit, what
	if c.r.ContentLength > limit {
		c.body.err = c.body.tooLarge()
		return c.body.err
	}
	return nil
}

// readJSON reads the whole body into dst, whatever its Content-Type says: wrangler labels JSON as text/plain. An empty
// body leaves dst alone. Keys that the struct has no field for are refused.
func (c *call) readJSON(dst any) error {
	raw, err := c.readLooseJSON(dst)
	if err != nil || len(raw) == 0 {
		return err
	}
	return checkKeys(raw, dst)
}

// readLooseJSON is readJSON that passes over keys it does not know, and returns the body. It is for calls that wrangler makes and
// nobody writes by hand: a newer one may say more.
func (c *call) readLooseJSON(dst any) ([]byte, error) {
	if c.r.ContentLength > c.body.limit {
		return nil, c.body.tooLarge()
	}
	raw, err := io.ReadAll(c.r.Body)
	if err != nil || len(raw) == 0 {
		return nil, err
	}
	if err := json.Unmarshal(raw, dst); err != nil {
		return nil, &Error{Status: http.StatusBadRequest, Code: codeBadRequest, Cause: err, Message: jsonFault(err)}
	}
	return raw, nil
}

// jsonKind is what JSON calls the kinds that bodies are read into: callers know nothing of Go.
func jsonKind(k reflect.Kind) string {
	switch k {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	}
	return "a " + k.String()
}

// jsonFault says in words what is wrong with a JSON body.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("the request body is not JSON: %v at byte %d", syntax, syntax.Offset)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Sprintf("the request body has a JSON %s where %q wants a %s", kind.Value, kind.Field, kind.Type)
	case errors.As(err, &kind):
		return fmt.Sprintf("the request body is a JSON %s; want %s", kind.Value, jsonKind(kind.Type.Kind()))
	default:
		return fmt.Sprintf("the request body does not fit: %v", err)
	}
}

package edge

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Options bound what strangers may do. A zero field takes the value that Defaults gives it, so the zero Options works.
type Options struct {
	// HeaderTimeout bounds how long the head of a request may take: from the opening of a connection for its first
	// request, from the first byte for the following ones; an eighth more is possible. It is what stops a client that
	// sends one byte a minute.
	HeaderTimeout time.Duration
	// ReadTimeout bounds how long the body of a request may take once its head is there. A whole request is thus read
	// within HeaderTimeout + ReadTimeout.
	ReadTimeout time.Duration
	// WriteTimeout bounds how long the client may take to accept each 64 KiB of a response; a quarter more is possible.
	// There is no bound on a whole response: a large download on a slow line is not a fault, a stalled one is.
	WriteTimeout time.Duration
	// IdleTimeout bounds how long a keep-alive connection may wait for its next request. An eighth of the
	// HeaderTimeout more is possible.
	IdleTimeout time.Duration
	// DrainGrace is how long, once Shutdown began, an idle connection is kept open for one more request.
	DrainGrace time.Duration

	// MaxHeaderBytes bounds request line and header fields together; more is a 431 (or a 414 if the line alone is too
	// long). A connection holds a buffer of this size while a request arrives, none while it is idle.
	MaxHeaderBytes int
	// MaxTargetBytes bounds the request target; more is a 414.
	MaxTargetBytes int
	// MaxBodyBytes bounds a request body, which is read and thrown away so that the client hears its 405 or redirect;
	// more is a 413 and the end of the connection.
	MaxBodyBytes int
	// MaxFunctionBody bounds a request body that goes to a function, in bytes; more is a 413. It has to come in ReadTimeout, and one
	// second more for each FunctionBodyRate bytes; time in which the function does not read does not count.
	MaxFunctionBody  int
	FunctionBodyRate int
	// MaxFunctionsPerIP bounds the requests of one client address (IPv6: of one /64) that functions work on; one more is answered 429, with
	// Retry-After. Negative: no bound.
	MaxFunctionsPerIP int
	// MaxConns bounds open connections; one more is answered 503 at once.
	MaxConns int
	// MaxConnsPerIP bounds the open connections of one client address (IPv6: of one /64); one more is answered 429 at
	// once. Clients behind a trusted proxy are bounded in concurrent requests instead. Negative: no bound.
	MaxConnsPerIP int

	// TrustedProxies are the peers whose X-Forwarded-For and X-Forwarded-Proto are believed. Default: nobody.
	TrustedProxies []netip.Prefix

	// BodyCache bounds the bytes of file contents kept in memory; BodyCacheMaxItem is the largest file that is kept, in
	// bytes. Larger ones are streamed from the blob store.
	BodyCache        int64
	BodyCacheMaxItem int64

	// AnswerCache bounds the bytes of answers that are kept whole, as they are sent to who asks for a file without further ado. A small
	// body in it is often in BodyCache too, and then takes memory once.
	AnswerCache int64
	// OpenFiles bounds the files that are kept open to be sent from, beside those that are being sent.
	OpenFiles int
	// PlainOnly has fasthttp serve every request from the first byte to the last: for comparisons.
	PlainOnly bool

	// SkewMaxAge bounds skew protection, for sites that turned it on: how long a browser keeps to the deployment that answered
	// its last navigation, and how long a deployment may be chosen after the host has moved on from it.
	SkewMaxAge time.Duration
	// KeepAssets bounds how long files of earlier deployments are answered, whatever a site asks for and whatever held when
	// the host moved on; 0: nothing more does, negative: never.
	KeepAssets time.Duration

	// AccessLog takes one JSON object a line for each request; nil: no log. It is written to from one goroutine and may
	// block: requests never wait for it. Rotation is its owner's business.
	AccessLog io.Writer
	// AccessLogRing is how many requests may wait to be logged; those beyond it are dropped and counted.
	AccessLogRing int
}

// Defaults returns the Options that zero fields stand for.
func Defaults() Options {
	return Options{
		HeaderTimeout:     10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       75 * time.Second,
		DrainGrace:        time.Second,
		MaxHeaderBytes:    16 << 10,
		MaxTargetBytes:    8 << 10,
		MaxBodyBytes:      64 << 10,
		MaxFunctionBody:   100 << 20,
		FunctionBodyRate:  16 << 10,
		MaxFunctionsPerIP: 64,
		MaxConns:          10_000,
		MaxConnsPerIP:     512,
		BodyCache:         64 << 20,
		BodyCacheMaxItem:  12 << 10,
		AnswerCache:       64 << 20,
		OpenFiles:         4096,
		SkewMaxAge:        24 * time.Hour,
		AccessLogRing:     8192,
	}
}

// Check reports every fault of the options, as New would.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}

// withDefaults fills zero fields and reports every fault of the others.
func (o Options) withDefaults() (Options, error) {
	d := Defaults()
	errs := []error{
		bound("HeaderTimeout", &o.HeaderTimeout, d.HeaderTimeout, time.Millisecond, time.Hour),
		bound("ReadTimeout", &o.ReadTimeout, d.ReadTimeout, time.Millisecond, time.Hour),
		bound("WriteTimeout", &o.WriteTimeout, d.WriteTimeout, time.Millisecond, time.Hour),
		bound("IdleTimeout", &o.IdleTimeout, d.IdleTimeout, time.Millisecond, 24*time.Hour),
		bound("DrainGrace", &o.DrainGrace, d.DrainGrace, time.Millisecond, time.Hour),
		bound("MaxHeaderBytes", &o.MaxHeaderBytes, d.MaxHeaderBytes, 512, 1<<20),
		bound("MaxTargetBytes", &o.MaxTargetBytes, d.MaxTargetBytes, 16, 1<<20),
		bound("MaxBodyBytes", &o.MaxBodyBytes, d.MaxBodyBytes, 1, 1<<30),
		bound("MaxFunctionBody", &o.MaxFunctionBody, d.MaxFunctionBody, 1, 1<<40),
		bound("FunctionBodyRate", &o.FunctionBodyRate, d.FunctionBodyRate, 1, 1<<30),
		bound("MaxConns", &o.MaxConns, d.MaxConns, 1, 1<<22),
		bound("BodyCache", &o.BodyCache, d.BodyCache, 1<<10, 1<<50),
		bound("BodyCacheMaxItem", &o.BodyCacheMaxItem, d.BodyCacheMaxItem, 1, 1<<30),
		bound("AnswerCache", &o.AnswerCache, d.AnswerCache, 1<<10, 1<<50),
		bound("OpenFiles", &o.OpenFiles, d.OpenFiles, 1, 1<<20),
		bound("SkewMaxAge", &o.SkewMaxAge, d.SkewMaxAge, time.Minute, 30*24*time.Hour),
		bound("AccessLogRing", &o.AccessLogRing, d.AccessLogRing, 2, 1<<20),
	}
	if o.MaxConnsPerIP == 0 {
		o.MaxConnsPerIP = d.MaxConnsPerIP
	}
	if o.MaxFunctionsPerIP == 0 {
		o.MaxFunctionsPerIP = d.MaxFunctionsPerIP
	}
	for _, p := range o.TrustedProxies {
		if !p.IsValid() {
			errs = append(errs, fmt.Errorf("TrustedProxies: %v is not an address range", p))
		} else if p.Addr().Is4In6() {
			// A peer's address is unmapped before it is compared, so this range would match nobody.
			errs = append(errs, fmt.Errorf("TrustedProxies: write %v as a range of IPv4 addresses", p))
		}
	}
	if o.MaxTargetBytes > o.MaxHeaderBytes {
		errs = append(errs, fmt.Errorf("MaxTargetBytes: %d is more than MaxHeaderBytes, %d", o.MaxTargetBytes, o.MaxHeaderBytes))
	}
	return o, errors.Join(errs...)
}

// bound sets a zero *v to def and says what is wrong with a value outside min and max.
func bound[T int | int64 | time.Duration](name string, v *T, def, min, max T) error {
	if *v == 0 {
		*v = def
	}
	if *v < min || *v > max {
		return fmt.Errorf("%s: %v is not between %v and %v", name, *v, min, max)
	}
	return nil
}

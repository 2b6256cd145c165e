// Package client speaks Berth's API: one call, one envelope, errors that say what the server said and where.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// maxAnswerBytes bounds what is read of one answer: a list of 1,000 deployments is under 2 MB.
const maxAnswerBytes = 64 << 20

// Options say where the server is and who asks.
type Options struct {
	API       string // base URL; /client/v4 is added if it is not there
	Token     string
	TokenFile string // where Token was read, for errors; "": elsewhere
	Account   string
	CAFile    string // PEM of a private certificate authority, "": the system's
	UserAgent string
}

// Client is safe for concurrent use.
type Client struct {
	base    string // ends in /client/v4
	token   string
	source  string // Options.TokenFile
	account string
	agent   string
	http    *http.Client
}

// New checks the options and touches no network.
func New(o Options) (*Client, error) {
	base, err := baseURL(o.API)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(o.Token, "\r\n\x00") {
		return nil, errors.New("the API token holds a line break: give the token alone")
	}
	transport, err := newTransport(o.CAFile)
	if err != nil {
		return nil, err
	}
	return &Client{base: base, token: o.Token, source: o.TokenFile, account: o.Account, agent: o.UserAgent, http: &http.Client{Transport: transport, CheckRedirect: stay}}, nil
}

// stay follows no redirect: a POST would arrive as a GET, and the token somewhere else.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// baseURL takes what people write: with or without scheme, trailing slash and /client/v4.
func baseURL(api string) (string, error) {
	raw := api
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("API address %q: %w", api, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("API address %q is not of the form http://HOST:PORT or https://HOST", api)
	}
	if u.User != nil {
		return "", errors.New("API address: a user name or password has no use there: give the token with --token")
	}
	path := strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(path, "/client/v4") {
		path += "/client/v4"
	}
	return u.Scheme + "://" + u.Host + path, nil
}

func newTransport(caFile string) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 8,
		// Under the 75 s for which the server keeps an idle connection, so that we close first and no POST meets a reset.
		IdleConnTimeout: 60 * time.Second,
		// Only HTTP/1.1 on the wire: one body, one connection, an exact Content-Length.
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("--api-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--api-ca %s: no PEM certificate in it", caFile)
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// Base is the API's address as it is used.
func (c *Client) Base() string { return c.base }

// Request is one call. Exactly one of JSON and Body may be set.
type Request struct {
	Method string
	Path   string // below /client/v4, built with Join
	Query  url.Values
	JSON   any
	Body   *Body
	Bearer string // instead of the API token
	Slow   bool   // the answer may take any time: fsck, sweep, deleting a large project
}

// Body is a streamed body of known length. Open is called once for every sending.
type Body struct {
	ContentType string
	Length      int64
	Open        func() (io.ReadCloser, error)
}

// Answer is the result of a call that succeeded.
type Answer struct {
	Result   json.RawMessage
	Info     *PageInfo
	Messages []string
}

// PageInfo says which part of a list an answer is.
type PageInfo struct {
	Page       int `json:"page"`
	PerPage    int `json:"per_page"`
	Count      int `json:"count"`
	TotalCount int `json:"total_count"`
}

// Join makes a path of segments, each escaped: a project named `a/b` stays one segment.
func Join(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// Account is Join below /accounts/{account}.
func (c *Client) Account(segments ...string) string {
	return Join(append([]string{"accounts", c.account}, segments...)...)
}

// Project is Join below the project.
func (c *Client) Project(name string, segments ...string) string {
	return c.Account(append([]string{"pages", "projects", name}, segments...)...)
}

// Do makes one call, once. Its error is an *Error if the server answered, else a *NetworkError.
func (c *Client) Do(ctx context.Context, req Request) (Answer, error) {
	ctx, watch := newWatchdog(ctx, req)
	defer watch.stop()
	hr, err := c.newRequest(ctx, req, watch)
	if err != nil {
		return Answer{}, err
	}
	res, err := c.http.Do(hr)
	if err != nil {
		return Answer{}, c.networkError(ctx, req, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes+1))
	if err != nil {
		return Answer{}, c.networkError(ctx, req, err)
	}
	return c.decode(req, res, text)
}

// Into is Do with the result decoded.
func (c *Client) Into(ctx context.Context, req Request, v any) (Answer, error) {
	a, err := c.Do(ctx, req)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(a.Result, v); err != nil {
		return a, fmt.Errorf("%s %s: the server's result is not what this berth expects (is it another version?): %w", req.Method, req.Path, err)
	}
	return a, nil
}

func (c *Client) newRequest(ctx context.Context, req Request, watch *watchdog) (*http.Request, error) {
	body, err := req.open(watch)
	if err != nil {
		return nil, err
	}
	target := c.base + req.Path
	if len(req.Query) > 0 {
		target += "?" + req.Query.Encode()
	}
	hr, err := http.NewRequestWithContext(ctx, req.Method, target, body.reader)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	hr.ContentLength = body.length
	hr.GetBody = body.again
	if body.contentType != "" {
		hr.Header.Set("Content-Type", body.contentType)
	}
	bearer := req.Bearer
	if bearer == "" {
		bearer = c.token
	}
	if bearer != "" {
		hr.Header.Set("Authorization", "Bearer "+bearer)
	}
	hr.Header.Set("User-Agent", c.agent)
	return hr, nil
}

type opened struct {
	reader      io.Reader
	length      int64
	contentType string
	again       func() (io.ReadCloser, error)
}

func (r Request) open(watch *watchdog) (opened, error) {
	switch {
	case r.Body != nil:
		again := func() (io.ReadCloser, error) {
			rc, err := r.Body.Open()
			if err != nil {
				return nil, err
			}
			return watch.wrap(rc), nil
		}
		rc, err := again()
		return opened{rc, r.Body.Length, r.Body.ContentType, again}, err
	case r.JSON != nil:
		text, err := json.Marshal(r.JSON)
		if err != nil {
			return opened{}, fmt.Errorf("encode request: %w", err)
		}
		again := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
		return opened{bytes.NewReader(text), int64(len(text)), "application/json", again}, nil
	}
	return opened{}, nil
}

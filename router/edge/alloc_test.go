//go:build !race

package edge

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"

	"berth/store"
)

// The race detector makes sync.Pool lose objects on purpose, so that this cannot hold with it.
func TestHandlerAllocatesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		opts    Options
		request string
	}{
		"page":   {request: browserRequest},
		"logged": {request: browserRequest, opts: Options{AccessLog: io.Discard}},
		"proxied": {
			request: strings.Replace(browserRequest, "Accept:", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nAccept:", 1),
			opts:    Options{AccessLog: io.Discard, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
		},
		"functions": {request: browserRequest, opts: Options{AccessLog: io.Discard}},
		"head":      {request: "HEAD" + strings.TrimPrefix(browserRequest, "GET")},
		"absolute":  {request: strings.Replace(browserRequest, "GET /", "GET http://docs.pages.example/", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			w := benchWorld(t)
			if name == "functions" {
				w.functions = newCode(t, nil)
			}
			h := newHandlerRun(t, start(t, w, tt.opts), tt.request, 200)
			if n := testing.AllocsPerRun(2000, func() { h.reset(); h.run() }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// An unknown host is what strangers can ask for most.
func TestUnknownHostAllocatesNothing(t *testing.T) {
	h := newHandlerRun(t, start(t, benchWorld(t), Options{AccessLog: io.Discard}), browserRequest, 200)
	h.ctx.Request.Header.SetHost("other.example")
	if n := testing.AllocsPerRun(2000, func() { h.reset(); h.run() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := h.ctx.Response.StatusCode(); n != 404 {
		t.Errorf("status %d", n)
	}
}

// Over a real connection, with everything that fasthttp does.
func TestLoopbackAllocatesNothing(t *testing.T) {
	r := start(t, benchWorld(t), Options{AccessLog: io.Discard})
	c := r.dial(t)
	request, buf := []byte(browserRequest), make([]byte, 4096)
	if n := testing.AllocsPerRun(2000, func() {
		if _, err := c.Conn.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Conn.Read(buf); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// From memory, and from a file.
func TestPreparedAnswersAllocateNothing(t *testing.T) {
	for _, size := range []int{1 << 10, 100 << 10} {
		w, dir := diskWorld(t)
		w.add("a.example", compileSite(t, dir, files{"/f": strings.Repeat("x", size)}))
		r := start(t, w, Options{AccessLog: io.Discard})
		c := r.dial(t)
		request := []byte(get("a.example", "/f"))
		head := len(c.send(string(request)).mustReadRaw(size)) - size
		buf := make([]byte, head+size)
		if n := testing.AllocsPerRun(2000, func() {
			if _, err := c.Conn.Write(request); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c.Conn, buf); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%d bytes: %v allocations", size, n)
		}
		if s := r.Stats(); s.Prepared < 2000 {
			t.Errorf("%d answers had been prepared", s.Prepared)
		}
	}
}

// mustReadRaw reads an answer with its head as it came, past the client's buffer.
func (c *client) mustReadRaw(size int) []byte {
	c.t.Helper()
	var got []byte
	for end := -1; end < 0 || len(got) < end+4+size; end = bytes.Index(got, []byte("\r\n\r\n")) {
		buf := make([]byte, 64<<10)
		n, err := c.Conn.Read(buf)
		if err != nil {
			c.t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	return got
}

// Hosts that moved on: what answers comes from caches, and what is added is written into buffers that stay.
func TestEarlierDeploymentsAllocateNothing(t *testing.T) {
	l, pin := skewed(t, Options{AccessLog: io.Discard})
	keeping := newLive(t, store.SiteSettings{}, Options{})
	keeping.deploy(page(1), store.SiteSettings{})
	keeping.deploy(page(2), store.SiteSettings{})
	for name, tt := range map[string]struct {
		r       *running
		request string
		status  int
	}{
		"navigation":  {l.running, "GET / HTTP/1.1\r\nHost: docs.example\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n\r\n", 200},
		"pinned":      {l.running, "GET /hashed.js HTTP/1.1\r\nHost: docs.example\r\nSec-Fetch-Dest: script\r\n" + pin + "\r\n\r\n", 200},
		"no such pin": {l.running, "GET /hashed.js HTTP/1.1\r\nHost: docs.example\r\nSec-Fetch-Dest: script\r\nCookie: berth_pin=" + strings.Repeat("A", 43) + "\r\n\r\n", 200},
		"named":       {l.running, "GET /app.js?dpl=abcd0001 HTTP/1.1\r\nHost: docs.example\r\nX-Deployment-Id: abcd0002\r\n\r\n", 200},
		"kept":        {keeping.running, "GET /only1.js HTTP/1.1\r\nHost: docs.example\r\n\r\n", 200},
		"parts":       {keeping.running, "GET /app.js HTTP/1.1\r\nHost: docs.example\r\nRange: bytes=0-0,4-4\r\n\r\n", 206},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandlerRun(t, tt.r, tt.request, tt.status)
			if n := testing.AllocsPerRun(2000, func() { h.reset(); h.run() }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

package edge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// FuzzHead compares our reading of a head with fasthttp's: a difference between the two is what smuggling is made of.
func FuzzHead(f *testing.F) {
	for _, seed := range []string{
		"Range: bytes=0-1", "range:\tbytes=0-1 \r\nRANGE:x", "Cookie: a=1\r\nCookie: b=2", "If-None-Match: \"a\"\r\n b", "X Y: 1",
		"Content-Length: 5\r\nTransfer-Encoding: chunked", "A:\nRange: x", "Accept-Encoding :br", "Sec-Fetch-Mode:", ":", "X: \x00",
		"X-Deployment-Id: 1\r\nSec-Purpose: prefetch;prerender\r\nx-deployment-id: 2",
		"Authorization: Basic x\r\nIf-Match: *\r\nIf-Modified-Since: x\r\nIf-Range: y\r\nSec-Fetch-Dest: z",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, fields []byte) {
		raw := append([]byte("GET / HTTP/1.1\r\nHost: a.example\r\n"), fields...)
		raw = append(raw, "\r\n\r\n"...)
		var theirs fasthttp.RequestHeader
		if theirs.Read(bufio.NewReaderSize(bytes.NewReader(raw), 1<<16)) != nil {
			return
		}
		var ours head
		if !ours.parse(theirs.RawHeaders()) {
			return
		}
		for name, got := range map[string]string{
			"Range": ours.rangeField, "Accept-Encoding": ours.acceptEncoding, "If-None-Match": ours.ifNoneMatch, "If-Match": ours.ifMatch,
			"If-Modified-Since": ours.ifModifiedSince, "If-Range": ours.ifRange, "Sec-Fetch-Dest": ours.secFetchDest,
			"Sec-Fetch-Mode": ours.secFetchMode, "X-Forwarded-For": ours.forwardedFor, "X-Forwarded-Proto": ours.forwardedProto,
			"Authorization": ours.authorization, "Cookie": ours.cookie, "X-Deployment-Id": ours.deploymentID,
			"Sec-Purpose": ours.secPurpose,
		} {
			var want []string
			for _, v := range theirs.PeekAll(name) {
				if len(want) == 1 && want[0] == "" {
					want = nil // an empty first line leaves no trace
				}
				want = append(want, string(v))
			}
			separator := ", "
			if name == "Cookie" {
				separator = "; "
			}
			if w := strings.Join(want, separator); got != w {
				t.Errorf("%s: %q, want %q", name, got, w)
			}
		}
		if te := theirs.ContentLength() == -1; te && !ours.hasTE {
			t.Error("a transfer coding was overlooked")
		}
		if theirs.ContentLength() >= 0 && !ours.hasLength {
			t.Error("a length was overlooked")
		}
	})
}

// FuzzConnection sends any bytes and wants whole responses back, the last of which ends the connection if it is a refusal.
func FuzzConnection(f *testing.F) {
	for _, seed := range []string{
		get("a.example", "/"), get("a.example", "/") + get("b.example", "/"), "GET / HTTP/1.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc" + get("a.example", "/"),
		"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n" + get("a.example", "/"),
		"POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
		"HEAD http://a.example/ HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	w := newWorld()
	w.add("a.example", text("page"))
	r := start(f, w, Options{HeaderTimeout: 2 * time.Second, ReadTimeout: 2 * time.Second, DrainGrace: time.Millisecond})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := r.dial(t)
		defer c.Close()
		go func() {
			_, _ = c.Conn.Write(data)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
		}()
		for refused := false; ; {
			// HEAD is told from GET by what was asked, which is not known here; so bodies are read by their length only
			// if they follow.
			resp, err := http.ReadResponse(c.br, nil)
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%q: not a response: %v", data, err)
			}
			if resp.StatusCode == http.StatusContinue {
				continue
			}
			if refused {
				t.Fatalf("%q: a response after a refusal", data)
			}
			refused = resp.StatusCode == 400
			if bytes.Contains(data, []byte("HEAD")) {
				break
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatalf("%q: %d: body %q: %v", data, resp.StatusCode, body, err)
			}
		}
		if s := r.Stats(); s.Panics != 0 {
			t.Fatalf("%q: %s", data, r.log.String())
		}
	})
}

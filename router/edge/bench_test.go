package edge

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"berth/assets"
	"berth/assets/manifest"
)

// browserRequest is what a current browser sends for a page it has seen before: 12 fields, about 900 bytes.
const browserRequest = "GET /assets/page.txt?v=20260101 HTTP/1.1\r\n" +
	"Host: docs.pages.example\r\n" +
	"Connection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\", \"Google Chrome\";v=\"142\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Referer: https://docs.pages.example/a/rather/long/path/to/the/page/before/this/one/with-words-in-it.html\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef0123456789abcdef; consent=all; theme=dark; seen=1,2,3,4,5,6,7,8\r\n\r\n"

// newBenchWorld serves a file of 1 KiB, by the real planner.
func newBenchWorld() (*world, error) {
	w := newWorld()
	g := w.blobs.put([]byte(constantBody))
	encoded, err := manifest.Encode([]manifest.Entry{{Path: "/assets/page.txt", Digest: g, Size: int64(len(constantBody))}})
	if err != nil {
		return nil, err
	}
	site, err := assets.Compile(assets.Input{Manifest: encoded})
	if err != nil {
		return nil, err
	}
	w.add("docs.pages.example", site)
	return w, nil
}

func benchWorld(tb testing.TB) *world {
	tb.Helper()
	w, err := newBenchWorld()
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// handlerRun is a request that can be handled again and again without a transport.
type handlerRun struct {
	s   *Server
	c   *conn
	ctx fasthttp.RequestCtx
}

func newHandlerRun(tb testing.TB, r *running, request string, status int) *handlerRun {
	tb.Helper()
	in, out := net.Pipe()
	tb.Cleanup(func() { in.Close(); out.Close() })
	h := &handlerRun{s: r.Server, c: r.newConn(in)}
	h.ctx.Init2(h.c, fastLogger{}, false)
	if err := h.ctx.Request.Header.Read(bufio.NewReaderSize(strings.NewReader(request), 16<<10)); err != nil {
		tb.Fatal(err)
	}
	h.run()
	if n := h.ctx.Response.StatusCode(); n != status {
		tb.Fatalf("status %d", n)
	}
	return h
}

func (h *handlerRun) run() {
	h.s.serve(&h.ctx)
}

func (h *handlerRun) reset() {
	h.c.answered()
	h.ctx.Response.Reset()
}

func BenchmarkHandler(b *testing.B) {
	for _, log := range []string{"none", "discard"} {
		b.Run("log="+log, func(b *testing.B) {
			var o Options
			if log == "discard" {
				o.AccessLog = io.Discard
			}
			h := newHandlerRun(b, start(b, benchWorld(b), o), browserRequest, 200)
			b.ReportAllocs()
			for b.Loop() {
				h.reset()
				h.run()
			}
		})
	}
}

// A pinned request asks more caches, and checks a signature.
func BenchmarkSkew(b *testing.B) {
	l, pin := skewed(b, Options{})
	for name, request := range map[string]string{
		"current": "GET /app.js HTTP/1.1\r\nHost: docs.example\r\n\r\n",
		"page":    "GET / HTTP/1.1\r\nHost: docs.example\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n\r\n",
		"pinned":  "GET /app.js HTTP/1.1\r\nHost: docs.example\r\nSec-Fetch-Dest: script\r\n" + pin + "\r\n\r\n",
	} {
		b.Run("request="+name, func(b *testing.B) {
			h := newHandlerRun(b, l.running, request, 200)
			b.ReportAllocs()
			for b.Loop() {
				h.reset()
				h.run()
			}
		})
	}
}

var constantBody = strings.Repeat("0123456789abcdef", 64)

// BenchmarkHead reads what a browser sends, all but its first line.
func BenchmarkHead(b *testing.B) {
	fields := []byte(browserRequest[strings.IndexByte(browserRequest, '\n')+1:])
	var h head
	b.ReportAllocs()
	for b.Loop() {
		if !h.parse(fields) || !h.plain() {
			b.Fatal("not parsed")
		}
	}
}

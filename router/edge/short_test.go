package edge

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/router"
)

// A file that cannot be had is told of as fasthttp tells of it, and what was asked for before it is answered; once it is back it is
// sent again.
func TestFileThatIsGone(t *testing.T) {
	r, content, name := largeFile(t, Options{}, 200<<10)
	if err := os.Rename(name, name+".away"); err != nil {
		t.Fatal(err)
	}
	r.files.cache.DropAll()
	c := r.dial(t).send(get("a.example", "/large.bin") + get("nobody.example", "/") + get("a.example", "/large.bin"))
	for i, want := range []string{"500", "404", "500"} {
		if got := c.mustRead(); got.status[:3] != want {
			t.Errorf("answer %d is %s, want %s", i, got.status, want)
		}
	}
	if s := r.Stats(); s.Faults != 2 {
		t.Errorf("%d faults", s.Faults)
	}
	if err := os.Rename(name+".away", name); err != nil {
		t.Fatal(err)
	}
	if got := c.send(get("a.example", "/large.bin")).mustRead(); got.body != content {
		t.Errorf("%s, %d bytes", got.status, len(got.body))
	}
}

// Where a file system has no sendfile, files are copied. A directory has none either.
func TestFileThatCannotBeSent(t *testing.T) {
	r, content, _ := largeFile(t, Options{}, 200<<10)
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	server, client := connected(t)
	c := r.newConn(server)
	if c.raw == nil {
		t.Skip("elsewhere than on Linux fasthttp sends files")
	}
	c.heard = true
	go func() {
		defer server.Close()
		if n, err := c.sendFile(&openFile{File: &memFile{Reader: bytes.NewReader([]byte(content))}, fd: int(dir.Fd()), size: int64(len(content))}, 100, int64(len(content))-100); err != nil || n != int64(len(content))-100 {
			t.Errorf("sent %d, %v", n, err)
		}
	}()
	got := new(strings.Builder)
	if _, err := bufio.NewReader(client).WriteTo(got); err != nil || got.String() != content[100:] {
		t.Errorf("%d bytes, or others: %v", got.Len(), err)
	}
}

// connected are both ends of a TCP connection.
func connected(t *testing.T) (server, client net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err == nil {
		server, err = ln.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return server, client
}

// The time for which a connection may be idle begins when its answer is over, however long that took.
func TestIdleTimeAfterALongAnswer(t *testing.T) {
	r, content, _ := largeFile(t, Options{IdleTimeout: 2 * time.Second}, 24<<20)
	c := r.dial(t)
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	quick := c.br
	c.send(get("a.example", "/large.bin"))
	c.br = bufio.NewReaderSize(slowly{c.Conn, time.NewTicker(8 * time.Millisecond)}, 64<<10) // 3 s in all
	if got := c.mustRead(); got.body != content {
		t.Fatalf("%d bytes, or others", len(got.body))
	}
	c.br = quick
	if got := c.send(get("nobody.example", "/")).mustRead(); got.status[:3] != "404" {
		t.Error(got.status)
	}
}

// Behind a proxy that speaks TLS the router is asked for the same host, port and path by both ways.
func TestRoutedAlikeBehindAProxy(t *testing.T) {
	var asked [2][]router.Query
	var mu sync.Mutex
	for side := range asked {
		w, dir := diskWorld(t)
		w.add("a.example", compileSite(t, dir, files{"/f": "content"}))
		found := w.hosts["a.example"]
		w.resolve = func(q *router.Query) (router.Decision, error) {
			mu.Lock()
			defer mu.Unlock()
			asked[side] = append(asked[side], router.Query{Host: q.Host, Path: strings.Clone(q.Path), Port: strings.Clone(q.Port)})
			return found, nil
		}
		r := start(t, w, Options{PlainOnly: side == 1, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
		for _, port := range []string{"", ":80", ":443", ":8443"} {
			for _, proto := range []string{"", "http", "https", "http, https"} {
				c := r.dial(t)
				for range 3 {
					if got := c.send("GET /f HTTP/1.1\r\nHost: a.example" + port + "\r\nX-Forwarded-Proto: " + proto + "\r\n\r\n").mustRead(); got.body != "content" {
						t.Error(got.status)
					}
				}
				c.Close()
			}
		}
		if r.Stats().Prepared == 0 != (side == 1) {
			t.Errorf("%d answers had been prepared", r.Stats().Prepared)
		}
	}
	if !slices.Equal(asked[0], asked[1]) {
		t.Errorf("the router was asked %v, and by fasthttp %v", asked[0], asked[1])
	}
}

// A panic of the router is a 500, whoever asked it.
func TestRouterPanics(t *testing.T) {
	for _, plain := range []bool{false, true} {
		w := newWorld()
		w.resolve = func(*router.Query) (router.Decision, error) { panic("made by the test") }
		r := start(t, w, Options{PlainOnly: plain})
		if got := r.dial(t).send(get("a.example", "/")).mustRead(); got.status[:3] != "500" || r.Stats().Panics != 1 {
			t.Errorf("%s, %d panics", got.status, r.Stats().Panics)
		}
	}
}

// One file has one prepared answer, however it is spelt.
func TestSpellingsOfAPath(t *testing.T) {
	w, dir := diskWorld(t)
	w.add("a.example", compileSite(t, dir, files{"/d/f": "content", "/d/\u00e9": "other"}))
	r := start(t, w, Options{})
	for _, path := range []string{"/d/f", "/d/%C3%A9"} {
		before := r.Stats().Answers.Entries
		for _, target := range []string{path, "/" + path, "/." + path, "/x/.." + path, "/d/." + path[2:], strings.Replace(path, "d", "%64", 1), strings.ToLower(path), path + "/."} {
			if _, err := r.dial(t).send(get("a.example", target)).read(false); err != nil && !errors.Is(err, errClosed) {
				t.Errorf("%s: %v", target, err)
			}
		}
		if n := r.Stats().Answers.Entries - before; n != 1 {
			t.Errorf("%s has %d prepared answers", path, n)
		}
	}
	for path, want := range map[string]bool{
		"/": true, "/a": true, "/a/": true, "/a.b/..c/.d": true, "/a%20b": true, "/%E2%82%AC": true, "/a,b;c=d@e!": true,
		"//": false, "/a//b": false, "/.": false, "/a/..": false, "/./a": false, "/a/../b": false, "/%61": false, "/%2e": false, "/%e2": false, "/%": false, "/%4": false,
		"/\u00e9": false, "/a b": false, "/<": false, "/%2F": false,
	} {
		if got := plainlySpelt([]byte(path)); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// What is logged of an answer is what became of it: one that waits for others, and is never taken, was not sent.
func TestAnswersThatAreNeverTaken(t *testing.T) {
	w, dir := diskWorld(t)
	w.add("a.example", compileSite(t, dir, files{"/f": strings.Repeat("x", 8000)}))
	var log logBuffer
	r := start(t, w, Options{WriteTimeout: time.Second, AccessLog: &log})
	first := r.dial(t)
	first.send(get("a.example", "/f")).mustRead()
	first.Close()
	eventually(t, "closed", func() bool { return r.Stats().OpenConns == 0 })
	before := r.Stats()
	c := r.dial(t)
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(8 << 10); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = c.Conn.Write([]byte(strings.Repeat(get("a.example", "/f"), 2000))) }()
	eventually(t, "cut off", func() bool { s := r.Stats(); return s.Conns == before.Conns+1 && s.OpenConns == 0 })
	lines := r.Stats().Prepared - before.Prepared
	eventually(t, "logged", func() bool { return strings.Count(log.String(), `"aborted":true`) >= 1 })
	if n := strings.Count(log.String(), `"aborted":true`); n < 2 || uint64(n) > lines {
		t.Errorf("%d of %d answers are logged as aborted, and both that waited were", n, lines)
	}
}

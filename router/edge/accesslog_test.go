package edge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"berth/router"
	"berth/store"
)

// lines decodes an access log.
func lines(t testing.TB, log string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(log) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, m)
	}
	return out
}

func TestAccessLog(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("page"))
	log := new(logBuffer)
	r := start(t, w, Options{AccessLog: log, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	c := r.dial(t)
	before := time.Now().Add(-time.Second)
	c.send("GET /p?\"q\" HTTP/1.1\r\nHost: A.example:80\r\nUser-Agent: agent\"\xff\r\nReferer: https://r.example/\r\n" +
		"X-Forwarded-For: 192.0.2.1\r\n\r\n").mustRead()
	c.send("HEAD /" + strings.Repeat("a", 3000) + " HTTP/1.1\r\nHost: a.example\r\nUser-Agent: " + strings.Repeat("b", 600) + "\r\n\r\n")
	if _, err := c.read(true); err != nil {
		t.Fatal(err)
	}
	c.send(get("unknown.example", "/x")).mustRead()
	c.send("GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n").mustRead()
	c.send("GET / HTTP/1.1\r\nHost: a b\r\n\r\n").mustRead()
	logged := func(n int) func() bool { return func() bool { return strings.Count(log.String(), "\n") == n } }
	eventually(t, "logged", logged(5)) // connections are logged in no order among each other
	r.dial(t).send("nonsense\r\n\r\n").mustRead()
	r.dial(t).Close() // says nothing, so there is nothing to log
	eventually(t, "logged", logged(6))
	got := lines(t, log.String())
	for _, m := range got {
		ts, err := time.Parse(time.RFC3339, m["ts"].(string))
		if err != nil || ts.Before(before) || ts.After(time.Now().Add(time.Second)) {
			t.Errorf("ts %v: %v", m["ts"], err)
		}
		if d, ok := m["duration_us"].(float64); !ok || d < 0 || d > 1e7 {
			t.Errorf("duration_us %v", m["duration_us"])
		}
		delete(m, "ts")
		delete(m, "duration_us")
	}
	line := func(client, host, method, target, proto string, status, bytes, dep, proj int, ua, ref string) map[string]any {
		return map[string]any{"client": client, "host": host, "method": method, "target": target, "proto": proto, "status": float64(status),
			"bytes": float64(bytes), "deployment": float64(dep), "project": float64(proj), "user_agent": ua, "referer": ref}
	}
	want := []map[string]any{
		line("192.0.2.1", "a.example", "GET", `/p?"q"`, "HTTP/1.1", 200, 4, 1, 7, "agent\"\ufffd", "https://r.example/"),
		line("127.0.0.1", "a.example", "HEAD", "/"+strings.Repeat("a", maxLogTarget-1), "HTTP/1.1", 200, 0, 1, 7, strings.Repeat("b", maxLogField), ""),
		line("127.0.0.1", "unknown.example", "GET", "/x", "HTTP/1.1", 404, 10, 0, 0, "", ""),
		line("127.0.0.1", "a.example", "GET", "/", "HTTP/1.0", 200, 4, 1, 7, "", ""),
		line("127.0.0.1", "", "GET", "/", "HTTP/1.1", 400, 12, 0, 0, "", ""),
		line("127.0.0.1", "", "", "", "HTTP/1.1", 400, 12, 0, 0, "", ""),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What a request waits for its route and its site is in its time, whichever way it is answered.
func TestAccessLogCountsTheSearch(t *testing.T) {
	const slow = 30 * time.Millisecond
	w := newWorld()
	w.add("a.example", text("page"))
	known := w.hosts["a.example"]
	w.resolve = func(*router.Query) (router.Decision, error) {
		time.Sleep(slow)
		return known, nil
	}
	for name, opts := range map[string]Options{"short": {}, "plain": {PlainOnly: true}} {
		log := new(logBuffer)
		opts.AccessLog = log
		c := start(t, w, opts).dial(t)
		for range 3 { // the later ones are prepared, if they may be
			c.send(get("a.example", "/")).mustRead()
		}
		eventually(t, "logged", func() bool { return strings.Count(log.String(), "\n") == 3 })
		for i, m := range lines(t, log.String()) {
			if d := time.Duration(m["duration_us"].(float64)) * time.Microsecond; d < slow {
				t.Errorf("%s, request %d: %v, and its route alone takes %v", name, i, d, slow)
			}
		}
	}
}

func TestAccessLogIsFlushedOnShutdown(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("page"))
	log := new(logBuffer)
	r := start(t, w, Options{AccessLog: log, DrainGrace: time.Millisecond})
	c := r.dial(t)
	for range 100 {
		c.send(get("a.example", "/")).mustRead()
	}
	c.Close()
	if err := <-shutdown(r, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if n := len(lines(t, log.String())); n != 100 {
		t.Errorf("%d lines after Shutdown, want 100", n)
	}
	if s := r.Stats(); s.LogLines != 100 || s.LogDropped != 0 {
		t.Errorf("stats %+v", s)
	}
}

// blockedWriter takes a write only when it is let.
type blockedWriter struct {
	logBuffer
	entered chan struct{}
	letGo   chan struct{}
	once    sync.Once
}

func (b *blockedWriter) Write(p []byte) (int, error) {
	b.once.Do(func() { close(b.entered) })
	<-b.letGo
	return b.logBuffer.Write(p)
}

// A log that blocks holds up nobody: the ring fills, the rest is dropped, counted, and said when the log recovers.
func TestAccessLogDropsWhenFull(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("page"))
	log := &blockedWriter{entered: make(chan struct{}), letGo: make(chan struct{})}
	r := start(t, w, Options{AccessLog: log, AccessLogRing: 16, DrainGrace: time.Millisecond})
	c := r.dial(t)
	c.send(get("a.example", "/")).mustRead()
	<-log.entered
	for range 40 {
		if got := c.send(get("a.example", "/")).mustRead(); got.body != "page" {
			t.Fatalf("%+v", got)
		}
	}
	eventually(t, "dropped", func() bool { return r.Stats().LogDropped == 24 })
	close(log.letGo)
	eventually(t, "recovered", func() bool { return strings.Count(log.String(), "\n") == 1+1+16 })
	n := 0
	for i, m := range lines(t, log.String()) {
		if v, ok := m["dropped"]; ok {
			if n++; v != float64(24) || i != 1 {
				t.Errorf("line %d: %v", i, m)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d lines say what was dropped", n)
	}
}

func TestAccessLogThatNeverReturns(t *testing.T) {
	log := &blockedWriter{entered: make(chan struct{}), letGo: make(chan struct{})}
	l := newAccessLog(log, 16, nil)
	l.put(new(record))
	<-log.entered
	if err := l.close(10 * time.Millisecond); err == nil {
		t.Error("close did not tell")
	}
	close(log.letGo)
	if err := l.close(10 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestAccessLogWriteErrors(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("page"))
	rd, wr := io.Pipe()
	rd.Close()
	r := start(t, w, Options{AccessLog: wr})
	c := r.dial(t)
	for i := range 3 {
		c.send(get("a.example", "/")).mustRead()
		eventually(t, "counted", func() bool { return r.Stats().LogErrors >= uint64(i+1) })
	}
	if n := strings.Count(r.log.String(), "\n"); n != 1 {
		t.Errorf("said %d times:\n%s", n, r.log.String())
	}
}

// Many producers and one consumer: nothing is lost, nothing comes twice, and what one producer pushed keeps its order.
func TestRing(t *testing.T) {
	const producers, each = 4, 5000
	q := newRing(64)
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := 0; i < each; {
				if q.push(&record{status: p, bytes: int64(i)}) {
					i++
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	next := make([]int64, producers)
	for ended := false; ; {
		r := q.pop()
		if r == nil {
			if ended {
				break
			}
			select {
			case <-done:
				ended = true
			default:
			}
			continue
		}
		if r.bytes != next[r.status] {
			t.Fatalf("producer %d: %d, want %d", r.status, r.bytes, next[r.status])
		}
		next[r.status]++
	}
	if d := cmp.Diff([]int64{each, each, each, each}, next); d != "" {
		t.Error(d)
	}
}

func TestRingIsBounded(t *testing.T) {
	q := newRing(5)
	for i := range 8 {
		if !q.push(new(record)) {
			t.Fatalf("push %d of 8 failed", i)
		}
	}
	if q.push(new(record)) || q.pop() == nil || !q.push(new(record)) || q.push(new(record)) {
		t.Error("the bound is not 8")
	}
}

func FuzzLogLine(f *testing.F) {
	f.Add([]byte("GET"), []byte("a.example"), []byte("/\"\\\x00\x7f\u2028"), []byte("\xff\xc3\x28"), []byte("\xed\xa0\x80"), int64(-1))
	f.Fuzz(func(t *testing.T, method, host, target, ua, ref []byte, n int64) {
		r := record{start: time.Unix(1e9, n), bytes: n,
			status: int(n % 1000), aborted: n%2 == 0, route: router.Decision{Deployment: store.DeploymentNo(n & (1<<40 - 1))}}
		const most = 4096
		method, host, target, ua, ref = cut(method, most), cut(host, most), cut(target, most), cut(ua, most), cut(ref, most)
		r.method, r.host, r.target = r.keep(method, most), r.keep(host, most), r.keep(target, most)
		r.userAgent, r.referer = r.keep(ua, most), r.keep(ref, most)
		line := r.appendLine(nil)
		if !utf8.Valid(line) || strings.Count(string(line), "\n") != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("not one line of UTF-8: %q", line)
		}
		var got struct {
			Method, Host, Target, Referer string
			UserAgent                     string `json:"user_agent"`
			Bytes                         int64
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, p := range [][2]string{{got.Method, string(method)}, {got.Host, string(host)}, {got.Target, string(target)},
			{got.UserAgent, string(ua)}, {got.Referer, string(ref)}, {fmt.Sprint(got.Bytes), fmt.Sprint(n)}} {
			if want := string([]rune(p[1])); p[0] != want { // conversion to runes puts U+FFFD where encoding/json would
				t.Errorf("%q, want %q", p[0], want)
			}
		}
	})
}

func cut(b []byte, n int) []byte { return b[:min(n, len(b))] }

// A record may be queued after the ring was found empty and before its consumer is known to sleep: nobody wakes it then.
func TestAccessLogDoesNotSleepOverARecord(t *testing.T) {
	l := &accessLog{ring: newRing(2), wake: make(chan struct{}, 1), stop: make(chan struct{})}
	l.ring.push(newRecord())
	slept := make(chan bool, 1)
	go func() { slept <- l.sleep() }()
	select {
	case more := <-slept:
		if !more || l.asleep.Load() {
			t.Errorf("sleep = %v, asleep = %v", more, l.asleep.Load())
		}
	case <-time.After(5 * time.Second):
		t.Error("asleep")
	}
}

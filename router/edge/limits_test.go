package edge

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets"
)

func TestTimeouts(t *testing.T) {
	const short = 300 * time.Millisecond
	tests := map[string]struct {
		opts Options
		send string
		want []string // statuses, then the end
	}{
		"nothing is sent":              {opts: Options{HeaderTimeout: short}},
		"the head does not end":        {opts: Options{HeaderTimeout: short}, send: "GET / HTTP/1.1\r\nHost: a.ex", want: []string{"408"}},
		"nothing more is sent":         {opts: Options{IdleTimeout: short}, send: get("a.example", "/"), want: []string{"200"}},
		"the second head does not end": {opts: Options{HeaderTimeout: short}, send: get("a.example", "/") + "GET", want: []string{"200", "408"}},
		"the body does not come": {
			opts: Options{ReadTimeout: short}, send: "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nabc",
			want: []string{"408"},
		},
		"a long body does not end": {
			opts: Options{ReadTimeout: short},
			send: "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("a", 8500),
			want: []string{"408"},
		},
		"a chunk does not end": {
			opts: Options{ReadTimeout: short}, send: "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
			want: []string{"408"},
		},
		"the chunks do not end": {
			opts: Options{ReadTimeout: short}, send: "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3;x",
			want: []string{"408"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.add("a.example", text("page"))
			r := start(t, w, tt.opts)
			began := time.Now() // the head's time runs from the opening of the connection
			c := r.dial(t)
			c.send(tt.send)
			for _, want := range tt.want {
				if got := c.mustRead(); !strings.HasPrefix(got.status, want) {
					t.Errorf("got %+v, want %s", got, want)
				}
			}
			c.mustEnd()
			if d := time.Since(began); d < short || d > 5*time.Second {
				t.Errorf("ended after %v", d)
			}
		})
	}
}

// A slow download that moves is left alone for many times WriteTimeout; one that stalls is cut.
func TestWriteTimeout(t *testing.T) {
	const timeout = 500 * time.Millisecond
	for _, stalls := range []bool{false, true} {
		name := map[bool]string{false: "moving", true: "stalled"}[stalls]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			const size = 24 << 20
			g := w.blobs.put(make([]byte, size))
			w.add("a.example", planFunc(func(dst *assets.Plan, _ *assets.Request) {
				dst.Status, dst.Body = 200, assets.Body{Kind: assets.BodyBlob, Blob: g, BlobSize: size, Length: size}
			}))
			log := new(logBuffer)
			r := start(t, w, Options{WriteTimeout: timeout, AccessLog: log})
			c := r.dial(t)
			if err := c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
				t.Fatal(err)
			}
			c.send(get("a.example", "/"))
			began := time.Now()
			if stalls {
				eventually(t, "accepted", func() bool { return r.Stats().OpenConns == 1 })
				eventually(t, "cut", func() bool { return r.Stats().OpenConns == 0 })
				if d := time.Since(began); d < timeout {
					t.Errorf("cut after %v", d)
				}
				eventually(t, "logged", func() bool { return strings.Contains(log.String(), `"aborted":true`) })
				return
			}
			tick := time.NewTicker(timeout / 16)
			defer tick.Stop()
			buf := make([]byte, 512<<10)
			var read int
			for read < size {
				n, err := io.ReadAtLeast(c.br, buf, min(len(buf), size-read))
				read += n
				if err != nil && read < size {
					t.Fatalf("cut after %v and %d bytes: %v", time.Since(began), read, err)
				}
				<-tick.C
			}
			if d := time.Since(began); d < 2*timeout {
				t.Errorf("took %v only: nothing was tested", d)
			}
		})
	}
}

func TestMaxConns(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("page"))
	r := start(t, w, Options{MaxConns: 2})
	first, second := r.dial(t), r.dial(t)
	first.send(get("a.example", "/")).mustRead()
	second.send(get("a.example", "/")).mustRead()
	over := r.dial(t)
	if got := over.mustRead(); got.status != "503 Service Unavailable" || got.body != "Service unavailable\n" {
		t.Errorf("got %+v", got)
	}
	over.mustEnd()
	first.Close()
	eventually(t, "closed", func() bool { return r.Stats().OpenConns == 1 })
	if got := r.dial(t).send(get("a.example", "/")).mustRead(); got.body != "page" {
		t.Errorf("got %+v", got)
	}
	if s := r.Stats(); s.Conns != 3 || s.ConnsRefused != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestMaxConnsPerIP(t *testing.T) {
	tests := map[string]struct {
		opts    Options
		refused bool
	}{
		"bounded":    {opts: Options{MaxConnsPerIP: 2}, refused: true},
		"no bound":   {opts: Options{MaxConnsPerIP: -1}},
		"by a proxy": {opts: Options{MaxConnsPerIP: 2, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.add("a.example", text("page"))
			r := start(t, w, tt.opts)
			first, second := r.dial(t), r.dial(t)
			first.send(get("a.example", "/")).mustRead()
			second.send(get("a.example", "/")).mustRead()
			third := r.dial(t)
			if !tt.refused {
				if got := third.send(get("a.example", "/")).mustRead(); got.body != "page" {
					t.Errorf("got %+v", got)
				}
				return
			}
			if got := third.mustRead(); got.status != "429 Too Many Requests" || got.body != "Too many requests\n" {
				t.Errorf("got %+v", got)
			}
			first.Close()
			eventually(t, "closed", func() bool { return r.Stats().OpenConns == 1 })
			if got := r.dial(t).send(get("a.example", "/")).mustRead(); got.body != "page" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Behind a trusted proxy each client is bounded in concurrent requests, whatever connection they come on.
func TestRequestsPerForwardedClient(t *testing.T) {
	w := newWorld()
	g := newGate()
	w.add("slow.example", g)
	w.add("a.example", text("page"))
	r := start(t, w, Options{MaxConnsPerIP: 2, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	from := func(host, client string) string {
		return "GET / HTTP/1.1\r\nHost: " + host + "\r\nX-Forwarded-For: " + client + "\r\n\r\n"
	}
	slow := []*client{
		r.dial(t).send(from("slow.example", "192.0.2.1")),
		r.dial(t).send(from("slow.example", "9.9.9.9, 192.0.2.1")),
		r.dial(t).send(from("slow.example", "2001:db8::1")),
		r.dial(t).send(from("slow.example", "2001:db8::2")),
	}
	for range slow {
		<-g.entered
	}
	c := r.dial(t)
	for _, tt := range []struct{ client, status string }{
		{"192.0.2.1", "429"}, {"192.0.2.1:8080", "429"}, {"192.0.2.2", "200"}, {"2001:db8::3", "429"}, {"2001:db8:0:1::3", "200"},
		{"192.0.2.1, 127.0.0.1", "429"},
	} {
		if got := c.send(from("a.example", tt.client)).mustRead(); !strings.HasPrefix(got.status, tt.status) {
			t.Errorf("%s: %+v, want %s", tt.client, got, tt.status)
		}
	}
	close(g.open)
	for _, s := range slow {
		s.mustRead()
	}
	for range 4 {
		if got := c.send(from("a.example", "192.0.2.1")).mustRead(); got.body != "page" {
			t.Errorf("after the others ended: %+v", got)
		}
	}
}

func TestTrustedProxiesThatMatchNobody(t *testing.T) {
	for _, p := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:10.0.0.0/104")} {
		if err := (Options{TrustedProxies: []netip.Prefix{p}}).Check(); err == nil || !strings.Contains(err.Error(), "TrustedProxies") {
			t.Errorf("%v: %v", p, err)
		}
	}
}

func TestClient(t *testing.T) {
	w := newWorld()
	s, err := newServer(w.deps(nil), w, Options{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ peer, field, want string }{
		{"192.0.2.1", "", "192.0.2.1"},
		{"192.0.2.1", "198.51.100.1", "192.0.2.1"},
		{"10.0.0.1", "", "10.0.0.1"},
		{"10.0.0.1", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"},
		{"10.0.0.1", "1.1.1.1,198.51.100.1 ,10.1.1.1,\t10.2.2.2", "198.51.100.1"},
		{"10.0.0.1", "10.3.3.3, 10.2.2.2", "10.3.3.3"},
		{"10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"},
		{"10.0.0.1", "198.51.100.1, unknown, 10.2.2.2", "10.2.2.2"},
		{"10.0.0.1", "198.51.100.1,", "10.0.0.1"},
		{"10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"},
		{"10.0.0.1", "2001:db8::1, fd00::1", "2001:db8::1"},
		{"10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"},
		{"10.0.0.1", "198.51.100.1:1234", "198.51.100.1"},
		{"10.0.0.1", "fe80::1%eth0", "10.0.0.1"},
	} {
		if got := s.client(netip.MustParseAddr(tt.peer), tt.field); got != netip.MustParseAddr(tt.want) {
			t.Errorf("client(%s, %q) = %s, want %s", tt.peer, tt.field, got, tt.want)
		}
	}
}

func TestForwardedProto(t *testing.T) {
	for _, tt := range []struct {
		trusted     bool
		field, want string
	}{
		{true, "https", "https"}, {true, "HTTPS", "https"}, {true, "http", "http"}, {true, "", "http"}, {true, "https, http", "http"},
		{true, "http,https", "https"}, {true, "javascript", "http"}, {false, "https", "http"},
	} {
		var got string
		w := newWorld()
		w.add("a.example", planFunc(func(dst *assets.Plan, req *assets.Request) {
			got = req.Scheme
			text("x").Plan(dst, req)
		}))
		var o Options
		if tt.trusted {
			o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		}
		r := start(t, w, o)
		r.dial(t).send("GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Proto: " + tt.field + "\r\n\r\n").mustRead()
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%+v: %s", tt, d)
		}
	}
}

// The answer to a body that is refused reaches a client that goes on sending it.
func TestRefusalReachesASendingClient(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("page"))
	r := start(t, w, Options{})
	for range 20 {
		c := r.dial(t).send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\na")
		got := c.mustRead()
		for range 3 {
			if _, err := io.WriteString(c.Conn, strings.Repeat("a", 32<<10)); err != nil && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("sending on: %v", err)
			}
		}
		if !strings.HasPrefix(got.status, "413") {
			t.Errorf("got %+v", got)
		}
		c.mustEnd()
		c.Close()
	}
}

// A stranger's addresses are not kept once they are gone.
func TestAddressCountsForget(t *testing.T) {
	c := newAddressCounts(1)
	for i := range 10_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if !c.take(a) || c.take(a) {
			t.Fatalf("%s is not bounded by 1", a)
		}
		c.put(a)
	}
	for i := range c.shards {
		if n := len(c.shards[i].n); n != 0 {
			t.Errorf("shard %d keeps %d addresses", i, n)
		}
	}
}

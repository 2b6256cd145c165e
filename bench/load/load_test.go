package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/bench/machine"
)

// site answers with so many bytes, and notes which hosts it was asked for.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	hosts map[string]int
	last  *http.Request
}

func newSite(t *testing.T, size int) *site {
	t.Helper()
	s := &site{hosts: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.hosts[r.Host]++
		s.last = r
		s.mu.Unlock()
		if r.Host == "bad.example" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(make([]byte, size))
	}))
	t.Cleanup(s.Close)
	return s
}

// asked is how often each host was asked for, and the last request.
func (s *site) asked() (map[string]int, *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.hosts), s.last
}

func (s *site) addr() string { return strings.TrimPrefix(s.URL, "http://") }

func serve(t *testing.T, o order, into any) {
	t.Helper()
	in, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Serve(t.Context(), bytes.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		t.Fatal(err)
	}
}

func TestOwnGeneratorAsksForEveryHost(t *testing.T) {
	for _, size := range []int{0, 1 << 10, 500 << 10} { // the last one's answers come in many pieces
		s := newSite(t, size)
		hosts := []string{"a.example", "b.example", "c.example", "d.example", "e.example"}
		var r Result
		serve(t, order{Job: Job{Addr: s.addr(), Path: "/x.png", Hosts: hosts, Headers: Browser, Conns: 4, For: 200 * time.Millisecond}}, &r)
		if r.Errors != 0 || r.Requests == 0 || r.Bytes < r.Requests*int64(size) || r.P50 <= 0 || r.P50 > r.P999 || r.P999 > r.Max {
			t.Errorf("%d bytes: %+v", size, r)
		}
		asked, last := s.asked()
		least, most := 1<<60, 0
		for _, h := range hosts {
			least, most = min(least, asked[h]), max(most, asked[h])
		}
		if r.Requests > 5 && len(asked) != len(hosts) || most-least > 4+1 {
			t.Errorf("%d bytes: hosts were asked for %v times", size, asked)
		}
		if len(last.Header) != 11 { // the Host is no field to net/http
			t.Errorf("a browser sends 12 fields, this %v", last.Header)
		}
	}
}

func TestBrowserRequestIsAsLongAsSaid(t *testing.T) {
	if n := len(Browser.Request("/1k.png", "site-000000.pages.localhost")); n < 850 || n > 950 {
		t.Errorf("%d bytes", n)
	}
	if got := Bare.Request("/x", "h"); got != "GET /x HTTP/1.1\r\nHost: h\r\n\r\n" {
		t.Errorf("%q", got)
	}
}

func TestOwnGeneratorCountsErrors(t *testing.T) {
	s := newSite(t, 10)
	in, err := json.Marshal(order{Job: Job{Addr: s.addr(), Path: "/", Hosts: []string{"bad.example"}, Headers: Bare, Conns: 3, For: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Serve(t.Context(), bytes.NewReader(in), io.Discard); err == nil || !strings.Contains(err.Error(), "3 errors") {
		t.Errorf("%v", err)
	}
}

func TestPlayKeepsTheRate(t *testing.T) {
	s := newSite(t, 100)
	var p Played
	serve(t, order{Job{Addr: s.addr(), Path: "/", Hosts: []string{"a.example"}, Headers: Bare, Conns: 2, Spin: true},
		[]Phase{{Rate: 400, Conns: 2, For: time.Second}, {Rate: 2000, Conns: 20, For: time.Second}}}, &p)
	if p.Errors != 0 || p.Answered < 2000 || p.Answered > 2800 {
		t.Errorf("%d answers, %d errors; about 2400 were due", p.Answered, p.Errors)
	}
	if len(p.Windows) < 7 || p.Windows[0].Answered*2 > p.Windows[6].Answered {
		t.Errorf("%+v", p.Windows)
	}
}

// A server that does not answer must show as errors, not as a quiet one.
func TestPlayCountsWhatIsNotAnswered(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	defer ln.Close()
	var p Played
	serve(t, order{Job{Addr: ln.Addr().String(), Path: "/", Hosts: []string{"a.example"}, Headers: Bare, Conns: 1, Spin: true},
		[]Phase{{Rate: 100, Conns: 1, For: 100 * time.Millisecond}}}, &p)
	if p.Errors == 0 || p.Answered != 0 {
		t.Errorf("%+v", p)
	}
}

func TestHoldNotesAClosedConnection(t *testing.T) {
	s := newSite(t, 10)
	h, err := Hold(t.Context(), Job{Addr: s.addr(), Path: "/", Hosts: []string{"a.example"}, Headers: Browser, Conns: 700})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	if asked, _ := s.asked(); asked["a.example"] != 1400 {
		t.Errorf("%v requests", asked)
	}
	s.CloseClientConnections()
	if err := h.Ask(t.Context()); err == nil {
		t.Error("no connection is left, and all were asked")
	}
}

func TestWrk(t *testing.T) {
	if _, err := exec.LookPath("wrk"); err != nil {
		t.Skip("wrk is not installed")
	}
	s := newSite(t, 1000)
	cores, err := machine.TwoCores()
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWrk(t.TempDir(), machine.Placement{Core: cores.Load})
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.Run(context.Background(), Job{Addr: s.addr(), Path: "/x.png", Hosts: []string{"a.example", "b.example", "c.example"}, Headers: Browser, Conns: 4, For: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	asked, last := s.asked()
	if r.Errors != 0 || r.Requests < 10 || r.Used <= 0 || r.P50 <= 0 || r.P50 > r.P999 || len(asked) != 3 || len(last.Header) != 11 {
		t.Errorf("%+v, hosts %v, fields %v", r, asked, last.Header)
	}
}

func TestStrideReachesAll(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 200, 1000, 200_000} {
		s, at, seen := stride(n), 0, 0
		for {
			at = (at + s) % n
			seen++
			if at == 0 || seen > n {
				break
			}
		}
		if seen != n {
			t.Errorf("of %d, a stride of %d reaches %d", n, s, seen)
		}
	}
}

// A turn goes on where the one before ended, so that many short ones ask for every host.
func TestOrderGoesOn(t *testing.T) {
	hosts := []string{"a", "b", "c", "d", "e", "f", "g"}
	all := newRequests(Job{Path: "/", Hosts: hosts, Headers: Bare})
	for asked := range int64(20) {
		part := newRequests(Job{Path: "/", Hosts: hosts, Headers: Bare, Asked: asked})
		if want, got := string(all.next()), string(part.next()); got != want {
			t.Errorf("behind %d requests: %q, want %q", asked, got, want)
		}
	}
}

package edge

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets"
	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

func TestPlannerSeesTheRequest(t *testing.T) {
	var got assets.Request
	w := newWorld()
	no := w.add("a.example", planFunc(func(dst *assets.Plan, req *assets.Request) {
		got = *req
		for _, s := range []*string{&got.Method, &got.Target, &got.Host, &got.Port, &got.AcceptEncoding, &got.IfNoneMatch, &got.IfMatch,
			&got.IfModifiedSince, &got.IfRange, &got.Range, &got.SecFetchDest, &got.SecFetchMode, &got.Cookie} {
			*s = strings.Clone(*s)
		}
		text("ok").Plan(dst, req)
	}))
	d := w.hosts["a.example"]
	d.Flags = store.FlagNoIndex
	w.hosts["a.example"] = d
	if no != 1 {
		t.Fatal("test world changed")
	}
	r := start(t, w, Options{})
	c := r.dial(t)
	c.send("GET http://A.example:8080/p//q?x=http://y HTTP/1.1\r\nHost: b.example\r\nACCEPT-encoding: gzip\r\n" +
		"Accept-Encoding:\tbr \r\nAuthorization: Basic x\r\nIf-None-Match: \"1\"\r\nif-none-match: \"2\"\r\nIf-Match: *\r\n" +
		"If-Modified-Since: then\r\nIf-Range: \"r\"\r\nRange: bytes=0-1\r\nSec-Fetch-Dest: script\r\nSec-Fetch-Mode: cors\r\n" +
		"Cookie: a=1\r\nCookie: b=2\r\nX-Forwarded-Proto: https\r\n\r\n").mustRead()
	want := assets.Request{
		Method: "GET", Target: "/p//q?x=http://y", Host: "a.example", Port: "8080", Scheme: "http", Authorization: true, NoIndex: true,
		AcceptEncoding: "gzip, br", IfNoneMatch: `"1", "2"`, IfMatch: "*", IfModifiedSince: "then", IfRange: `"r"`,
		Range: "bytes=0-1", SecFetchDest: "script", SecFetchMode: "cors", Cookie: "a=1; b=2",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
	// Nothing of one request may be seen by the next.
	c.send(get("a.example", "/")).mustRead()
	if d := cmp.Diff(assets.Request{Method: "GET", Target: "/", Host: "a.example", Scheme: "http", NoIndex: true}, got); d != "" {
		t.Errorf("second request (-want +got):\n%s", d)
	}
}

func TestResolverSeesHostAndPath(t *testing.T) {
	var got router.Query
	w := newWorld()
	w.resolve = func(q *router.Query) (router.Decision, error) {
		got = router.Query{Host: hostkey.Host(strings.Clone(string(q.Host))), Path: strings.Clone(q.Path)}
		return router.Decision{}, router.ErrNoRoute
	}
	r := start(t, w, Options{})
	r.dial(t).send(get("WWW.Example.:8080", "/a/b?c#d")).mustRead()
	if d := cmp.Diff(router.Query{Host: "www.example", Path: "/a/b"}, got); d != "" {
		t.Errorf("query (-want +got):\n%s", d)
	}
}

// What the client is told of our faults is constant; the log has the cause, and the connection lives on.
func TestFaults(t *testing.T) {
	plan := func(p assets.Plan) planner {
		return planFunc(func(dst *assets.Plan, _ *assets.Request) {
			dst.Status, dst.Fields, dst.Body = p.Status, p.Fields, p.Body
		})
	}
	blobPlan := func(b assets.Body) planner {
		b.Kind = assets.BodyBlob
		return plan(assets.Plan{Status: 200, Fields: []assets.Field{{Name: "ETag", Value: []byte(`"x"`)}}, Body: b})
	}
	tests := map[string]struct {
		setup  func(w *world)
		status string
		log    string
		want   func(s Stats) bool
	}{
		"resolver fails": {
			setup: func(w *world) {
				w.resolve = func(*router.Query) (router.Decision, error) { return router.Decision{}, errTest }
			},
			status: "503 Service Unavailable", log: "resolve failed",
		},
		"site cannot be loaded": {
			setup: func(w *world) {
				w.add("a.example", nil)
				w.load = func(store.DeploymentNo) (planner, error) { return nil, errTest }
			},
			status: "500 Internal Server Error", log: "site cannot be had",
		},
		"route of another kind": {
			setup: func(w *world) {
				w.resolve = func(*router.Query) (router.Decision, error) { return router.Decision{Kind: 9}, nil }
			},
			status: "500 Internal Server Error", log: "unknown kind",
		},
		"planner panics": {
			setup:  func(w *world) { w.add("a.example", planFunc(func(*assets.Plan, *assets.Request) { panic(errTest) })) },
			status: "500 Internal Server Error", log: "request panicked",
			want: func(s Stats) bool { return s.Panics == 1 },
		},
		"no status": {
			setup:  func(w *world) { w.add("a.example", plan(assets.Plan{})) },
			status: "500 Internal Server Error", log: "plan has no valid status",
		},
		"small blob is missing": {
			setup:  func(w *world) { w.add("a.example", blobPlan(assets.Body{BlobSize: 3, Length: 3})) },
			status: "500 Internal Server Error", log: "blob cannot be had",
			want: func(s Stats) bool { return s.BadBlobs == 1 },
		},
		"large blob is missing": {
			setup:  func(w *world) { w.add("a.example", blobPlan(assets.Body{BlobSize: 1 << 20, Length: 1 << 20})) },
			status: "500 Internal Server Error", log: "blob cannot be had",
			want: func(s Stats) bool { return s.BadBlobs == 1 },
		},
		"blob of another size": {
			setup: func(w *world) {
				g := w.blobs.put([]byte("four"))
				w.add("a.example", blobPlan(assets.Body{Blob: g, BlobSize: 3, Length: 3}))
			},
			status: "500 Internal Server Error", log: "blob cannot be had",
			want: func(s Stats) bool { return s.BadBlobs == 1 },
		},
		"range outside the blob": {
			setup: func(w *world) {
				g := w.blobs.put([]byte("four"))
				w.add("a.example", blobPlan(assets.Body{Blob: g, BlobSize: 4, Offset: 2, Length: 3}))
			},
			status: "500 Internal Server Error", log: "not inside blob",
		},
		"inline body of another length": {
			setup: func(w *world) {
				w.add("a.example", plan(assets.Plan{Status: 200, Body: assets.Body{Kind: assets.BodyInline, Inline: []byte("x"), Length: 2}}))
			},
			status: "500 Internal Server Error", log: "announced",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			tt.setup(w)
			w.add("fine.example", text("fine"))
			r := start(t, w, Options{})
			c := r.dial(t)
			got := c.send(get("a.example", "/")).mustRead()
			if got.status != tt.status {
				t.Errorf("status %q, want %q", got.status, tt.status)
			}
			if _, ok := got.field("ETag"); ok {
				t.Error("a field of the failed plan was sent")
			}
			if v, _ := got.field("Cache-Control"); v != "no-store" {
				t.Errorf("Cache-Control: %q", v)
			}
			if !strings.Contains(r.log.String(), tt.log) {
				t.Errorf("log lacks %q:\n%s", tt.log, r.log.String())
			}
			if n := strings.Count(r.log.String(), "\n"); n != 1 {
				t.Errorf("logged %d lines, want 1:\n%s", n, r.log.String())
			}
			if tt.want != nil && !tt.want(r.Stats()) {
				t.Errorf("stats %+v", r.Stats())
			}
			if v, _ := got.field("Connection"); v != "close" && w.resolve == nil && w.load == nil {
				if got := c.send(get("fine.example", "/")).mustRead(); got.body != "fine" {
					t.Errorf("next request on the connection: %+v", got)
				}
			}
		})
	}
}

// A deployment deleted between the two look-ups is asked for again by its host's new route.
func TestSiteGoneResolvesAgain(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("new"))
	asked := 0
	w.resolve = func(*router.Query) (router.Decision, error) {
		asked++
		if asked == 1 {
			return router.Decision{Kind: store.RouteSite, Deployment: 99}, nil
		}
		return w.hosts["a.example"], nil
	}
	r := start(t, w, Options{})
	if got := r.dial(t).send(get("a.example", "/")).mustRead(); got.body != "new" || asked != 2 {
		t.Errorf("got %+v after %d questions", got, asked)
	}
	if s := r.log.String(); s != "" {
		t.Errorf("logged:\n%s", s)
	}
}

func TestUnknownHostsAreAlike(t *testing.T) {
	w := newWorld()
	w.add("a.example", text("x"))
	r := start(t, w, Options{})
	var first reply
	for i, req := range []string{get("b.example", "/"), get("127.0.0.1", "/x"), get("[::1]:80", "/%zz"), get("xn--bcher-kva.example", "/")} {
		got := r.dial(t).send(req).mustRead()
		for j, f := range got.fields {
			if strings.HasPrefix(f, "Date: ") {
				got.fields[j] = "Date: now"
			}
		}
		if i == 0 {
			first = got
		}
		if d := cmp.Diff(first, got, cmp.AllowUnexported(reply{})); d != "" {
			t.Errorf("%q (-first +got):\n%s", req, d)
		}
	}
	want := []string{"Date: now", "Content-Type: text/plain; charset=utf-8", "Content-Length: 10", "Cache-Control: no-store"}
	if d := cmp.Diff(want, first.fields); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
	if n := r.Stats().UnknownHosts; n != 4 {
		t.Errorf("UnknownHosts = %d", n)
	}
}

func TestNewReportsAllFaults(t *testing.T) {
	if _, err := New(Deps{}, Options{}); err == nil || strings.Count(err.Error(), "no ") != 4 {
		t.Errorf("error %v", err)
	}
	w := newWorld()
	_, err := newServer(w.deps(nil), w, Options{MaxConns: -1, HeaderTimeout: -1, MaxHeaderBytes: 1024, SkewMaxAge: time.Second})
	for _, want := range []string{"MaxConns", "HeaderTimeout", "MaxTargetBytes", "SkewMaxAge"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestServeAfterShutdown(t *testing.T) {
	r := start(t, newWorld(), Options{})
	if err := r.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Serve(ln); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener was left open: %v", err)
	}
}

// A site that cannot be had is not read from the disk twice for one request.
func TestBrokenSiteIsLoadedOnce(t *testing.T) {
	w := newWorld()
	w.add("a.example", nil)
	loads := 0
	w.load = func(store.DeploymentNo) (planner, error) { loads++; return nil, errTest }
	r := start(t, w, Options{})
	r.dial(t).send(get("a.example", "/")).mustRead()
	if loads != 1 {
		t.Errorf("loaded %d times", loads)
	}
}

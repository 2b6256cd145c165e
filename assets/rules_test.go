package assets

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
)

const (
	testRedirects = `/a.txt /b.txt 200
/old /new 301
/gone https://other.example/x 308
/lost /nowhere 200
/page.txt /docs.html 200
/go/* /:splat
/self https://docs.example/here 303
`
	testHeaders = `/*
  X-All: 1
  Cache-Control: max-age=60
  ! Referrer-Policy
/a.txt
  X-All: asked
  Set-Cookie: a=1
  Access-Control-Allow-Origin: https://a.example
/a*
  Set-Cookie: b=2
https://docs.example/old
  Location: /elsewhere
`
)

func TestPlanWithRules(t *testing.T) {
	s := newRuledSite(t, map[string]string{"/a.txt": "a", "/b.txt": "b", "/docs.html": "d", "/404.html": "lost"}, testRedirects, testHeaders)
	tagOfB := `"` + manifest.AssetKeyOf([]byte("b"), "txt").String() + `"`
	const (
		text    = "\nContent-Type: text/plain;charset=UTF-8"
		open    = "\nAccess-Control-Allow-Origin: *"
		nosniff = "\nX-Content-Type-Options: nosniff"
		all     = "\nX-All: 1\nCache-Control: max-age=60"
	)
	for name, tc := range map[string]struct {
		req  Request
		want string
	}{
		"a rewrite shadows its file, the rules see what was asked for": {Request{Target: "/a.txt"},
			"200\nContent-Type: text/plain; charset=utf-8\nAccept-Ranges: bytes\nETag: " + tagOfB + nosniff +
				"\nX-All: 1, asked\nCache-Control: max-age=60\nSet-Cookie: a=1\nSet-Cookie: b=2\nAccess-Control-Allow-Origin: https://a.example\n(1) b"},
		"rules apply to 304": {Request{Target: "/b.txt", IfNoneMatch: "*"}, "304\nETag: " + tagOfB + open + all},
		"and to 405":         {Request{Method: "POST", Target: "/b.txt"}, "405\nAllow: GET, HEAD" + open + all},
		"a rewritten POST":   {Request{Method: "POST", Target: "/a.txt"}, "405\nAllow: GET, HEAD\nX-All: 1, asked\nCache-Control: max-age=60\nSet-Cookie: a=1\nSet-Cookie: b=2\nAccess-Control-Allow-Origin: https://a.example"},
		"a redirected POST":  {Request{Method: "POST", Target: "/gone"}, "308\nLocation: https://other.example/x" + open + all},
		"the query goes along": {Request{Target: "/old?a=b", Host: "o.example"},
			"301\nLocation: /new?a=b" + text + open + nosniff + all + "\n(23) Redirecting to /new?a=b"},
		"a redirected HEAD": {Request{Method: "HEAD", Target: "/old"}, "301\nLocation: /new" + text + open + nosniff + all + "\n(19) "},
		"Location of a rule, for its host alone": {Request{Target: "/old", Host: "docs.example"},
			"301" + text + open + nosniff + all + "\nLocation: /elsewhere\n(19) Redirecting to /new"},
		"own host":                  {Request{Target: "/self", Host: "docs.example", Scheme: "https"}, "303\nLocation: /here" + text + open + nosniff + all + "\n(20) Redirecting to /here"},
		"another scheme":            {Request{Target: "/self", Host: "docs.example", Scheme: "http"}, "303\nLocation: https://docs.example/here" + text + open + nosniff + all + "\n(40) Redirecting to https://docs.example/here"},
		"never off the site":        {Request{Target: "/go//evil.example"}, "302\nLocation: /evil.example" + text + open + nosniff + all + "\n(28) Redirecting to /evil.example"},
		"rules know encoded paths":  {Request{Target: "/%6fld"}, "404\nContent-Type: text/html; charset=utf-8" + open + nosniff + "\nX-All: 1\nCache-Control: no-store\n(4) lost"},
		"a rewrite to nothing":      {Request{Target: "/lost"}, "404\nContent-Type: text/html; charset=utf-8" + open + nosniff + "\nX-All: 1\nCache-Control: no-store\n(4) lost"},
		"a rewrite to a long name":  {Request{Target: "/page.txt?q"}, "308\nLocation: /docs?q" + open + all},
		"one rewrite, never chains": {Request{Target: "/go/old"}, "302\nLocation: /old" + text + open + nosniff + all + "\n(19) Redirecting to /old"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.req.Method == "" {
				tc.req.Method = "GET"
			}
			var p Plan
			for range 2 { // reuse changes nothing
				s.Plan(&p, &tc.req)
				if diff := cmp.Diff(tc.want, render(t, s, &p)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestFallback(t *testing.T) {
	for _, tc := range []struct{ dest, cache, want string }{
		{"", "max-age=31536000, immutable", "200 public, max-age=0, must-revalidate"},
		{"document", "public, MAX-AGE=\"3601\"", "200 public, max-age=0, must-revalidate"},
		{"empty", "s-maxage=99999999999999999999", "200 public, max-age=0, must-revalidate"},
		{"iframe", "max-age=3600", "200 max-age=3600"},
		{"hologram", "no-store", "200 no-store"},
		{"script", "max-age=60", "404 no-store"},
		{"style", "no-cache", "404 no-store"},
		{"worker", "immutable", "404 no-store"},
	} {
		headers := "/*\n  Cache-Control: " + tc.cache + "\n  Vary: Accept\n  Expires: Thu, 01 Dec 2094 16:00:00 GMT\n"
		s := newRuledSite(t, map[string]string{"/index.html": "shell", "/app.js": "x"}, "", headers)
		var p Plan
		s.Plan(&p, &Request{Method: "GET", Target: "/chunk.js", SecFetchDest: tc.dest})
		if got := fmt.Sprint(p.Status, " ", p.get("Cache-Control")); got != tc.want || p.get("Vary") != "Accept, Sec-Fetch-Dest" || p.get("Expires") != "" {
			t.Errorf("%q, %q: %s, want %s; %v", tc.dest, tc.cache, got, tc.want, p.Fields)
		}
		if (p.Status == 404) != (p.Body.Kind == BodyNone) {
			t.Errorf("%q: %d with %+v", tc.dest, p.Status, p.Body)
		}
		s.Plan(&p, &Request{Method: "GET", Target: "/app.js", SecFetchDest: tc.dest})
		if p.Status != 200 || p.get("Cache-Control") != tc.cache || p.get("Vary") != "Accept" || p.get("Expires") == "" {
			t.Errorf("%q, %q: a file has %d %v", tc.dest, tc.cache, p.Status, p.Fields)
		}
	}
}

// Who asks badly on purpose must not take a file away from everybody behind the same cache, whatever rule is for the file.
func TestRefusalsAreNotKept(t *testing.T) {
	const long = "public, max-age=31536000, immutable"
	s := newRuledSite(t, map[string]string{"/a.bin": "a file", "/404.html": "lost"}, "",
		"/*\n  Cache-Control: "+long+"\n  CDN-Cache-Control: max-age=99\n  X-Accel-Expires: 99\n  X-Kept: 1\n")
	for _, tc := range []struct {
		req    Request
		status int
		cache  string
		cdn    string
		vary   string
	}{
		{Request{}, 200, long, "max-age=99", ""},
		{Request{Range: "bytes=9-"}, 416, "no-store", "", ""},
		{Request{Range: "bytes=0-", IfMatch: `"x"`}, 412, "no-store", "", ""},
		{Request{Target: "/none"}, 404, "no-store", "", ""},
		{Request{AcceptEncoding: "identity;q=0"}, 406, long, "max-age=99", "Accept-Encoding"},
		{Request{Target: "/none", AcceptEncoding: "*;q=0"}, 406, long, "max-age=99", "Accept-Encoding"},
	} {
		tc.req.Method = "GET"
		if tc.req.Target == "" {
			tc.req.Target = "/a.bin"
		}
		var p Plan
		p.Trace = new(Trace)
		s.Plan(&p, &tc.req)
		got := []any{p.Status, p.get("Cache-Control"), p.get("Cdn-Cache-Control"), p.get("Vary"), p.get("X-Kept"), len(p.Fields) - len(p.Trace.Origins)}
		if diff := cmp.Diff([]any{tc.status, tc.cache, tc.cdn, tc.vary, "1", 0}, got); diff != "" {
			t.Errorf("%+v: %s", tc.req, diff)
		}
	}
}

// What is for shared caches alone does not keep a fallback page either.
func TestFallbackAndSharedCaches(t *testing.T) {
	for field, want := range map[string]string{
		"Netlify-Cdn-Cache-Control: max-age=99999": "", "Netlify-Cdn-Cache-Control: max-age=60": "max-age=60",
		"X-Accel-Expires: 99999": "", "X-Accel-Expires: @1900000000": "", "X-Accel-Expires: 60": "60",
		"Edge-Control: max-age=1y": "", "Surrogate-Control: max-age=99999": "", "X-Expires: 99999": "99999",
	} {
		s := newRuledSite(t, map[string]string{"/index.html": "shell"}, "", "/*\n  "+field+"\n")
		name, _, _ := strings.Cut(field, ":")
		var p Plan
		if s.Plan(&p, &Request{Method: "GET", Target: "/a/route"}); p.get(name) != want {
			t.Errorf("%s: %q, want %q", field, p.get(name), want)
		}
	}
}

func TestRuleFilesAreReadWithTolerance(t *testing.T) {
	bad := "\ufeff\x00\xff /x\n/a /b 999\n" + strings.Repeat("/very", 2000) + " /b\n/old /new 301\r\n"
	s := newRuledSite(t, map[string]string{"/a": "a"}, bad, "X: no path\n/*\n X Y: 1\n  X-Good: 1\n  Content-Length: 7\n")
	var p Plan
	if s.Plan(&p, &Request{Method: "GET", Target: "/old"}); p.Status != 301 || p.get("X-Good") != "1" || p.get("Content-Length") != "" {
		t.Errorf("%d %v", p.Status, p.Fields)
	}
	if bare := newTestSite(t, map[string]string{"/a": "a"}); s.Weight() <= bare.Weight() {
		t.Error("rules weigh nothing")
	}
}

// fullRules are as many as the original allows, none of which matches /docs/page.
func fullRules() (redirects, headers string) {
	var r, h strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&r, "/docs/old-%04d /docs/new-%04d 301\n", i, i)
	}
	for i := range 100 {
		fmt.Fprintf(&r, "/docs/:section/v%d/* /docs/v%d/:splat 302\n", i, i)
		fmt.Fprintf(&h, "/docs/*/x%d\n  X-Rule: %d\n", i, i)
	}
	return r.String(), h.String()
}

func TestPlanWithRulesAllocatesNothing(t *testing.T) {
	redirects, headers := fullRules()
	s := newRuledSite(t, map[string]string{"/docs/page.html": "x"}, redirects, headers)
	if s.redirects.Len() != 2100 || s.headers.Len() != 100 {
		t.Fatalf("%d redirects, %d header rules", s.redirects.Len(), s.headers.Len())
	}
	for _, target := range []string{"/docs/page", "/docs/old-1999", "/docs/a/x7", "/docs/a/v7/b", "/docs/none"} {
		var p Plan
		req := Request{Method: "GET", Target: target, Host: "docs.example", Range: "bytes=0-0"}
		if n := testing.AllocsPerRun(100, func() { s.Site.Plan(&p, &req) }); n != 0 {
			t.Errorf("%s: %v allocations", target, n)
		}
	}
}

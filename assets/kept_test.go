package assets

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/kept"
	"berth/assets/manifest"
)

// replace moves a host from one site to the next, as a deploy at the time now does.
func replace(t testing.TB, from testSite, no uint64, to testSite, before []byte, now int64) []byte {
	t.Helper()
	raw, _, err := kept.Next(kept.Move{
		Previous: before, From: from.files, FromNo: no, To: to.files, Redirects: to.redirects, Now: now, Keep: 7 * 24 * time.Hour, Max: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	for digest, content := range from.blobs {
		to.blobs[digest] = content
	}
	return raw
}

func openKept(t testing.TB, raw []byte) *kept.Index {
	t.Helper()
	if raw == nil {
		return nil
	}
	x, err := kept.Open(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestKeptFiles(t *testing.T) {
	const now, week = 1_000_000, 7 * 24 * 3600
	old := newTestSite(t, map[string]string{
		"/index.html": "one", "/app-1.js": "old chunk", "/gone.html": "page", "/moved.css": "x", "/dir/é.css": "é", "/.env": "secret", "/app-1.js.map": "{}",
	})
	current := newRuledSite(t, map[string]string{"/index.html": "two", "/app-2.js": "new chunk", "/dir/404.html": "lost"},
		"/moved.css /new.css 301\n/alias.js /app-1.js 200\n", "/*\n  X-Gen: two\n")
	x := openKept(t, replace(t, old, 7, current, nil, now))
	tag := `"` + manifest.AssetKeyOf([]byte("old chunk"), "js").String() + `"`
	const gen = "\nX-Gen: two"
	file := "200\nContent-Type: application/javascript\nAccept-Ranges: bytes\nETag: " + tag + fresh + "\nX-Robots-Tag: noindex" + typed + gen + "\n(9) old chunk"
	home := "\nContent-Type: text/html; charset=utf-8\nAccept-Ranges: bytes\nETag: \"" + manifest.AssetKeyOf([]byte("two"), "html").String() + "\"" + fresh + typed + gen + vary + "\n(3) two"
	for name, tc := range map[string]struct {
		req    Request
		source uint64
		want   string
	}{
		"file":        {Request{Target: "/app-1.js?v=1"}, 7, file},
		"for scripts": {Request{Target: "/app-1.js", SecFetchDest: "script"}, 7, file},
		"head":        {Request{Method: "HEAD", Target: "/app-1.js"}, 7, strings.Replace(file, "old chunk", "", 1)},
		"rewritten":   {Request{Target: "/alias.js"}, 7, file},
		"unchanged":   {Request{Target: "/app-1.js", IfNoneMatch: tag}, 7, "304\nETag: " + tag + fresh + always + gen},
		"part": {Request{Target: "/app-1.js", Range: "bytes=0-2"}, 7, "206\nContent-Type: application/javascript\nContent-Range: bytes 0-2/9\nAccept-Ranges: bytes\nETag: " +
			tag + "\nX-Robots-Tag: noindex" + typed + gen + "\n(3) old"},
		"no part":                  {Request{Target: "/app-1.js", Range: "bytes=9-"}, 7, "416\nContent-Range: bytes */9\nAccept-Ranges: bytes" + always + gen + "\nCache-Control: no-store"},
		"before a page of absence": {Request{Target: "/dir/%C3%A9.css"}, 7, ""},
		"its last second":          {Request{Target: "/app-1.js", Now: now + week - 1}, 7, file},
		"its time is over":         {Request{Target: "/app-1.js", Now: now + week}, 0, "200" + home},
		"never a page":             {Request{Target: "/gone.html"}, 0, "200" + home},
		"nor its short name":       {Request{Target: "/gone"}, 0, "200" + home},
		"nor what is redirected":   {Request{Target: "/moved.css"}, 0, "301\nLocation: /new.css\nContent-Type: text/plain;charset=UTF-8" + typed + gen + "\n(23) Redirecting to /new.css"},
		"nor that, in disguise":    {Request{Target: "/%6doved.css"}, 0, "200" + home},
		"nor a name with a dot":    {Request{Target: "/.env"}, 0, "200" + home},
		"nor a source map":         {Request{Target: "/app-1.js.map"}, 0, "200" + home},
		"nor for other methods":    {Request{Method: "POST", Target: "/app-1.js"}, 0, "405\nAllow: GET, HEAD" + always + gen},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.req.Method == "" {
				tc.req.Method = "GET"
			}
			if tc.req.Now == 0 {
				tc.req.Now = now
			}
			tc.req.Kept = x
			var p Plan
			current.Plan(&p, &tc.req)
			got := render(t, current, &p)
			if diff := cmp.Diff(tc.want, got); diff != "" && tc.want != "" || p.KeptSource != tc.source {
				t.Errorf("from %d, want %d: %s", p.KeptSource, tc.source, diff)
			}
			if missing := p.Status != 301 && p.Status != 405; p.Missing != missing {
				t.Errorf("Missing is %v", p.Missing)
			}
			tc.req.Kept = nil
			if current.Plan(&p, &tc.req); p.KeptSource != 0 || p.Status == 200 && !p.fallback {
				t.Errorf("without an index: %d from %d", p.Status, p.KeptSource)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	s := newRuledSite(t, map[string]string{"/index.html": "x", "/a.txt": "x", "/dir/404.html": "x", "/page.html": "x"}, "/rw /none 200\n/rd /none 302\n", "")
	for target, want := range map[string]bool{
		"/a.txt": false, "/": false, "/page": false, "/page.html": false, "/rd": false, "/x/index": false,
		"/rw": true, "/none": true, "/dir/none": true, "/a.txt/": true,
	} {
		for _, method := range []string{"GET", "HEAD", "PUT"} {
			var p Plan
			p.Missing = true
			if s.Plan(&p, &Request{Method: method, Target: target, SecFetchDest: "script"}); p.Missing != (want && method != "PUT") {
				t.Errorf("%s %s: %v", method, target, p.Missing)
			}
		}
	}
}

func TestPage(t *testing.T) {
	s := newTestSite(t, map[string]string{"/index.html": "x", "/a.txt": "x", "/dir/404.html": "x", "/page.html": "x"})
	for target, want := range map[string]bool{
		"/": true, "/page": true, "/of/an/application": true, "/a.txt": false, "/page.html": false,
	} {
		for method, req := range map[string]Request{"GET": {}, "HEAD": {}, "PUT": {}, "GET part": {Range: "bytes=0-0"}, "GET again": {IfNoneMatch: "*"}} {
			var p Plan
			req.Target, req.Method = target, strings.Fields(method)[0]
			if s.Plan(&p, &req); p.Page != (want && method != "PUT" && method != "GET part") {
				t.Errorf("%s %s: %v", method, target, p.Page)
			}
		}
	}
	// A 404.html loads its parts, too; it knows neither ranges nor conditions.
	for method, want := range map[string]bool{"GET": true, "HEAD": true, "PUT": false} {
		var p Plan
		if s.Plan(&p, &Request{Method: method, Target: "/dir/none", Range: "bytes=0-0", IfNoneMatch: "*"}); p.Page != want {
			t.Errorf("%s of a page of absence: %v", method, p.Page)
		}
	}
	var p Plan
	if s.Plan(&p, &Request{Method: "GET", Target: "/dir/none", AcceptEncoding: "*;q=0"}); p.Page {
		t.Error("406 is a page")
	}
}

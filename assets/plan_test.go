package assets

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets/httpsem"
	"berth/assets/manifest"
)

// render shows a Plan as a response head and what its body is.
func render(t testing.TB, s testSite, p *Plan) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%d", p.Status)
	for _, f := range p.Fields {
		fmt.Fprintf(&b, "\n%s: %s", f.Name, f.Value)
	}
	if p.Body.Kind != BodyNone {
		fmt.Fprintf(&b, "\n(%d) %s", p.Body.Length, s.body(t, p))
	}
	return b.String()
}

const (
	always = "\nAccess-Control-Allow-Origin: *\nReferrer-Policy: strict-origin-when-cross-origin"
	typed  = always + "\nX-Content-Type-Options: nosniff"
	vary   = "\nVary: Sec-Fetch-Dest"
	fresh  = "\nCache-Control: public, max-age=0, must-revalidate"
)

func TestPlan(t *testing.T) {
	s := named(t, "/index.html", "/a.txt", "/page.html", "/dir/index.html", "/dir/404.html", "/.html", "/x/.html")
	tag := func(path string) string {
		return `"` + manifest.AssetKeyOf([]byte(path), manifest.Extension(path)).String() + `"`
	}
	boundary := func(path string) string { return "berth-" + strings.Trim(tag(path), `"`) }
	html := func(path string) string {
		return "200\nContent-Type: text/html; charset=utf-8\nAccept-Ranges: bytes\nETag: " + tag(path) + fresh + typed + fmt.Sprintf("\n(%d) %s", len(path), path)
	}
	part := func(status, contentRange, body string) string {
		return status + "\nContent-Type: text/plain; charset=utf-8\n" + contentRange + "Accept-Ranges: bytes\nETag: " + tag("/a.txt") + typed + body
	}
	spa := func(s string) string { return strings.Replace(s, "\n(", vary+"\n(", 1) }
	moved := func(to string) string { return "308\nLocation: " + to + always }
	for name, tc := range map[string]struct {
		req  Request
		want string
	}{
		"file": {Request{Target: "/a.txt"},
			"200\nContent-Type: text/plain; charset=utf-8\nAccept-Ranges: bytes\nETag: " + tag("/a.txt") + fresh + typed + "\n(6) /a.txt"},
		"head": {Request{Method: "HEAD", Target: "/a.txt"},
			"200\nContent-Type: text/plain; charset=utf-8\nAccept-Ranges: bytes\nETag: " + tag("/a.txt") + fresh + typed + "\n(6) "},
		"method in small letters": {Request{Method: "get", Target: "/"}, html("/index.html")},
		"no index": {Request{Target: "/a.txt", NoIndex: true},
			"200\nContent-Type: text/plain; charset=utf-8\nAccept-Ranges: bytes\nETag: " + tag("/a.txt") + fresh + "\nX-Robots-Tag: noindex" + typed + "\n(6) /a.txt"},
		"authorized": {Request{Target: "/a.txt", Authorization: true},
			"200\nContent-Type: text/plain; charset=utf-8\nAccept-Ranges: bytes\nETag: " + tag("/a.txt") + typed + "\n(6) /a.txt"},
		"range":               {Request{Target: "/a.txt", Range: "bytes=1-2"}, part("206", "Content-Range: bytes 1-2/6\n", "\n(2) a.")},
		"range, if unchanged": {Request{Target: "/a.txt", Range: "bytes=-2", IfRange: tag("/a.txt")}, part("206", "Content-Range: bytes 4-5/6\n", "\n(2) xt")},
		"range, if weakly so": {Request{Target: "/a.txt", Range: "bytes=-2", IfRange: "W/" + tag("/a.txt")}, part("200", "", "\n(6) /a.txt")},
		"range, changed":      {Request{Target: "/a.txt", Range: "bytes=-2", IfRange: `"x"`}, part("200", "", "\n(6) /a.txt")},
		"range, none":         {Request{Target: "/a.txt", Range: "lines=1-2"}, part("200", "", "\n(6) /a.txt")},
		"ranges": {Request{Target: "/a.txt", Range: "bytes=0-0,5-5"},
			"206\nContent-Type: multipart/byteranges; boundary=" + boundary("/a.txt") + "\nAccept-Ranges: bytes\nETag: " + tag("/a.txt") + typed +
				"\n(276) --" + boundary("/a.txt") + "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-0/6\r\n\r\n/" +
				"\r\n--" + boundary("/a.txt") + "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 5-5/6\r\n\r\nt" +
				"\r\n--" + boundary("/a.txt") + "--\r\n"},
		"ranges that touch":       {Request{Target: "/a.txt", Range: "bytes=0-0,1-2"}, part("206", "Content-Range: bytes 0-2/6\n", "\n(3) /a.")},
		"range, head":             {Request{Method: "HEAD", Target: "/a.txt", Range: "bytes=0-1"}, part("200", "", "\n(6) ")},
		"range, unsatisfiable":    {Request{Target: "/a.txt", Range: "bytes=6-"}, "416\nContent-Range: bytes */6\nAccept-Ranges: bytes" + always + "\nCache-Control: no-store"},
		"range, but unchanged":    {Request{Target: "/a.txt", Range: "bytes=9-", IfNoneMatch: "*"}, "304\nETag: " + tag("/a.txt") + always},
		"If-Match is not heeded":  {Request{Target: "/dir/", IfMatch: `"x"`}, html("/dir/index.html")},
		"script of a page's path": {Request{Target: "/dir/no.js", SecFetchDest: "script"}, "404\nContent-Type: text/html; charset=utf-8" + typed + "\nCache-Control: no-store\n(13) /dir/404.html"},
		"unchanged": {Request{Target: "/a.txt", IfNoneMatch: `"x", W/` + tag("/a.txt"), NoIndex: true},
			"304\nETag: " + tag("/a.txt") + fresh + always},
		"any":                         {Request{Target: "/a.txt", IfNoneMatch: `*`}, "304\nETag: " + tag("/a.txt") + fresh + always},
		"changed":                     {Request{Target: "/page", IfNoneMatch: tag("/a.txt")}, html("/page.html")},
		"405":                         {Request{Method: "POST", Target: "/page.html"}, "405\nAllow: GET, HEAD" + always},
		"405 for a star":              {Request{Method: "OPTIONS", Target: "*"}, "405\nAllow: GET, HEAD" + always},
		"406":                         {Request{Target: "/a.txt", AcceptEncoding: "identity;q=0", IfNoneMatch: "*"}, "406" + always + "\nVary: Accept-Encoding"},
		"406 for a page of absence":   {Request{Target: "/dir/no", AcceptEncoding: "*;q=0"}, "406" + always + "\nVary: Accept-Encoding"},
		"no 406 for a move":           {Request{Target: "/page.html", AcceptEncoding: "*;q=0"}, moved("/page")},
		"move keeps the query":        {Request{Target: "/page.html?a=b"}, moved("/page?a=b")},
		"index":                       {Request{Target: "/dir/index.html"}, moved("/dir/")},
		"directory":                   {Request{Target: "/dir"}, moved("/dir/")},
		"page with a slash":           {Request{Target: "/page/"}, moved("/page")},
		"page without a name":         {Request{Target: "/.html"}, "200\nContent-Type: text/html; charset=utf-8\nAccept-Ranges: bytes\nETag: " + tag("/.html") + fresh + typed + "\n(6) /.html"},
		"page without a name, deeper": {Request{Target: "/x/.html"}, moved("/x/")},
		"absent, with a page": {Request{Target: "/dir/no", IfNoneMatch: "*", NoIndex: true},
			"404\nContent-Type: text/html; charset=utf-8" + typed + "\nCache-Control: no-store\n(13) /dir/404.html"},
		"absent, the page asked for": {Request{Target: "/dir/404"}, html("/dir/404.html")},
		"application":                {Request{Target: "/no.js"}, spa(html("/index.html"))},
		"application, unchanged":     {Request{Target: "/no", IfNoneMatch: tag("/index.html")}, "304\nETag: " + tag("/index.html") + fresh + always + vary},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.req.Method == "" {
				tc.req.Method = "GET"
			}
			var p Plan
			s.Plan(&p, &tc.req)
			if diff := cmp.Diff(tc.want, render(t, s, &p)); diff != "" {
				t.Error(diff)
			}
			if p.Head != (tc.req.Method == "HEAD") {
				t.Errorf("Head is %v", p.Head)
			}
		})
	}
}

func TestPlanOfEmptySite(t *testing.T) {
	s := named(t)
	var p Plan
	for _, target := range []string{"", "/", "*", "/index.html", "/no", "http://host/"} {
		s.Plan(&p, &Request{Method: "GET", Target: target})
		if diff := cmp.Diff("404"+always+"\nCache-Control: no-store", render(t, s, &p)); diff != "" {
			t.Errorf("%q: %s", target, diff)
		}
	}
}

func TestEmptyFile(t *testing.T) {
	s := newTestSite(t, map[string]string{"/e.css": ""})
	var p Plan
	s.Plan(&p, &Request{Method: "GET", Target: "/e.css"})
	if p.Status != 200 || p.Body.Kind != BodyBlob || p.Body.Length != 0 || p.get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("%+v", p)
	}
}

func TestPlanReuse(t *testing.T) {
	s := named(t, "/a.txt", "/b c/index.html")
	var reused Plan
	for _, req := range []Request{
		{Method: "HEAD", Target: "/a.txt"},
		{Method: "GET", Target: "/%62%20c/index?é=" + strings.Repeat("é", maxScratch)},
		{Method: "GET", Target: "/no"},
		{Method: "GET", Target: "/a.txt"},
	} {
		var once Plan
		s.Plan(&once, &req)
		s.Plan(&reused, &req)
		if diff := cmp.Diff(render(t, s, &once), render(t, s, &reused)); diff != "" {
			t.Error(diff)
		}
	}
	if cap(reused.scratch) > maxScratch {
		t.Errorf("one long request keeps %d bytes in the Plan", cap(reused.scratch))
	}
}

func TestCompileRefuses(t *testing.T) {
	if _, err := Compile(Input{Manifest: []byte("no")}); err == nil {
		t.Error("accepted")
	}
}

func TestPlanAllocatesNothing(t *testing.T) {
	s := named(t, "/index.html", "/a.txt", "/page.html", "/404.html", "/ö/index.html")
	noAllocs(t, s, map[string]Request{
		"file":      {Target: "/a.txt?q"},
		"page":      {Target: "/page"},
		"unchanged": {Target: "/a.txt", IfNoneMatch: `"a", "b"`},
		"moved":     {Target: "/page.html?a=b"},
		"escaped":   {Target: "/%C3%B6/../%c3%b6"},
		"missing":   {Target: "/x/y/z", AcceptEncoding: "gzip, br, zstd"},
		"refused":   {Method: "POST", Target: "/"},
		"parts":     {Target: "/a.txt", Range: "bytes=0-0,2-2,-1"},
	})
}

func TestPlanWithListingsAllocatesNothing(t *testing.T) {
	s := negotiable(t, "/bare.txt\n  Vary: Origin\n")
	x := openKept(t, replace(t, newTestSite(t, map[string]string{"/app-1.js": "x"}), 7, s, nil, 0))
	hinted := newTestSite(t, map[string]string{
		"/p.html": `<link rel=preload href="/a.js" as=script>`, "/based.html": `<base href="/x/"><link rel=preload href="a.js" as=script>`,
	})
	const accept = "gzip, deflate, br, zstd"
	noAllocs(t, s, map[string]Request{
		"encoded":   {Target: "/all.txt", AcceptEncoding: accept},
		"unchanged": {Target: "/all.txt", AcceptEncoding: accept, IfNoneMatch: s.tagOf("/all.txt", httpsem.Brotli)},
		"part":      {Target: "/all.txt", AcceptEncoding: accept, Range: "bytes=1-2", IfRange: s.tagOf("/all.txt", httpsem.Gzip)},
		"parts":     {Target: "/all.txt", AcceptEncoding: accept, Range: "bytes=1-2,4-5", IfRange: s.tagOf("/all.txt", httpsem.Gzip)},
		"absent":    {Target: "/lost/x", AcceptEncoding: accept},
		"fallback":  {Target: "/app", AcceptEncoding: accept},
		"vary":      {Target: "/bare.txt", AcceptEncoding: accept},
		"kept":      {Target: "/app-1.js", AcceptEncoding: accept, Kept: x},
		"not kept":  {Target: "/app-2.js", AcceptEncoding: accept, Kept: x},
	})
	noAllocs(t, hinted, map[string]Request{
		"hints":        {Target: "/p"},
		"hints, based": {Target: "/based", Host: "docs.example", Scheme: "https", Port: "8443"},
	})
}

func noAllocs(t *testing.T, s testSite, requests map[string]Request) {
	t.Helper()
	for name, req := range requests {
		if req.Method == "" {
			req.Method = "GET"
		}
		var p Plan
		if n := testing.AllocsPerRun(100, func() { s.Site.Plan(&p, &req) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestHints(t *testing.T) {
	s := newRuledSite(t, map[string]string{
		"/index.html": `<link rel=preload href="/a.js" as=script>`, "/based.html": `<base href="/x/"><link rel=preload href="a.js" as=script>`,
		"/404/404.html": `<link rel=preload href="/lost.css" as=style>`, "/page.txt": `<link rel=preload href="/a.js" as=script>`,
		"/off.html": `<link rel=preload href="/a.js" as=script>`, "/mine.html": `<link rel=preload href="/a.js" as=script>`,
	}, "", "/off\n  ! Link\n/mine\n  Link: </b.js>; rel=preload\n")
	const link = `</a.js>; rel="preload"; as=script`
	for _, tc := range []struct {
		req  Request
		want string
	}{
		{Request{Target: "/"}, link},
		{Request{Method: "HEAD", Target: "/"}, link},
		{Request{Target: "/of/an/application"}, link},
		{Request{Target: "/", IfNoneMatch: "*"}, ""},
		{Request{Target: "/", Range: "bytes=0-1"}, ""},
		{Request{Target: "/index.html"}, ""},
		{Request{Target: "/404/x"}, ""},
		{Request{Target: "/page.txt"}, ""},
		{Request{Target: "/off"}, ""},
		{Request{Target: "/mine"}, "</b.js>; rel=preload"},
		{Request{Target: "/based"}, `<https://docs.example/x/a.js>; rel="preload"; as=script`},
		{Request{Target: "/based", Port: "8443"}, `<https://docs.example:8443/x/a.js>; rel="preload"; as=script`},
	} {
		if tc.req.Method == "" {
			tc.req.Method = "GET"
		}
		tc.req.Host, tc.req.Scheme = "docs.example", "https"
		var p Plan
		if s.Plan(&p, &tc.req); p.get("Link") != tc.want {
			t.Errorf("%s %s: %q, want %q", tc.req.Method, tc.req.Target, p.get("Link"), tc.want)
		}
	}
}

func TestNoCORS(t *testing.T) {
	s := newRuledSite(t, map[string]string{"/a": "a", "/b": "b"}, "", "/b\n  Access-Control-Allow-Origin: https://b.example\n")
	for target, want := range map[string]string{"/a": "", "/b": "https://b.example", "/c": ""} {
		var p Plan
		if s.Plan(&p, &Request{Method: "GET", Target: target, NoCORS: true}); p.get("Access-Control-Allow-Origin") != want {
			t.Errorf("%s: %q", target, p.get("Access-Control-Allow-Origin"))
		}
	}
}

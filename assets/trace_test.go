package assets

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets/httpsem"
)

func renderTrace(p *Plan) string {
	var b strings.Builder
	for _, step := range p.Trace.Steps {
		fmt.Fprintf(&b, "%s: %s", step.What, step.Said)
		if step.File != "" {
			fmt.Fprintf(&b, " (%s:%d)", step.File, step.Line)
		}
		b.WriteByte('\n')
	}
	for i, f := range p.Fields {
		o := p.Trace.Origins[i]
		fmt.Fprintf(&b, "%s from %s", f.Name, o.From)
		for _, line := range o.Lines {
			fmt.Fprintf(&b, " %s:%d", o.File, line)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "file %q\n", p.Trace.File)
	return b.String()
}

func TestTrace(t *testing.T) {
	for name, tc := range map[string]struct {
		req  Request
		want string
	}{
		"a rewrite to a page with rules": {Request{Target: "/start?q=1", AcceptEncoding: "br"}, `
target: path "/start", query "q=1"
redirects: /start /page 200 goes on with /page (_redirects:2)
file: "/page" is the file "/page.html"
negotiation: stored as identity: 72 bytes, ETag TAG
negotiation: stored as br: SIZE bytes, ETag BRTAG
negotiation: the request says Accept-Encoding: "br"
negotiation: 200 with br
headers: "/*" matches (_headers:1)
headers: removes Referrer-Policy (_headers:4)
headers: sets X-All (_headers:2)
headers: sets Set-Cookie (_headers:3)
headers: "/start" matches (_headers:5)
headers: removes Set-Cookie (_headers:9)
headers: sets X-All (_headers:6)
headers: sets Set-Cookie (_headers:7)
headers: sets Cache-Control (_headers:8)
headers: sets Content-Encoding (_headers:10)
headers: Content-Encoding is left alone: the server chose the coding
Content-Type from file
Content-Encoding from file
Accept-Ranges from file
ETag from file
Link from file
Access-Control-Allow-Origin from default
X-Content-Type-Options from default
X-All from rule _headers:2 _headers:6
Set-Cookie from rule _headers:7
Cache-Control from rule _headers:8
Vary from server
file "/page.html"
`},
		"a redirect": {Request{Target: "/old/x", NoCORS: true}, `
target: path "/old/x", query ""
redirects: /old/* /new/:splat 301 redirects to /new/x (_redirects:3)
headers: "/*" matches (_headers:1)
headers: removes Referrer-Policy (_headers:4)
headers: sets X-All (_headers:2)
headers: sets Set-Cookie (_headers:3)
Location from redirect _redirects:3
Content-Type from redirect _redirects:3
X-Content-Type-Options from default
X-All from rule _headers:2
Set-Cookie from rule _headers:3
file ""
`},
		"a host that no URL can have": {Request{Target: "/at/%5B"}, `
target: path "/at/%5B", query ""
redirects: /at/:host https://:host.example/ matches, but makes no URL of this path (_redirects:4)
file: no file answers for "/at/["
not found: neither a 404.html above the path nor an /index.html: a bare 404
headers: "/*" matches (_headers:1)
headers: removes Referrer-Policy (_headers:4)
headers: sets X-All (_headers:2)
headers: sets Set-Cookie (_headers:3)
Access-Control-Allow-Origin from default
X-All from rule _headers:2
Set-Cookie from rule _headers:3
Cache-Control from server
file ""
`},
		"a page of absence, unacceptable": {Request{Target: "/lost/x", AcceptEncoding: "*;q=0"}, `
target: path "/lost/x", query ""
redirects: none of 3 rules matches
file: no file answers for "/lost/x"
not found: "/lost/404.html" is the nearest 404.html
negotiation: stored as identity: 4 bytes, ETag LOSTTAG
negotiation: the request says Accept-Encoding: "*;q=0"
negotiation: 406: the client refuses every stored form
headers: "/*" matches (_headers:1)
headers: removes Referrer-Policy (_headers:4)
headers: sets X-All (_headers:2)
headers: sets Set-Cookie (_headers:3)
Access-Control-Allow-Origin from default
X-All from rule _headers:2
Set-Cookie from rule _headers:3
Vary from server
file "/lost/404.html"
`},
	} {
		t.Run(name, func(t *testing.T) {
			s := encodedSite(t, map[string]string{
				"/page.html": `<link rel=preload as=script href="/a.js">` + strings.Repeat("-", 31), "/lost/404.html": "lost",
			}, map[string][]httpsem.Encoding{"/page.html": {httpsem.Brotli}}, Input{
				Redirects: []byte("# moved\n/start /page 200\n/old/* /new/:splat 301\n/at/:host https://:host.example/\n"),
				Headers: []byte("/*\n  X-All: 1\n  Set-Cookie: a=1\n  ! Referrer-Policy\n/start\n  X-All: 2\n  Set-Cookie: b=2\n" +
					"  Cache-Control: no-cache\n  ! Set-Cookie\n  Content-Encoding: x\n"),
			})
			page, _ := s.files.Lookup("/page.html")
			_, size, _ := s.variants.At(page, httpsem.Brotli)
			want := strings.NewReplacer("BRTAG", s.tagOf("/page.html", httpsem.Brotli), "LOSTTAG", s.tagOf("/lost/404.html", 0),
				"TAG", s.tagOf("/page.html", 0), "SIZE", fmt.Sprint(size)).Replace(tc.want)
			tc.req.Method, tc.req.Scheme, tc.req.Host = "GET", "https", "docs.example"
			p, quiet := Plan{Trace: &Trace{}}, Plan{}
			s.Plan(&quiet, &tc.req)
			for range 2 {
				s.Plan(&p, &tc.req)
				if diff := cmp.Diff(want, "\n"+renderTrace(&p)); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(render(t, s, &quiet), render(t, s, &p)); diff != "" {
					t.Errorf("a Trace changes the plan: %s", diff)
				}
			}
		})
	}
}

func TestTraceOfTheRest(t *testing.T) {
	old := newTestSite(t, map[string]string{"/app-1.js": "x"})
	s := newRuledSite(t, map[string]string{"/index.html": "x", "/page.html": "x"}, "", "/*\n  Cache-Control: immutable\n  Set-Cookie: a=1\n  Set-Cookie: b=2\n")
	x := openKept(t, replace(t, old, 7, s, nil, 0))
	for want, req := range map[string]Request{
		`kept file: "/app-1.js" of deployment 7 is kept until 1970-01-08T00:00:00Z`: {Target: "/app-1.js", Kept: x},
		`file "/app-1.js"`:    {Target: "/app-1.js", Kept: x},
		"ETag from kept file": {Target: "/app-1.js", Kept: x},
		`kept file: no earlier deployment's file is kept for "/app-2.js"`:                                           {Target: "/app-2.js", Kept: x},
		`not found: the fallback /index.html is of no use as "script": 404`:                                         {Target: "/app-2.js", SecFetchDest: "script"},
		"not found: no 404.html above the path: /index.html is the fallback of a single-page application":           {Target: "/x"},
		"headers: Cache-Control is left alone: the next deployment may bring the file that the fallback stands for": {Target: "/x"},
		"Cache-Control from fallback":                                      {Target: "/x"},
		`method: "PUT" is neither GET nor HEAD: 405`:                       {Method: "PUT", Target: "/"},
		"Allow from method":                                                {Method: "PUT", Target: "/"},
		`file: "/page.html" has a canonical form: 308`:                     {Target: "/page.html"},
		"Location from move":                                               {Target: "/page.html"},
		"redirects: none of 0 rules matches":                               {Target: "/"},
		"negotiation: 412: If-Match names another form":                    {Target: "/", IfMatch: `"x"`, Range: "bytes=0-0"},
		`negotiation: the request says Range: "bytes=0-0"`:                 {Target: "/", Range: "bytes=0-0"},
		"negotiation: 206 with identity":                                   {Target: "/", Range: "bytes=0-0"},
		"Set-Cookie from rule _headers:3\nSet-Cookie from rule _headers:4": {Target: "/"},
		"Cache-Control from rule _headers:2":                               {Target: "/"},
	} {
		if req.Method == "" {
			req.Method = "GET"
		}
		p := Plan{Trace: &Trace{}}
		s.Plan(&p, &req)
		if got := renderTrace(&p); !strings.Contains("\n"+got, "\n"+want+"\n") {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

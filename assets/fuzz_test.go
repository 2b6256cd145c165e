package assets

import (
	"strings"
	"testing"

	"berth/assets/httpsem"
)

// fuzzed is a site with the hosts' index that goes with it.
type fuzzed struct {
	testSite
	kept  []byte
	rules bool // it has rules, so that its fields may be anything that a rule file may say
}

func fuzzedSites(f *testing.F) []fuzzed {
	bare := named(f, "/index.html", "/a.txt", "/page.html", "/dir/index.html", "/dir/404.html", "/.html", "/é/ü.html")
	odd := named(f, "/%2F/index.html", "/ /index.html", "/\\/index.html", "/\r\nx/index.html", "/q?x#y.html", "/100%.html", "/index/index.html", "/\t.html")
	files := map[string]string{
		"/index.html": `<base href="/x/"><link rel=preload href="a.js" as=script>`, "/a.txt": strings.Repeat("a", 99), "/page.html": `<link rel=preconnect href="//h">`,
		"/dir/404.html": strings.Repeat("lost ", 20), "/empty": "",
	}
	stored := map[string][]httpsem.Encoding{"/index.html": {httpsem.Gzip}, "/a.txt": codings, "/dir/404.html": {httpsem.Brotli, httpsem.Zstd}}
	forms := encodedSite(f, files, stored, Input{})
	ruled := encodedSite(f, files, stored, Input{
		Redirects: []byte("/r/* /:splat 301\n/rw/* /:splat 200\n/h/:a https://:a.example/:a\n/self /self 200\n/go/* //:splat 307\n"),
		Headers:   []byte("/*\n  X-Path: :splat\n  Vary: Origin\n  ! Referrer-Policy\n/a.txt\n  Cache-Control: immutable\n  Set-Cookie: a=1\n  Set-Cookie: b=2\n  ! ETag\n"),
	})
	old := newTestSite(f, map[string]string{"/old.js": "an old chunk", "/dir/old.css": "", "/é.js": "é", "/old.html": "no"})
	return []fuzzed{
		{testSite: named(f)}, {testSite: bare}, {testSite: odd},
		{testSite: forms, kept: replace(f, old, 1, forms, nil, 0)},
		{testSite: ruled, kept: replace(f, old, 1, ruled, nil, 0), rules: true},
	}
}

func FuzzPlan(f *testing.F) {
	sites := fuzzedSites(f)
	for _, target := range []string{
		"", "*", "/", "//", "/page.html?q#f", "/dir/index", "//evil.example/index", "/%5Cevil/index/", "/%09/evil/index/", "/%2f%2fevil%2findex",
		"/%252F", "/%20", "/%0d%0ax", "/a%0aX-Injected:%201/index", "/q%3Fx%23y.html", "/100%25.html", "/../%2e%2E/\\..\\index", "/é/%C3%BC.html", "/%zz/index",
		"/\x00/index?\x00\r\n ", "/ /index/index/", "/a.txt", "/old.js", "/dir/old.css", "/dir/x", "/empty", "/r//evil", "/rw/old.js", "/h/%0d%0a", "/go//x", "/%C3%A9.js",
	} {
		f.Add("GET", target, "gzip", "", "bytes=0-3", "", int64(0))
		f.Add("GET", target, "br;q=0.1, zstd, *;q=0", "*", "", "document", int64(1e9))
		f.Add("GET", target, "br, gzip", "", "bytes=1-2,4-5,-1", "empty", int64(1))
		f.Add("head", target, "*;q=0", `W/"x"`, "bytes=9-", "script", int64(-1))
	}
	f.Fuzz(func(t *testing.T, method, target, acceptEncoding, tags, ranges, dest string, now int64) {
		req := Request{
			Method: method, Target: target, Host: "docs.example", Scheme: "https", AcceptEncoding: acceptEncoding, IfNoneMatch: tags, IfMatch: tags, IfRange: tags,
			Range: ranges, SecFetchDest: dest, Now: now,
		}
		for _, s := range sites {
			req.Kept = openKept(t, s.kept)
			p := Plan{Trace: &Trace{}}
			s.Plan(&p, &req)
			checkPlan(t, s, &p, &req)
			if p.Status == 308 && !s.rules {
				follow(t, s.testSite, req, p.get("Location"))
			}
			req.IfRange = "" // which would hide what Range alone does
			s.Plan(&p, &req)
			checkPlan(t, s, &p, &req)
			req.IfRange = tags
		}
	})
}

func checkPlan(t *testing.T, s fuzzed, p *Plan, req *Request) {
	s.body(t, p)
	seen := map[string]bool{}
	for _, field := range p.Fields {
		if seen[field.Name] && field.Name != "Set-Cookie" && field.Name != "Vary" {
			t.Fatalf("%s twice", field.Name)
		}
		seen[field.Name] = true
		for _, c := range field.Value {
			if c < ' ' || c >= 0x7f {
				t.Fatalf("%s: %q", field.Name, field.Value)
			}
		}
	}
	checkStatus(t, p, seen, s.rules)
	checkForms(t, s, p)
	if len(p.Trace.Origins) != len(p.Fields) || len(p.Trace.Steps) == 0 {
		t.Fatalf("%d origins of %d fields, %d steps", len(p.Trace.Origins), len(p.Fields), len(p.Trace.Steps))
	}
	if k, ok := req.Kept.Lookup("/old.js", req.Now); p.KeptSource != 0 && (!p.Missing || !ok || k.Source != p.KeptSource || seen["X-Robots-Tag"] != (p.Status == 200 || p.Status == 206)) {
		t.Fatalf("a kept file: %+v", p)
	}
	if !s.rules && seen["Vary"] != (p.encoded || p.fallback) {
		t.Fatalf("Vary: %s", p.get("Vary"))
	}
}

// checkStatus compares the status with the fields that go with it. Rules may take any of them away.
func checkStatus(t *testing.T, p *Plan, seen map[string]bool, ruled bool) {
	switch p.Status {
	case 200, 206, 304, 308, 404, 405, 406, 412, 416:
	case 301, 302, 303, 307:
		if !ruled {
			t.Fatalf("status %d", p.Status)
		}
	default:
		t.Fatalf("status %d", p.Status)
	}
	if seen["Content-Type"] != (p.Body.Kind != BodyNone) || seen["Content-Type"] != seen["X-Content-Type-Options"] {
		t.Fatalf("body %v, fields %v", p.Body.Kind, seen)
	}
	tagged := p.Status == 200 || p.Status == 206 || p.Status == 304
	if (p.Status == 404 || p.Status == 412 || p.Status == 416) != (p.get("Cache-Control") == "no-store") || seen["ETag"] && !tagged || tagged && !seen["ETag"] && !ruled {
		t.Fatalf("%d with %v", p.Status, seen)
	}
	redirects := p.Status > 300 && p.Status < 400 && p.Status != 304
	if to := p.get("Location"); seen["Location"] != redirects || to != "" && !localPath(to) && !ruled {
		t.Fatalf("%d with Location %q", p.Status, to)
	}
	if seen["Content-Range"] != (p.Status == 416 || p.Status == 206 && p.Body.Kind == BodyBlob) {
		t.Fatalf("%d with Content-Range %q", p.Status, p.get("Content-Range"))
	}
	if seen["Link"] && p.Status != 200 {
		t.Fatalf("%d with Link", p.Status)
	}
}

// checkForms makes sure that what a body is encoded in is said, and that caches are told of every choice.
func checkForms(t *testing.T, s fuzzed, p *Plan) {
	variant := false
	for v := range s.variants.All() {
		variant = variant || v.Blob == p.Body.Blob
	}
	if said := p.get("Content-Encoding") != ""; p.Body.Kind != BodyMultipart && said != variant {
		t.Fatalf("body %v, Content-Encoding %q", p.Body.Blob, p.get("Content-Encoding"))
	}
	if vary := p.get("Vary"); p.encoded != strings.Contains(vary, "Accept-Encoding") || p.fallback != strings.Contains(vary, "Sec-Fetch-Dest") {
		t.Fatalf("Vary: %q, encoded %v, fallback %v", vary, p.encoded, p.fallback)
	}
	if variant && !p.encoded {
		t.Fatal("a variant of nothing that is encoded")
	}
}

// follow goes where a client would: a move must lead to an answer, not round in a circle.
func follow(t *testing.T, s testSite, req Request, location string) {
	first := location
	for range len(location)/len("index") + 4 { // each "index/" in the path may take one
		var p Plan
		req.Target = location
		s.Plan(&p, &req)
		if p.Status != 308 {
			return
		}
		next := p.get("Location")
		if len(next) > len(location)+1 || strings.Count(next, "?") > 0 && !strings.Contains(location, "?") {
			t.Fatalf("%q leads to %q", location, next)
		}
		location = next
	}
	t.Fatalf("%q goes in circles", first)
}

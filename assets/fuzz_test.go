package assets

import (
	"strings"
	"testing"
)

func FuzzPlan(f *testing.F) {
	sites := []testSite{
		named(f),
		named(f, "/index.html", "/a.txt", "/page.html", "/dir/index.html", "/dir/404.html", "/.html", "/é/ü.html"),
		named(f, "/%2F/index.html", "/ /index.html", "/\\/index.html", "/\r\nx/index.html", "/q?x#y.html", "/100%.html", "/index/index.html", "/\t.html"),
	}
	for _, target := range []string{
		"", "*", "/", "//", "/page.html?q#f", "/dir/index", "//evil.example/index", "/%5Cevil/index/", "/%09/evil/index/", "/%2f%2fevil%2findex",
		"/%252F", "/%20", "/%0d%0ax", "/a%0aX-Injected:%201/index", "/q%3Fx%23y.html", "/100%25.html", "/../%2e%2E/\\..\\index", "/é/%C3%BC.html", "/%zz/index",
		"/\x00/index?\x00\r\n ", "/ /index/index/",
	} {
		f.Add("GET", target, "gzip", "", "bytes=0-3", "")
		f.Add("head", target, "*;q=0", `W/"x"`, "bytes=9-", "script")
	}
	f.Fuzz(func(t *testing.T, method, target, acceptEncoding, ifNoneMatch, ranges, dest string) {
		for _, s := range sites {
			var p Plan
			req := Request{Method: method, Target: target, AcceptEncoding: acceptEncoding, IfNoneMatch: ifNoneMatch, Range: ranges, SecFetchDest: dest}
			s.Plan(&p, &req)
			checkPlan(t, s, &p)
			if p.Status == 308 {
				follow(t, s, req, p.get("Location"))
			}
		}
	})
}

func checkPlan(t *testing.T, s testSite, p *Plan) {
	s.body(t, p)
	switch p.Status {
	case 200, 206, 304, 308, 404, 405, 406, 416:
	default:
		t.Fatalf("status %d", p.Status)
	}
	seen := map[string]bool{}
	for _, field := range p.Fields {
		if seen[field.Name] {
			t.Fatalf("%s twice", field.Name)
		}
		seen[field.Name] = true
		for _, c := range field.Value {
			if c < ' ' || c >= 0x7f {
				t.Fatalf("%s: %q", field.Name, field.Value)
			}
		}
	}
	if seen["Content-Type"] != (p.Body.Kind != BodyNone) || seen["Content-Type"] != seen["X-Content-Type-Options"] {
		t.Fatalf("body %v, fields %v", p.Body.Kind, seen)
	}
	if (p.Status == 404) != (p.get("Cache-Control") == "no-store") || seen["ETag"] != (p.Status == 200 || p.Status == 206 || p.Status == 304) {
		t.Fatalf("%d with %v", p.Status, seen)
	}
	if to := p.get("Location"); seen["Location"] != (p.Status == 308) || to != "" && !localPath(to) {
		t.Fatalf("%d with Location %q", p.Status, to)
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

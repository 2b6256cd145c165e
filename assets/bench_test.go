package assets

import (
	"fmt"
	"testing"

	"berth/assets/manifest"
)

func largeSite(t testing.TB, n int) *Site {
	t.Helper()
	entries := make([]manifest.Entry, n)
	for i := range entries {
		entries[i] = manifest.Entry{Path: fmt.Sprintf("/section-%03d/page-%06d.html", i%331, i), Size: int64(i)}
	}
	raw, err := manifest.Encode(entries)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Compile(Input{Manifest: raw})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLargeSiteIsSmall(t *testing.T) {
	s := largeSite(t, 100_000)
	if extra := s.Weight() - int64(len(s.Files().Bytes())); extra > 1<<20 {
		t.Errorf("a site of 100,000 files holds %d bytes beyond its manifest", extra)
	}
	var p Plan
	s.Plan(&p, &Request{Method: "GET", Target: "/section-001/page-000001"})
	if p.Status != 200 || p.Body.Length != 1 {
		t.Errorf("%d, %+v", p.Status, p.Body)
	}
}

func BenchmarkPlan(b *testing.B) {
	s := named(b, "/index.html", "/a/app-1a2b3c4d.js", "/docs/page.html", "/404.html", "/docs/guide/index.html")
	const encodings = "gzip, deflate, br, zstd"
	for _, bc := range []struct {
		name string
		req  Request
	}{
		{"file", Request{Target: "/a/app-1a2b3c4d.js?v=1", AcceptEncoding: encodings}},
		{"root", Request{Target: "/", AcceptEncoding: encodings}},
		{"page", Request{Target: "/docs/page", AcceptEncoding: encodings}},
		{"unchanged", Request{Target: "/docs/page", AcceptEncoding: encodings, IfNoneMatch: "*"}},
		{"moved", Request{Target: "/docs/guide?a=b", AcceptEncoding: encodings}},
		{"escaped", Request{Target: "/docs/%70age", AcceptEncoding: encodings}},
		{"missing", Request{Target: "/wp-login.php", AcceptEncoding: encodings}},
	} {
		bc.req.Method = "GET"
		b.Run("answer="+bc.name, func(b *testing.B) {
			b.ReportAllocs()
			var p Plan
			for b.Loop() {
				s.Plan(&p, &bc.req)
			}
		})
	}
	big := largeSite(b, 100_000)
	targets := make([]string, 4096)
	for i := range targets {
		n := i * 7919 % 100_000
		targets[i] = fmt.Sprintf("/section-%03d/page-%06d", n%331, n)
	}
	b.Run("answer=page/files=100000", func(b *testing.B) {
		b.ReportAllocs()
		var p Plan
		for i := 0; b.Loop(); i++ {
			big.Plan(&p, &Request{Method: "GET", Target: targets[i%len(targets)], AcceptEncoding: encodings})
		}
	})
}

func BenchmarkPlanWithRules(b *testing.B) {
	redirects, headers := fullRules()
	s := newRuledSite(b, map[string]string{"/docs/page.html": "x"}, redirects, headers)
	for name, target := range map[string]string{"none": "/docs/page", "redirect": "/docs/a/v7/b", "header": "/docs/a/x7"} {
		b.Run("matches="+name, func(b *testing.B) {
			b.ReportAllocs()
			var p Plan
			req := Request{Method: "GET", Target: target, Host: "docs.example", AcceptEncoding: "gzip, deflate, br, zstd"}
			for b.Loop() {
				s.Plan(&p, &req)
			}
		})
	}
}

func BenchmarkCompileRules(b *testing.B) {
	redirects, headers := fullRules()
	raw := named(b, "/a").Files().Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(Input{Manifest: raw, Redirects: []byte(redirects), Headers: []byte(headers)}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	raw := largeSite(b, 100_000).Files().Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(Input{Manifest: raw}); err != nil {
			b.Fatal(err)
		}
	}
}

package assets

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
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

func TestLargeEncodedSiteIsSmall(t *testing.T) {
	const files, limit = 100_000, 12 << 20
	plain := largeSite(t, files)
	all := make([]variants.Variant, 0, 3*files)
	for i := range files {
		for _, e := range codings {
			blob := manifest.DigestOf(fmt.Append(nil, i, e))
			all = append(all, variants.Variant{Entry: i, Encoding: e, Blob: blob, Size: int64(i + 1)})
		}
	}
	raw, err := variants.Encode(files, all)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Compile(Input{Manifest: plain.files.Bytes(), Variants: raw})
	if err != nil {
		t.Fatal(err)
	}
	if extra := s.Weight() - int64(len(s.files.Bytes())); extra > limit || extra < int64(len(raw)) {
		t.Errorf("%d bytes beyond the manifest, want at most %d", extra, limit)
	}
	if extra := resident(t, plain.files.Bytes(), raw); extra > limit {
		t.Errorf("%d bytes are resident beyond the manifest, want at most %d", extra, limit)
	}
}

// resident is what the heap grows by for a Site, without its manifest's own bytes: Weight could be wrong.
func resident(t *testing.T, raw, listing []byte) int64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, err := Compile(Input{Manifest: raw, Variants: bytes.Clone(listing)})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(s)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
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
				s.Site.Plan(&p, &bc.req)
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

func BenchmarkPlanOfEncodedFile(b *testing.B) {
	s := negotiable(b, "")
	const accept = "gzip, deflate, br, zstd"
	for name, req := range map[string]Request{
		"whole":     {Target: "/all.txt", AcceptEncoding: accept},
		"unchanged": {Target: "/all.txt", AcceptEncoding: accept, IfNoneMatch: s.tagOf("/all.txt", httpsem.Brotli)},
		"identity":  {Target: "/all.txt"},
		"parts":     {Target: "/all.txt", AcceptEncoding: accept, Range: "bytes=0-1,3-4"},
	} {
		req.Method = "GET"
		b.Run("answer="+name, func(b *testing.B) {
			b.ReportAllocs()
			var p Plan
			for b.Loop() {
				s.Site.Plan(&p, &req)
			}
		})
	}
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
				s.Site.Plan(&p, &req)
			}
		})
	}
}

// As many fields as a file of rules can name, all of which change.
func BenchmarkPlanOfManyFields(b *testing.B) {
	for _, n := range []int{240, 24_000} {
		var headers strings.Builder
		headers.WriteString("/*\n")
		for i := range n {
			fmt.Fprintf(&headers, "X-%d: 1\n", i)
		}
		s := newRuledSite(b, map[string]string{"/a": "x"}, "", headers.String())
		b.Run(fmt.Sprintf("fields=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			var p Plan
			req := Request{Method: "GET", Target: "/a", Host: "docs.example"}
			for b.Loop() {
				s.Site.Plan(&p, &req)
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

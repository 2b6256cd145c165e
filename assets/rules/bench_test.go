package rules

import (
	"fmt"
	"strings"
	"testing"
)

// redirectsFile is a file of n rules, of which one in 21 is dynamic.
func redirectsFile(n int) string {
	var b strings.Builder
	dynamic := max(n/21, 1)
	for i := range n - dynamic {
		fmt.Fprintf(&b, "/blog/2024/%d/some-article /articles/%d 301\n", i, i)
	}
	for i := range dynamic {
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, "/old%d/* /new%d/:splat 301\n", i, i)
		case 1:
			fmt.Fprintf(&b, "/:lang/doc%d/:page /docs/:lang/%d/:page\n", i, i)
		case 2:
			fmt.Fprintf(&b, "/*/x%d /y/:splat\n", i)
		case 3:
			fmt.Fprintf(&b, "/post%d-:slug.html /posts/:slug\n", i)
		case 4:
			fmt.Fprintf(&b, "/*.ext%d /:splat.html\n", i)
		}
	}
	return b.String()
}

func headersFile(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "/assets%d/*\n  Cache-Control: public, max-age=31556952\n  X-Rule: %d :splat\n  ! X-Robots-Tag\n", i, i)
	}
	return b.String()
}

const benchPath = "/assets/img/photos/2024/summer/beach-0042.jpg"

// hostileFiles are what a site could do to make look-ups slow, each with the path that suffers most.
func hostileFiles(dynamic int) map[string]struct{ file, path string } {
	repeat := func(n int, line func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(i) + "\n")
		}
		return b.String()
	}
	long := strings.Repeat("a", 8000)
	return map[string]struct{ file, path string }{
		"stars-in-front":     {repeat(dynamic, func(i int) string { return fmt.Sprintf("/*x%d /", i) }), "/" + long},
		"shared-prefix":      {repeat(dynamic, func(i int) string { return fmt.Sprintf("/%s%d/* /", strings.Repeat("a", 1500), i) }), "/" + long},
		"nested-prefixes":    {repeat(dynamic, func(i int) string { return fmt.Sprintf("/%s*x /", strings.Repeat("a", i)) }), "/" + long},
		"nested-placeholder": {repeat(dynamic, func(i int) string { return fmt.Sprintf("/%s:x/b /", strings.Repeat("a", i)) }), "/" + long + "/c"},
		"forking": {repeat(dynamic, func(i int) string {
			var b strings.Builder
			for bit := range 60 {
				if i>>(bit%7)&1 == 0 {
					b.WriteString("/a")
				} else {
					fmt.Fprintf(&b, "/:p%d", bit)
				}
			}
			return b.String() + fmt.Sprintf("/z%d /", i)
		}), strings.Repeat("/a", 60) + "/y"},
		"between-placeholders": {repeat(dynamic, func(i int) string { return fmt.Sprintf("/:a-x%d-:b /", i) }), "/" + strings.Repeat("-x", 4000)},
		"many-placeholders": {repeat(dynamic, func(i int) string {
			var b strings.Builder
			b.WriteString("/")
			for j := range 60 {
				fmt.Fprintf(&b, ":p%d-%s", j, strings.Repeat("a", 20))
			}
			return b.String() + fmt.Sprintf(":q%d /", i)
		}), "/" + long},
	}
}

func BenchmarkFindNone(b *testing.B) {
	for _, n := range []int{10, 100, 2100} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			r, report := ParseRedirects(redirectsFile(n), Options{})
			if len(report.Problems) > 0 || r.Len() != n {
				b.Fatal(r.Len(), report)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := r.Find(benchPath); ok {
					b.Fatal("found")
				}
			}
		})
	}
}

// All rules dynamic, as an operator may allow.
func BenchmarkFindNoneDynamic(b *testing.B) {
	for _, n := range []int{10, 100, 2100, 20000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			file := "/first/* /\n" + strings.ReplaceAll(redirectsFile(n*21), "/blog/", "/blog/:x/")
			r, _ := ParseRedirects(file, Options{MaxRedirectsDynamic: n})
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := r.Find(benchPath); ok {
					b.Fatal("found")
				}
			}
		})
	}
}

func BenchmarkFindHostile(b *testing.B) {
	for name, c := range hostileFiles(100) {
		b.Run("file="+name, func(b *testing.B) {
			r, report := ParseRedirects(c.file, Options{})
			if len(report.Problems) > 0 || r.Len() != 100 {
				b.Fatal(r.Len(), report.Problems[0])
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := r.Find(c.path); ok {
					b.Fatal("found")
				}
			}
		})
	}
}

func BenchmarkAnswer(b *testing.B) {
	r, _ := ParseRedirects("/a /b\n/go/* /gone/:splat\n/h/:host https://:host.example.com/x\n", Options{})
	for _, path := range []string{"/a", "/go/some/where/else", "/h/www"} {
		b.Run("path="+path, func(b *testing.B) {
			req := Request{Scheme: "https", Host: "x.example", Path: path}
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				n, found := r.Find(path)
				out, ok := r.Answer(dst[:0], n, &req)
				if dst = out; !found || !ok {
					b.Fatal("no answer")
				}
			}
		})
	}
}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{10, 100} {
		h, _ := ParseHeaders(headersFile(n), Options{})
		for _, path := range []string{benchPath, "/assets7/app.js"} {
			b.Run(fmt.Sprintf("rules=%d/path=%s", n, path), func(b *testing.B) {
				var c Changes
				b.ReportAllocs()
				for b.Loop() {
					h.Apply(&c, "docs.pages.localhost", path)
				}
			})
		}
	}
}

// As many rules and fields as a file can have, all of which match; with values that are written down, and with values that a
// long path makes too long.
func BenchmarkApplyHostile(b *testing.B) {
	for name, c := range map[string]struct {
		fields      int // of each of 100 rules
		value, path string
	}{
		"constant":        {250, "%d", "/" + strings.Repeat("a", 100)},
		"too-long":        {200, ":splat", "/" + strings.Repeat("a", 8000)},
		"too-long-at-end": {4, strings.Repeat(":splat", 330), "/" + strings.Repeat("a", 300)},
	} {
		b.Run("values="+name, func(b *testing.B) {
			var file strings.Builder
			for i := range 100 {
				fmt.Fprintf(&file, "/%s*\n", strings.Repeat("a", i))
				for j := range c.fields {
					fmt.Fprintf(&file, "X-%d: %s\n", i*c.fields+j, strings.ReplaceAll(c.value, "%d", fmt.Sprint(j)))
				}
			}
			h, report := ParseHeaders(file.String(), Options{})
			if len(report.Problems) > 0 {
				b.Fatal(report.Problems[0])
			}
			var changes Changes
			b.ReportAllocs()
			for b.Loop() {
				h.Apply(&changes, "h", c.path)
			}
			b.ReportMetric(float64(len(changes.List)), "fields")
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	redirects, headers := []byte(redirectsFile(2100)), []byte(headersFile(100))
	b.ReportAllocs()
	for b.Loop() {
		CompileRedirects(redirects, Options{})
		CompileHeaders(headers, Options{})
	}
}

func BenchmarkParseBad(b *testing.B) {
	for name, text := range map[string]string{
		"10MB-of-lines": strings.Repeat("/a b c d e\n", 1_000_000),
		"one-line":      strings.Repeat("é", 5_000_000),
	} {
		b.Run("file="+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				ParseRedirects(text, Options{})
				ParseHeaders(text, Options{})
			}
		})
	}
}

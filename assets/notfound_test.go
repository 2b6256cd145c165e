package assets

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// walkUp is the definition.
func walkUp(s testSite, path string) int {
	for cut := strings.LastIndexByte(path, '/'); cut >= 0; cut = strings.LastIndexByte(path[:cut], '/') {
		if i, ok := s.files.Lookup(path[:cut] + "/404.html"); ok {
			return i
		}
	}
	return -1
}

func TestNearestNotFoundPage(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "ab", "0", "404.html", "z", "a-"})
	path := rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(segment, 0, 4).Draw(t, "segments"), "/")
	})
	rapid.Check(t, func(rt *rapid.T) {
		var files []string
		for _, dir := range rapid.SliceOfN(path, 0, 12).Draw(rt, "directories") {
			files = append(files, strings.TrimSuffix(dir, "/")+"/404.html", strings.TrimSuffix(dir, "/")+"/x404.html")
		}
		s := named(t, files...)
		for range 10 {
			p := path.Draw(rt, "path") + rapid.SampledFrom([]string{"", "/", "//", "/x"}).Draw(rt, "end")
			if got, want := s.notFound.nearest(p), walkUp(s, p); got != want {
				rt.Fatalf("nearest(%q) = %d, want %d, of %q", p, got, want, files)
			}
		}
	})
}

// deepMiss is a request whose path has far more directories than the site, whose nearest 404 page is thousands of levels up.
func deepMiss(t testing.TB) (s testSite, target, nearest string) {
	t.Helper()
	var files []string
	for n := 1; n < 2000; n++ {
		files = append(files, strings.Repeat("/a", n)+"/404.html")
	}
	return named(t, files...), strings.Repeat("/a", 30_000) + "/x", files[len(files)-1]
}

func TestDeepMissFindsTheNearestPage(t *testing.T) {
	s, target, nearest := deepMiss(t)
	var p Plan
	s.Plan(&p, &Request{Method: "GET", Target: target})
	if p.Status != 404 || s.body(t, &p) != nearest {
		t.Errorf("%d %q", p.Status, s.body(t, &p))
	}
}

// BenchmarkDeepMiss would take over a second an operation if the walk up looked up every directory.
func BenchmarkDeepMiss(b *testing.B) {
	s, target, _ := deepMiss(b)
	var p Plan
	b.ReportAllocs()
	for b.Loop() {
		s.Plan(&p, &Request{Method: "GET", Target: target})
	}
}

// Parts are asked directory by directory: however long a path is, no more often than a file's path has bytes.
func TestNotFoundOfPartsIsBounded(t *testing.T) {
	s := newTestSite(t, map[string]string{"/404.html": "lost", "/a/404.html": "a"})
	tree := &s.part.notFound
	for path, want := range map[string]string{
		"/": "/404.html", "/x": "/404.html", "/a": "/404.html", "/a/": "/a/404.html", "/a/b/c": "/a/404.html",
		"/a/" + strings.Repeat("/", 1<<20): "/a/404.html", "/a/" + strings.Repeat("b/", 1<<19): "/a/404.html", "/" + strings.Repeat("a", 1<<20) + "/x": "/404.html",
	} {
		allocated := testing.AllocsPerRun(1, func() {
			if i := tree.nearest(path); s.files.PathAt(i) != want {
				t.Errorf("%.20q: %q, want %q", path, s.files.PathAt(i), want)
			}
		})
		if allocated > 2 {
			t.Errorf("%.20q: %v allocations", path, allocated)
		}
	}
}

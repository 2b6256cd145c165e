package assets

import (
	"strings"
	"testing"
	"time"

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

// The cost of a miss must not grow with the square of the path, even where the site nests its pages as deep.
func TestDeepMissIsCheap(t *testing.T) {
	var files []string
	for n := 1; n < 2000; n++ {
		files = append(files, strings.Repeat("/a", n)+"/404.html")
	}
	s := named(t, files...)
	deep := strings.Repeat("/a", 30_000) + "/x"
	start := time.Now()
	var p Plan
	for range 100 {
		s.Plan(&p, &Request{Method: "GET", Target: deep})
	}
	if p.Status != 404 || s.body(t, &p) != files[len(files)-1] {
		t.Errorf("%d %q", p.Status, s.body(t, &p))
	}
	if d := time.Since(start) / 100; d > 20*time.Millisecond { // walking up takes over a second
		t.Errorf("a miss takes %v", d)
	}
}

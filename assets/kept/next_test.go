package kept

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/assets/rules"
)

func TestKeepable(t *testing.T) {
	for path, want := range map[string]bool{
		"/app.1a2b.js": true, "/app.css": true, "/img/x.png": true, "/data.json": true, "/noext": true, "/a.b/c": true,
		"/app.js.br": true, "/_next/static/x.js": true, "/a..js": true, "/sub/_headers": true, "/functions.js": true, "/x/functions/y.js": true,
		"": false, "/index.html": false, "/a.htm": false, "/A.HTML": false, "/a.xhtml": false, "/index.html.br": false, "/x.shtml": false,
		"/.env": false, "/.git/config": false, "/a/.b": false, "/a/.b/c.js": false, "/.well-known/x.json": false,
		"/app.js.map": false, "/app.css.MAP": false, "/app.js.map.gz": false, "/map": true, "/x.map/y.js": true,
		"/_headers": false, "/_redirects": false, "/_routes.json": false, "/_worker.js": false, "/_worker.js/index.js": false,
		"/_worker.bundle": false, "/functions/x.js": false, "/berth.toml": false, "/wrangler.toml": false, "/_headers.br": false,
	} {
		if got := Keepable(path); got != want {
			t.Errorf("Keepable(%q) = %v", path, got)
		}
	}
}

func TestURLPath(t *testing.T) {
	for path, want := range map[string]string{
		"/a/b-c.js":   "/a/b-c.js",
		"/a b.js":     "/a%20b.js",
		"/ü.js":       "/%C3%BC.js",
		"/50%.js":     "/50%25.js",
		"/a?b#c\\d":   "/a%3Fb%23c%5Cd",
		"/[x]'!.js":   "/[x]'!.js",
		"/{x}^`.js\t": "/%7Bx%7D%5E%60.js%09",
	} {
		if got := urlPath(path); got != want {
			t.Errorf("urlPath(%q) = %q, want %q", path, got, want)
		}
	}
}

func listing(t testing.TB, entries ...manifest.Entry) *manifest.Manifest {
	t.Helper()
	raw, err := manifest.Encode(entries)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func redirects(text string) *rules.Redirects {
	r, _ := rules.ParseRedirects(text, rules.Options{})
	return r
}

func TestNext(t *testing.T) {
	a1, a2 := entry("/a.js", "1"), entry("/a.js", "2")
	b, c, page := entry("/b.css", "b"), entry("/c.png", "c"), entry("/p.html", "p")
	const now = 1000
	keep := 100 * time.Second
	old := File{c, 3, 1050}
	for name, tc := range map[string]struct {
		move   Move
		want   []File
		report Report
	}{
		"first deployment": {Move{To: listing(t, a1), Keep: keep, Max: 9}, nil, Report{}},
		"what is gone is kept": {Move{From: listing(t, a1, b, page), FromNo: 4, To: listing(t, a2), Keep: keep, Max: 9},
			[]File{{b, 4, 1100}}, Report{Files: 1}},
		"off": {Move{From: listing(t, b), FromNo: 4, To: listing(t), Previous: encoded(t, old), Max: 9}, nil, Report{}},
		"what was kept stays": {Move{From: listing(t, b), FromNo: 4, To: listing(t), Previous: encoded(t, old), Keep: keep, Max: 9},
			[]File{{b, 4, 1100}, old}, Report{Files: 2}},
		"not when its time is over": {Move{From: listing(t), FromNo: 4, To: listing(t), Previous: encoded(t, File{c, 3, now}), Keep: keep, Max: 9},
			nil, Report{}},
		"not when it is there again": {Move{From: listing(t), FromNo: 4, To: listing(t, c), Previous: encoded(t, old), Keep: keep, Max: 9},
			nil, Report{}},
		"not when its source is dead": {Move{From: listing(t, b), FromNo: 4, To: listing(t), Previous: encoded(t, old), Keep: keep, Max: 9,
			Alive: func(n uint64) bool { return n == 4 }}, []File{{b, 4, 1100}}, Report{Files: 1}},
		"nor when that is From": {Move{From: listing(t, b), FromNo: 4, To: listing(t), Previous: encoded(t, old), Keep: keep, Max: 9,
			Alive: func(n uint64) bool { return n == 3 }}, []File{old}, Report{Files: 1}},
		"a shorter keep holds for all": {Move{From: listing(t, b), FromNo: 4, To: listing(t), Previous: encoded(t, old), Keep: 10 * time.Second, Max: 9},
			[]File{{b, 4, 1010}, {c, 3, 1010}}, Report{Files: 2}},
		"less than a second is one": {Move{From: listing(t, b), FromNo: 4, To: listing(t), Keep: time.Millisecond, Max: 9},
			[]File{{b, 4, 1001}}, Report{Files: 1}},
		"the newest": {Move{From: listing(t, a1, b), FromNo: 4, To: listing(t), Previous: encoded(t, old), Keep: keep, Max: 2},
			[]File{{a1, 4, 1100}, {b, 4, 1100}}, Report{Files: 2, Dropped: 1}},
		"none": {Move{From: listing(t, a1, b), FromNo: 4, To: listing(t), Keep: keep}, nil, Report{Dropped: 2}},
		"the last one that had it": {Move{From: listing(t, a2), FromNo: 4, To: listing(t), Previous: encoded(t, File{a1, 3, 1050}), Keep: keep, Max: 9},
			[]File{{a2, 4, 1100}}, Report{Files: 1}},
		"static redirect": {Move{From: listing(t, a1, b), FromNo: 4, To: listing(t), Redirects: redirects("/a.js /b 301"), Keep: keep, Max: 9},
			[]File{{b, 4, 1100}}, Report{Files: 1}},
		"dynamic redirect": {Move{From: listing(t, a1, b), FromNo: 4, To: listing(t), Previous: encoded(t, old), Redirects: redirects("/:x.js /b 302\n/c* / 301"), Keep: keep, Max: 9},
			[]File{{b, 4, 1100}}, Report{Files: 1}},
		"rewrite": {Move{From: listing(t, a1, b), FromNo: 4, To: listing(t), Redirects: redirects("/* /shell 200"), Keep: keep, Max: 9},
			nil, Report{}},
		"what was redirected was not served": {Move{From: listing(t, a1, b), FromNo: 4, To: listing(t), Previous: encoded(t, old), Shadowed: redirects("/a.js /login 302\n/c* / 301"), Keep: keep, Max: 9},
			[]File{{b, 4, 1100}, old}, Report{Files: 2}},
		"redirect of an encoded path": {Move{From: listing(t, entry("/ü 1.js", "")), FromNo: 4, To: listing(t), Redirects: redirects("/%C3%BC%201.js / 301"), Keep: keep, Max: 9},
			nil, Report{}},
	} {
		tc.move.Now = now
		raw, report, err := Next(tc.move)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []File
		if raw != nil {
			x := opened(t, raw, nil)
			got = slices.Collect(x.All())
			if err := x.Verify(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(tc.report, report); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, _, err := Next(Move{To: listing(t), Previous: []byte("x"), Keep: keep}); err == nil {
		t.Error("a damaged index was taken")
	}
}

func BenchmarkNext(b *testing.B) {
	for _, n := range []int{20_000, 100_000} {
		for _, differ := range []int{500, n} {
			b.Run(fmt.Sprintf("files=%d/differ=%d", n, differ), func(b *testing.B) {
				var from, to []manifest.Entry
				for i := range n {
					path := fmt.Sprintf("/assets/section-%03d/chunk-%06d.js", i%331, i)
					from = append(from, manifest.Entry{Path: path, Size: 1})
					if i < differ {
						path += "x"
					}
					to = append(to, manifest.Entry{Path: path, Size: 1})
				}
				var text strings.Builder
				for i := range 2000 {
					fmt.Fprintf(&text, "/old/%d /new/%d 301\n", i, i)
				}
				m := Move{From: listing(b, from...), FromNo: 1, To: listing(b, to...), Redirects: redirects(text.String()),
					Now: 1, Keep: time.Hour, Max: n}
				b.ReportAllocs()
				for b.Loop() {
					if _, r, err := Next(m); err != nil || r.Files != differ {
						b.Fatal(r, err)
					}
				}
			})
		}
	}
}

package kept

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/assets/manifest"
	"berth/assets/rules"
)

// deployed is a deployment of the model: what it has by path, and what it redirects.
type deployed struct {
	no      uint64
	entries map[string]manifest.Entry
	listing *manifest.Manifest
	exact   []string
	prefix  []string
	rules   *rules.Redirects
	gone    bool
}

func (d *deployed) covers(path string) bool {
	return slices.Contains(d.exact, path) || slices.ContainsFunc(d.prefix, func(p string) bool { return strings.HasPrefix(path, p) })
}

// step is a move that was made.
type step struct {
	from, to *deployed
	now      int64
	keep     time.Duration
	dead     []uint64 // deployments that were gone by then
}

var universe = []string{"/a.js", "/b.js", "/dir/a.css", "/dir/b.css", "/img/x.png", "/y", "/z.html", "/.hid", "/m.map", "/sp ace.js"}

// reference says what is kept after the last of steps, from the whole history and not from the index before.
func reference(steps []step, path string) (File, bool) {
	if !Keepable(path) {
		return File{}, false
	}
	var f File
	for _, s := range steps {
		until := s.now + int64(s.keep/time.Second)
		_, had := s.from.entries[path]
		_, has := s.to.entries[path]
		switch {
		case s.keep <= 0, has, s.to.covers(path):
			f = File{}
		case had && !slices.Contains(s.dead, s.from.no) && !s.from.covers(path):
			f = File{s.from.entries[path], s.from.no, until}
		case f.Source != 0 && (f.Until <= s.now || slices.Contains(s.dead, f.Source)):
			f = File{}
		default:
			f.Until = min(f.Until, until)
		}
	}
	return f, f.Source != 0
}

func TestNextIsTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &moves{now: 1000}
		w.deploy(t)
		w.current = w.all[0]
		for range rapid.IntRange(1, 12).Draw(t, "moves") {
			w.now += rapid.Int64Range(0, 60).Draw(t, "later")
			to := w.current
			switch rapid.SampledFrom([]string{"deploy", "deploy", "rollback", "delete"}).Draw(t, "move") {
			case "deploy":
				to = w.deploy(t)
			case "rollback":
				to = w.any(t)
			case "delete":
				if d := w.any(t); d != w.current {
					d.gone = true
				}
			}
			if to == w.current {
				continue
			}
			w.move(t, to)
			w.compare(t)
		}
	})
}

type moves struct {
	all     []*deployed
	current *deployed
	steps   []step
	raw     []byte
	now     int64
}

func (w *moves) any(t *rapid.T) *deployed {
	for {
		if d := rapid.SampledFrom(w.all).Draw(t, "deployment"); !d.gone {
			return d
		}
	}
}

func (w *moves) deploy(t *rapid.T) *deployed {
	d := &deployed{no: uint64(len(w.all) + 1), entries: map[string]manifest.Entry{}}
	var entries []manifest.Entry
	for _, path := range rapid.SliceOfNDistinct(rapid.SampledFrom(universe), 0, len(universe), rapid.ID[string]).Draw(t, "files") {
		e := entry(path, fmt.Sprint(path, rapid.IntRange(0, 2).Draw(t, "content")))
		d.entries[path] = e
		entries = append(entries, e)
	}
	raw, err := manifest.Encode(entries)
	if err != nil {
		t.Fatal(err)
	}
	if d.listing, err = manifest.Open(raw); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if rapid.IntRange(0, 3).Draw(t, "redirects") == 0 {
		d.exact = []string{rapid.SampledFrom([]string{"/a.js", "/y", "/sp ace.js"}).Draw(t, "exact")}
		d.prefix = []string{rapid.SampledFrom([]string{"/dir/", "/im", "/b"}).Draw(t, "prefix")}
		fmt.Fprintf(&text, "%s /else 301\n%s* /other 200\n", urlPath(d.exact[0]), d.prefix[0])
	}
	d.rules = redirects(text.String())
	w.all = append(w.all, d)
	return d
}

func (w *moves) alive(source uint64) bool { return !w.all[source-1].gone }

func (w *moves) move(t *rapid.T, to *deployed) {
	keep := time.Duration(rapid.SampledFrom([]int{0, 20, 50, 50, 100}).Draw(t, "keep")) * time.Second
	m := Move{Previous: w.raw, Alive: w.alive, From: w.current.listing, FromNo: w.current.no, Shadowed: w.current.rules, To: to.listing, Redirects: to.rules,
		Now: w.now, Keep: keep, Max: 1000}
	raw, report, err := Next(m)
	if err != nil || report.Dropped != 0 {
		t.Fatal(report, err)
	}
	// A bound takes the newest of what there is without it.
	m.Max = rapid.IntRange(0, 8).Draw(t, "max")
	bounded, cut, err := Next(m)
	if err != nil || cut.Files != min(m.Max, report.Files) || cut.Files+cut.Dropped != report.Files {
		t.Fatal(m.Max, cut, report, err)
	}
	all, some := collect(t, raw), collect(t, bounded)
	slices.SortFunc(all, newestFirst)
	slices.SortFunc(some, newestFirst)
	if diff := cmp.Diff(all[:len(some)], some); diff != "" {
		t.Fatal(diff)
	}
	s := step{from: w.current, to: to, now: w.now, keep: keep}
	for _, d := range w.all {
		if d.gone {
			s.dead = append(s.dead, d.no)
		}
	}
	w.steps, w.raw, w.current = append(w.steps, s), raw, to
}

func collect(t *rapid.T, raw []byte) []File {
	files := []File{}
	if raw == nil {
		return files
	}
	x, err := Open(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Verify(); err != nil {
		t.Fatal(err)
	}
	return slices.AppendSeq(files, x.All())
}

func (w *moves) compare(t *rapid.T) {
	var x *Index
	if w.raw != nil {
		var err error
		if x, err = Open(w.raw, w.alive); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range universe {
		want, _ := reference(w.steps, path)
		for _, now := range []int64{w.now, want.Until - 1, want.Until} {
			got, ok := x.Lookup(path, now)
			if should := want.Source != 0 && now < want.Until; ok != should || ok && got != want {
				t.Fatalf("after %d moves, at %d: Lookup(%q) = %+v, %v; want %+v, %v", len(w.steps), now, path, got, ok, want, should)
			}
		}
	}
}

package control

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/assets/httpsem"
	"berth/assets/manifest"
)

func (s *testService) blobs(t testing.TB) (n int) {
	t.Helper()
	for _, err := range s.deps.Blobs.All() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// A deployment that is deleted while it is worked on, before its manifest was read and after, ends the work without a word.
func TestDeletedWhileEncoding(t *testing.T) {
	ts, enc := newEncodingService(t, func(p *testParts) { p.opts.CompressWorkers = 1 })
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "dev", site{"/a.html": text("a"), "/b.html": text("b")})
	remove := sync.OnceFunc(func() {
		a.must("DELETE", projectsPath+"/docs/deployments/"+d.ID+"?force=true", nil)
		ts.clock.advance(time.Hour)
		ts.swept(t, SweepOptions{})
	})
	enc.set(func(f *testEncoder) { f.before = func([]byte) { remove() } })
	ts.drain(t)
	gone := a.deploy("docs", "dev", site{"/c.html": text("c")})
	a.must("DELETE", projectsPath+"/docs/deployments/"+gone.ID+"?force=true", nil)
	ts.drain(t)
	if x := ts.EncodeStats(); x.Waiting != 0 || x.Deployments != 0 || x.Pauses != 0 || ts.wanted(t) != 0 {
		t.Errorf("%+v, %d wanted", x, ts.wanted(t))
	}
	if strings.Contains(ts.log.String(), "level=WARN") || strings.Contains(ts.log.String(), "level=ERROR") {
		t.Error(ts.log.String())
	}
	if n := enc.total(); n != 2 {
		t.Errorf("%d encoded, want those of the file in hand, of the first pass", n)
	}
	ts.clock.advance(time.Hour)
	if ts.swept(t, SweepOptions{}); ts.blobs(t) != 0 {
		t.Errorf("%d blobs are left", ts.blobs(t))
	}
	ts.clean(t)
}

// A sweep without any grace takes nothing that a listing is going to name: one at each step of the way.
func TestSweepWhileEncoding(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	sweep := func() {
		ts.clock.advance(time.Hour)
		ts.swept(t, SweepOptions{})
	}
	enc.set(func(f *testEncoder) { f.before = func([]byte) { sweep() } })
	files := site{}
	want := map[string]string{}
	for i := range 8 {
		files[fmt.Sprintf("/%d.html", i)] = text(fmt.Sprint(i))
		want[fmt.Sprintf("/%d.html", i)] = all
		d := a.deploy("docs", "", files)
		ts.drain(t)
		ts.wantForms(t, d, want)
		sweep()
		ts.wantForms(t, d, want)
	}
	if n := enc.total(); n != 24 {
		t.Errorf("%d encoded, want 24", n)
	}
	if sum := ts.clean(t); sum.Stale != 0 {
		t.Errorf("%+v", sum)
	}
}

// A sweep that froze its view before the listing was published, and gets to the blobs after the job has let go of them.
func TestSweepMarkedBeforeTheListing(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.html": text("a")})
	ts.clock.advance(time.Hour)
	w := &sweep{svc: ts.Service}
	var end func()
	enc.set(func(f *testEncoder) {
		f.before = func([]byte) {
			if end == nil {
				end = ts.upkeep.startSweep(newBloom(0))
				if err := w.mark(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	ts.encodings.svc.opts.CompressWorkers = 1
	ts.drain(t)
	ts.clock.advance(time.Hour)
	w.cutoff = ts.clock.Now()
	if err := w.removeBlobs(t.Context()); err != nil {
		t.Error(err)
	}
	end()
	if w.report.Young != 0 {
		t.Errorf("%+v", w.report)
	}
	ts.wantForms(t, d, map[string]string{"/a.html": all})
	ts.clean(t)
}

// Forms that were made for a deployment which is gone are found, relied on, and then swept no more.
func TestSweepOfFormsThatWereFound(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	old := a.deploy("docs", "dev", site{"/a.html": text("a")})
	ts.drain(t)
	a.must("DELETE", projectsPath+"/docs/deployments/"+old.ID+"?force=true", nil)
	d := a.deploy("docs", "", site{"/a.html": text("a"), "/b.html": text("b")})
	enc.set(func(f *testEncoder) {
		f.before = func([]byte) {
			ts.clock.advance(time.Hour)
			ts.swept(t, SweepOptions{})
		}
	})
	ts.drain(t)
	ts.wantForms(t, d, map[string]string{"/a.html": all, "/b.html": all})
	if n := enc.total(); n != 6 {
		t.Errorf("%d encoded", n)
	}
	ts.clean(t)
}

// Forms that nobody names any more go, and what was known of them with them; they are made again when they are needed.
func TestSweepTakesForms(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	kept := a.deploy("docs", "", site{"/a.html": text("a"), "/noise.txt": noise(600)})
	old := a.deploy("docs", "dev", site{"/b.html": text("b")})
	ts.drain(t)
	a.must("DELETE", projectsPath+"/docs/deployments/"+old.ID+"?force=true", nil)
	ts.clock.advance(time.Hour)
	if r := ts.swept(t, SweepOptions{}); r.Removed != 6 || r.Encoded != 1 { // b, its manifest, listing and three forms
		t.Errorf("%+v", r)
	}
	if sum := ts.clean(t); sum.Encoded != 2 || sum.Stale != 0 {
		t.Errorf("%+v", sum)
	}
	ts.wantForms(t, kept, map[string]string{"/a.html": all})
	again := a.deploy("docs", "dev", site{"/b.html": text("b"), "/a.html": text("a"), "/noise.txt": noise(600)})
	ts.drain(t)
	ts.wantForms(t, again, map[string]string{"/a.html": all, "/b.html": all})
	if n := enc.count(text("b")); n != 6 || enc.total() != 12 {
		t.Errorf("%d and %d encoded", n, enc.total())
	}
	// One form is lost on the disk: only that one is made again.
	d := manifest.DigestOf([]byte(encoded(t, text("b"), httpsem.Zstd)))
	if err := ts.deps.Blobs.Remove(d, ts.clock.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	ts.clock.advance(time.Hour)
	if r := ts.swept(t, SweepOptions{}); r.Encoded != 1 {
		t.Errorf("%+v", r)
	}
	a.deploy("docs", "dev", site{"/b.html": text("b")})
	ts.drain(t)
	if n := enc.count(text("b")); n != 7 {
		t.Errorf("%d encoded, want 7", n)
	}
	ts.clean(t)
}

package control

import (
	"strings"
	"testing"
)

func TestDeploymentIsEncoded(t *testing.T) {
	ts, enc := newEncodingService(t, func(p *testParts) { p.opts.CompressMaxBytes = 4096 })
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{
		"/index.html": text("page"), "/same.html": text("page"), "/app.js": text("script"),
		"/photo.png": text("no photo"), "/small.txt": strings.Repeat("a", minEncoded-1), "/noise.txt": noise(900),
		"/large.txt": strings.Repeat("large ", 1000), "/data": text("of no known type"),
	})
	if got := ts.forms(t, d); len(got) != 0 || ts.wanted(t) != 1 || enc.total() != 0 {
		t.Fatalf("before the job: %v, %d wanted, %d encoded", got, ts.wanted(t), enc.total())
	}
	ts.drain(t)
	want := map[string]string{"/index.html": all, "/same.html": all, "/app.js": all}
	ts.wantForms(t, d, want)
	if n := ts.wanted(t); n != 0 {
		t.Errorf("%d wanted", n)
	}
	if n := enc.total(); n != 9 { // page, script, noise
		t.Errorf("%d encoded", n)
	}
	x := ts.EncodeStats()
	if x.Deployments != 1 || x.Blobs != 3 || x.Variants != 6 || x.Refused != 3 || x.BytesOut >= x.BytesIn || x.Waiting != 0 || x.Failures != 0 {
		t.Errorf("%+v", x)
	}
	if sum := ts.clean(t); sum.Listings != 1 || sum.Variants != 9 || sum.Encoded != 3 {
		t.Errorf("%+v", sum)
	}
	if !strings.Contains(ts.log.String(), "encoded a deployment") {
		t.Error("not logged")
	}
}

// What was encoded for one deployment is there for all others, in whichever project.
func TestEncodedOncePerBlob(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.project("blog")
	first := a.deploy("docs", "", site{"/a.html": text("shared"), "/noise.txt": noise(700)})
	second := a.deploy("blog", "dev", site{"/b.html": text("shared"), "/c.html": text("new"), "/noise.txt": noise(700)})
	ts.drain(t)
	third := a.deploy("docs", "", site{"/a.html": text("shared"), "/noise.txt": noise(700)})
	before := ts.deps.Store.Revision()
	ts.drain(t)
	ts.wantForms(t, first, map[string]string{"/a.html": all})
	ts.wantForms(t, second, map[string]string{"/b.html": all, "/c.html": all})
	ts.wantForms(t, third, map[string]string{"/a.html": all})
	for content, want := range map[string]int{text("shared"): 3, text("new"): 3, noise(700): 3} {
		if got := enc.count(content); got != want {
			t.Errorf("%.20q encoded %d times, want %d", content, got, want)
		}
	}
	if got := ts.deps.Store.Revision() - before; got != 1 {
		t.Errorf("%d commits for a deployment of nothing new, want 1", got)
	}
	ts.clean(t)
}

func TestEncodingGoesOnAfterARestart(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.html": text("a"), "/b.html": text("b")})
	ts.again(t)
	ts.drain(t)
	ts.wantForms(t, d, map[string]string{"/a.html": all, "/b.html": all})
	ts.again(t)
	ts.drain(t)
	if n := enc.total(); n != 6 {
		t.Errorf("%d encoded", n)
	}
}

// A kill after forms became durable and before they were recorded: they are made again, to the same bytes.
func TestKillBetweenFormsAndTheirRecord(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.html": text("a")})
	task := &encodeTask{job: ts.encodings, q: queued{no: ts.record(t, d).No}, hold: ts.upkeep.reserve()}
	if err := task.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	task.pass, task.todo = encodePasses()[0], task.lacking
	c := &encodeChunk{task: task, batch: ts.deps.Blobs.NewBatch()}
	if _, err := c.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.batch.Commit(); err != nil {
		t.Fatal(err)
	}
	blobs := ts.blobs(t)
	ts.again(t)
	ts.drain(t)
	ts.wantForms(t, d, map[string]string{"/a.html": all})
	if got := ts.blobs(t); got != blobs+2 { // the form of the second pass, and the listing
		t.Errorf("%d blobs, want %d", got, blobs+2)
	}
	if n := enc.total(); n != 5 {
		t.Errorf("%d encoded", n)
	}
}

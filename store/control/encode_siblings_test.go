package control

import (
	"strings"
	"testing"
	"time"

	"berth/assets/httpsem"
	"berth/store"
)

// What CI uploaded encoded is used from the moment that the deployment is live, for files of any type.
func TestSiblings(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	long := text("script")
	files := site{
		"/app.js": long, "/app.js.br": encoded(t, long, httpsem.Brotli), "/app.js.gz": encoded(t, text("another"), httpsem.Gzip),
		"/data.bin": long, "/data.bin.gz": encoded(t, long, httpsem.Gzip), "/data.bin.zst": "cut " + encoded(t, long, httpsem.Zstd)[:20],
		"/tiny.txt": "tiny", "/tiny.txt.gz": encoded(t, "tiny", httpsem.Gzip), // larger
		"/lonely.js.br": encoded(t, long, httpsem.Brotli), "/empty.txt": "", "/empty.txt.gz": "",
	}
	d := a.deploy("docs", "", files)
	ts.wantForms(t, d, map[string]string{"/app.js": "br", "/data.bin": "gzip"})
	if enc.total() != 0 {
		t.Error("something was encoded before")
	}
	log := a.logOf("docs", d.ID)
	for _, want := range []string{
		"app.js.gz does not decompress to app.js; it is served under its own name only.",
		"data.bin.zst does not decompress to data.bin; it is served under its own name only.",
	} {
		if strings.Count(log, want) != 1 {
			t.Errorf("%q is not in the log once:\n%s", want, log)
		}
	}
	if strings.Contains(log, "tiny") || strings.Contains(log, "empty") {
		t.Error(log)
	}
	ts.drain(t)
	ts.wantForms(t, d, map[string]string{"/app.js": all, "/data.bin": "gzip"})
	if n := enc.count(long); n != 2 {
		t.Errorf("encoded %d times, want gzip and zstd", n)
	}
	if a.logOf("docs", d.ID) != log {
		t.Errorf("the log has changed: %s", a.logOf("docs", d.ID))
	}
	before := ts.EncodeStats()
	again := a.deploy("docs", "", files)
	ts.wantForms(t, again, map[string]string{"/app.js": "br", "/data.bin": "gzip"})
	ts.drain(t)
	after := ts.EncodeStats()
	if after.Siblings != before.Siblings || after.FalseOnes != before.FalseOnes || enc.count(long) != 2 {
		t.Errorf("an unchanged deployment is looked at again: %+v, then %+v", before, after)
	}
	// Without the sibling that coding is made, and only that one.
	bare := a.deploy("docs", "dev", site{"/app.js": long})
	ts.drain(t)
	ts.wantForms(t, bare, map[string]string{"/app.js": all})
	if n := enc.count(long); n != 3 {
		t.Errorf("encoded %d times, want brotli too", n)
	}
	ts.clean(t)
}

// What there is no time for before the deployment is live is looked at afterwards, even if nothing is encoded here.
func TestSiblingsBeyondTheBudget(t *testing.T) {
	for _, workers := range []int{1, -1} {
		ts, _ := newEncodingService(t, func(p *testParts) { p.opts.CompressWorkers = workers })
		small, large := text("s"), strings.Repeat(text("large"), 10)
		ts.encodings.budget = int64(len(small) + len(encoded(t, small, httpsem.Gzip)) + 100)
		a := ts.api(t)
		a.project("docs")
		d := a.deploy("docs", "", site{
			"/a.bin": small, "/a.bin.gz": encoded(t, small, httpsem.Gzip),
			"/b.bin": large, "/b.bin.br": encoded(t, large, httpsem.Brotli), "/b.bin.gz": encoded(t, small, httpsem.Gzip),
		})
		ts.wantForms(t, d, map[string]string{"/a.bin": "gzip"})
		ts.drain(t)
		ts.wantForms(t, d, map[string]string{"/a.bin": "gzip", "/b.bin": "br"})
		if log := a.logOf("docs", d.ID); strings.Count(log, "b.bin.gz does not decompress to b.bin") != 1 {
			t.Errorf("workers %d: %s", workers, log)
		}
		ts.clean(t)
	}
}

// After a restart the verdicts on what is listed hold, and nothing is told twice.
func TestSiblingsAfterARestart(t *testing.T) {
	ts, _ := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.bin": text("a"), "/a.bin.gz": encoded(t, text("a"), httpsem.Gzip), "/a.bin.br": "not brotli"})
	log := a.logOf("docs", d.ID)
	ts.again(t)
	ts.drain(t)
	ts.wantForms(t, d, map[string]string{"/a.bin": "gzip"})
	if x := ts.EncodeStats(); x.Siblings != 0 || x.FalseOnes != 1 {
		t.Errorf("%+v", x)
	}
	if got := ts.api(t).logOf("docs", d.ID); got != log {
		t.Error(got)
	}
}

// The first listing is of a publication: a sweep that froze its view before the commit leaves it alone.
func TestSweepOfTheFirstListing(t *testing.T) {
	hook := &routesHook{}
	ts, _ := newEncodingService(t, func(p *testParts) { hook.RouteWriter = RecordWriter(p.deps.Hasher); p.deps.Routes = hook })
	a := ts.api(t)
	a.project("docs")
	w := &sweep{svc: ts.Service}
	var end func()
	hook.before = func() {
		hook.before = nil
		end = ts.upkeep.startSweep(newBloom(0))
		if err := w.mark(t.Context()); err != nil {
			t.Error(err)
		}
	}
	d := a.deploy("docs", "", site{"/a.bin": text("a"), "/a.bin.gz": encoded(t, text("a"), httpsem.Gzip)})
	ts.clock.advance(time.Hour)
	w.cutoff = ts.clock.Now()
	if err := w.removeBlobs(t.Context()); err != nil {
		t.Error(err)
	}
	end()
	ts.wantForms(t, d, map[string]string{"/a.bin": "gzip"})
	ts.clean(t)
}

func TestSiblingNotesAreBounded(t *testing.T) {
	var bad []sibling
	for range 50 {
		bad = append(bad, sibling{path: "/" + strings.Repeat("x", 3000) + ".gz", e: httpsem.Gzip, coded: store.FileRef{Size: 1}})
	}
	notes := siblingNotes(bad)
	if len(notes) != maxSiblingNotes+1 || len(notes[0]) > 500 || !strings.HasPrefix(notes[maxSiblingNotes], "30 files more") {
		t.Errorf("%d notes, the first of %d bytes, the last %q", len(notes), len(notes[0]), notes[len(notes)-1])
	}
}

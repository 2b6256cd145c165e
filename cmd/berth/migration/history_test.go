package migration

import (
	"testing"
	"time"

	"berth/migrate"
)

// The report draws from the first sample on, over restarts; what is counted by epoch begins anew with one.
func TestHistory(t *testing.T) {
	w := newWorld(t)
	_, docs := w.project("docs")
	w.tables(`{"project":"docs","table":{"filters":[],"v":1}}`)
	w.complete()
	h := w.svc.history
	sample := func() {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		w.wantAnswer("docs."+domain, docs.No)
		h.sample(w.svc.engine.Load())
	}
	sample()
	w.mustMove(migrate.DualWrite)
	sample()
	sample()
	if got := h.drawn(); len(got.Done.Points) != 2 || len(got.Median["legacy"].Points) != 3 || len(got.Diffs["missing"].Points) != 2 || got.Epoch != 1 {
		t.Errorf("%+v", got)
	}
	h.keep(t.Context())
	w.close()
	w.open()
	h = w.svc.history
	sample()
	if got := h.drawn(); len(got.Done.Points) != 3 || len(got.Median["legacy"].Points) != 4 {
		t.Errorf("after a restart: %+v", got)
	}
	d, err := w.svc.Report()
	if err != nil || d.Phase != "dual-write" || len(d.Spans) != 2 || d.Spans[1].Phase != "dual-write" || len(d.Log) != 2 {
		t.Errorf("%+v, %v", d, err)
	}
}

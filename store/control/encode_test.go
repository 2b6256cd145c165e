package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
	"berth/store"
)

// testEncoder encodes badly and fast, and counts what it is asked for.
type testEncoder struct {
	mu     sync.Mutex // guards what follows
	calls  map[string]int
	order  []string                                            // contents, as they came
	before func(content []byte)                                // nil: nothing; called without mu
	fault  func(content []byte, e httpsem.Encoding) error      // nil: none
	spoil  func(coded []byte, e httpsem.Encoding) (bad []byte) // nil: not
}

func (f *testEncoder) Encode(ctx context.Context, dst io.Writer, src io.Reader, size int64, e httpsem.Encoding) error {
	content, err := io.ReadAll(src)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.calls[string(content)+" "+e.String()]++
	if !slices.Contains(f.order, string(content)) {
		f.order = append(f.order, string(content))
	}
	before, fault, spoil := f.before, f.fault, f.spoil
	f.mu.Unlock()
	if before != nil {
		before(content)
	}
	if fault != nil {
		if err := fault(content, e); err != nil {
			return err
		}
	}
	b, err := encodeFast(content, e)
	if err != nil {
		return err
	}
	if spoil != nil {
		b = spoil(b, e)
	}
	_, err = dst.Write(b)
	return err
}

func (f *testEncoder) set(change func(*testEncoder)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *testEncoder) count(content string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for call, times := range f.calls {
		if strings.HasPrefix(call, content+" ") {
			n += times
		}
	}
	return n
}

func (f *testEncoder) total() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, times := range f.calls {
		n += times
	}
	return n
}

// newEncodingService is a service whose encoding is worked by hand: drain does it. Pauses do not wait.
func newEncodingService(t testing.TB, change func(*testParts)) (*testService, *testEncoder) {
	t.Helper()
	enc := &testEncoder{calls: make(map[string]int)}
	ts := newTestService(t, func(p *testParts) {
		p.deps.Encoder, p.opts.CompressWorkers = enc, 2
		if change != nil {
			change(p)
		}
	})
	ts.encodings.pause = func(context.Context, time.Duration, <-chan struct{}) {}
	return ts, enc
}

// drain works until nothing is left that is due.
func (s *testService) drain(t testing.TB) {
	t.Helper()
	for range 10_000 {
		if _, ok := s.encodings.step(t.Context()); !ok {
			return
		}
	}
	t.Fatal("encoding does not come to an end")
}

// again is the service after a restart: what was only in memory is gone.
func (s *testService) again(t testing.TB) {
	t.Helper()
	pause := s.encodings.pause
	var err error
	if s.Service, err = New(s.deps, s.opts); err != nil {
		t.Fatal(err)
	}
	s.encodings.pause = pause
	if err := s.encodings.refill(); err != nil {
		t.Fatal(err)
	}
	s.restart(t)
}

// text is something that is worth encoding, different for each name.
func text(name string) string { return name + ":" + strings.Repeat(" all work and no play", 40) }

// noise is something that is not.
func noise(n int) string {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = rng.Read(b)
	return string(b)
}

// encoded is what testEncoder makes.
func encoded(t testing.TB, content string, e httpsem.Encoding) string {
	t.Helper()
	b, err := encodeFast([]byte(content), e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func encodeFast(content []byte, e httpsem.Encoding) ([]byte, error) {
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch e {
	case httpsem.Gzip:
		w, err = gzip.NewWriterLevel(&b, gzip.BestSpeed)
	case httpsem.Zstd:
		w, err = zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstd.MinWindowSize))
	default:
		w = brotli.NewWriterLevel(&b, 1)
	}
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// forms lists what a deployment's files are stored in, by path, and checks that each form decodes to its file.
func (s *testService) forms(t testing.TB, o deploymentObject) map[string]string {
	t.Helper()
	got := make(map[string]string)
	d := s.record(t, o)
	ref, err := s.deps.Store.Variants(d.No)
	if errors.Is(err, store.ErrNotFound) || ref == (store.FileRef{}) {
		return got
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.deps.Blobs.ReadAll(ref.Digest, ref.Size)
	if err != nil {
		t.Fatal(err)
	}
	m, err := openManifest(s.deps.Blobs, d.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	l, err := variants.Open(raw, m.Len())
	if err != nil {
		t.Fatal(err)
	}
	for v := range l.All() {
		f := m.At(v.Entry)
		same, err := decodes(t.Context(), s.deps.Blobs, store.FileRef{Digest: v.Blob, Size: v.Size}, v.Encoding, store.FileRef{Digest: f.Digest, Size: f.Size})
		if err != nil || !same {
			t.Errorf("%s in %v: same=%v, %v", f.Path, v.Encoding, same, err)
		}
		got[f.Path] = strings.TrimSpace(got[f.Path] + " " + v.Encoding.String())
	}
	return got
}

func (s *testService) wantForms(t testing.TB, o deploymentObject, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, s.forms(t, o)); diff != "" {
		t.Errorf("forms of %s (-want +got):\n%s", o.ID, diff)
	}
}

// wanted counts the deployments whose forms are to be made.
func (s *testService) wanted(t testing.TB) (n int) {
	t.Helper()
	for _, err := range s.deps.Store.VariantsWanted() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

const all = "gzip zstd br"

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
	if got := ts.blobs(t); got != blobs+1 { // the listing
		t.Errorf("%d blobs, want %d", got, blobs+1)
	}
	if n := enc.total(); n != 6 {
		t.Errorf("%d encoded", n)
	}
}

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
	if n := enc.total(); n != 3 {
		t.Errorf("%d encoded, want those of the file in hand", n)
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

package control

import (
	"bytes"
	"context"
	"errors"
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

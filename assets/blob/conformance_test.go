package blob

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"berth/assets/manifest"

	"github.com/google/go-cmp/cmp"
	"github.com/zeebo/blake3"
)

// store is what every place for blobs offers.
type store interface {
	NewBatch() *Batch
	Put(r io.Reader) (manifest.Digest, int64, error)
	Open(g manifest.Digest, size int64) (File, error)
	ReadAll(g manifest.Digest, size int64) ([]byte, error)
	Stat(g manifest.Digest) (Info, error)
	Touch(g manifest.Digest) error
	Pin(gs ...manifest.Digest) (unpin func(), missing []manifest.Digest)
	Remove(g manifest.Digest, touchedBefore time.Time) error
	All() iter.Seq2[Info, error]
	Verify(g manifest.Digest) error
	Stats() Stats
	Close() error
}

// clock is a clock that tests turn.
type clock struct{ t time.Time }

func (c *clock) now() time.Time                 { return c.t }
func (c *clock) advance(d time.Duration)        { c.t = c.t.Add(d) }
func (c *clock) options() Options               { return Options{Now: c.now, MaxBlobBytes: 1 << 20} }
func newClock() *clock                          { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }
func digestOf(b []byte) manifest.Digest         { return blake3.Sum256(b) }
func after(c *clock, d time.Duration) time.Time { return c.t.Add(d) }

// bed is a store under test, with a way to change its files behind its back.
type bed struct {
	store
	clock *clock
	spoil func(t *testing.T, g manifest.Digest, data []byte)
}

func beds(t *testing.T) map[string]func(t *testing.T) bed {
	t.Helper()
	return map[string]func(t *testing.T) bed{"dir": dirBed, "mem": memBed, "sim": simBed}
}

func dirBed(t *testing.T) bed {
	c, path := newClock(), t.TempDir()
	d, err := OpenDir(path, c.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return bed{d, c, func(t *testing.T, g manifest.Digest, data []byte) {
		name := filepath.Join(path, fileName(g))
		fi, err := os.Stat(name)
		if err == nil {
			err = errors.Join(os.WriteFile(name, data, fileMode), os.Chtimes(name, fi.ModTime(), fi.ModTime()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}}
}

func memBed(*testing.T) bed {
	c := newClock()
	m := NewMem(c.options())
	return bed{m, c, func(t *testing.T, g manifest.Digest, data []byte) {
		f, err := m.fs.(*memFS).find("spoil", fileName(g))
		if err != nil {
			t.Fatal(err)
		}
		f.data = slices.Clone(data)
	}}
}

func simBed(t *testing.T) bed {
	c, sim := newClock(), newSim()
	d, err := openSim(sim, c.options())
	if err != nil {
		t.Fatal(err)
	}
	return bed{d, c, func(t *testing.T, g manifest.Digest, data []byte) {
		if err := sim.spoil(fileName(g), data); err != nil {
			t.Fatal(err)
		}
	}}
}

func openSim(sim *simFS, opts Options) (*Dir, error) {
	d := new(Dir)
	return d, d.init(sim, opts.withDefaults())
}

// put stores b and fails the test if that fails.
func put(t *testing.T, s store, b []byte) manifest.Digest {
	t.Helper()
	g, n, err := s.Put(bytes.NewReader(b))
	if err != nil || g != digestOf(b) || n != int64(len(b)) {
		t.Fatalf("Put(%d bytes) = %s, %d, %v", len(b), label(g), n, err)
	}
	return g
}

func finish(t *testing.T, b *Batch, data []byte) manifest.Digest {
	t.Helper()
	w, err := b.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	g, n, err := w.Finish()
	if err != nil || g != digestOf(data) || n != int64(len(data)) {
		t.Fatalf("Finish(%d bytes) = %s, %d, %v", len(data), label(g), n, err)
	}
	return g
}

func wantErr(t *testing.T, what string, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("%s: error %v, want %v", what, err, w)
		}
	}
}

func listing(t *testing.T, s store) map[manifest.Digest]int64 {
	t.Helper()
	m := map[manifest.Digest]int64{}
	for info, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		m[info.Digest] = info.Size
	}
	return m
}

func TestConformance(t *testing.T) {
	cases := map[string]func(*testing.T, bed){
		"sizes":         testSizes,
		"absent":        testAbsent,
		"batch":         testBatch,
		"batch ends":    testBatchEnds,
		"deduplicate":   testDeduplicate,
		"limit":         testLimit,
		"source fails":  testSourceFails,
		"heal size":     testHealSize,
		"heal content":  testHealContent,
		"touch":         testTouch,
		"remove":        testRemove,
		"pin":           testPin,
		"batch pins":    testBatchPins,
		"reader stays":  testReaderStays,
		"closed":        testClosed,
		"zero metadata": testStats,
	}
	for name, open := range beds(t) {
		for what, run := range cases {
			t.Run(name+"/"+what, func(t *testing.T) { run(t, open(t)) })
		}
	}
}

func testSizes(t *testing.T, s bed) {
	want := map[manifest.Digest]int64{}
	for _, n := range []int{0, 1, minBuffer - 1, minBuffer, minBuffer + 1, 4*minBuffer + 1, maxBuffer - 1, maxBuffer, maxBuffer + 1, 3*maxBuffer + 7} {
		data := bytes.Repeat([]byte{byte(n), 7, byte(n >> 8)}, n/3+1)[:n]
		g, size, err := s.Put(iotest.HalfReader(bytes.NewReader(data)))
		if err != nil || g != digestOf(data) || size != int64(n) {
			t.Fatalf("put %d: %s %d %v", n, label(g), size, err)
		}
		want[g] = int64(n)
		got, err := s.ReadAll(g, int64(n))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes do not come back: %d, %v", n, len(got), err)
		}
		if err := s.Verify(g); err != nil {
			t.Error(err)
		}
		_, err = s.Open(g, int64(n)+1)
		wantErr(t, "open with another size", err, ErrCorrupt)
		readPart(t, s, g, data)
	}
	if diff := cmp.Diff(want, listing(t, s)); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
}

func readPart(t *testing.T, s bed, g manifest.Digest, data []byte) {
	t.Helper()
	f, err := s.Open(g, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Size() != int64(len(data)) {
		t.Errorf("size %d, want %d", f.Size(), len(data))
	}
	part := make([]byte, len(data)/2)
	off := len(data) - len(part)
	if _, err := f.ReadAt(part, int64(off)); err != nil && err != io.EOF || !bytes.Equal(part, data[off:]) {
		t.Errorf("ReadAt(%d): %v", off, err)
	}
}

func testAbsent(t *testing.T, s bed) {
	g := digestOf([]byte("nobody stored this"))
	_, err := s.Open(g, -1)
	wantErr(t, "open", err, ErrNotFound)
	_, err = s.ReadAll(g, 3)
	wantErr(t, "read", err, ErrNotFound)
	_, err = s.Stat(g)
	wantErr(t, "stat", err, ErrNotFound)
	wantErr(t, "touch", s.Touch(g), ErrNotFound)
	wantErr(t, "verify", s.Verify(g), ErrNotFound)
	wantErr(t, "remove", s.Remove(g, s.clock.t), ErrNotFound)
	unpin, missing := s.Pin(g)
	defer unpin()
	if diff := cmp.Diff([]manifest.Digest{g}, missing); diff != "" {
		t.Error(diff)
	}
}

func testBatch(t *testing.T, s bed) {
	b := s.NewBatch()
	large := bytes.Repeat([]byte("large"), maxBuffer)
	w1, _ := b.Create()
	w2, _ := b.Create()
	for part := range slices.Chunk(large, 1000) { // two Writers at once
		if _, err := w1.Write(part); err != nil {
			t.Fatal(err)
		}
		if _, err := w2.Write(part[:1]); err != nil {
			t.Fatal(err)
		}
	}
	g1, _, err := w1.Finish()
	if err != nil {
		t.Fatal(err)
	}
	g2, n2, err := w2.Finish()
	if err != nil {
		t.Fatal(err)
	}
	g3 := finish(t, b, nil)
	if again := finish(t, b, large); again != g1 {
		t.Errorf("the same bytes are %s and %s", label(g1), label(again))
	}
	for _, g := range []manifest.Digest{g1, g2, g3} {
		_, err := s.Stat(g)
		wantErr(t, "before Commit", err, ErrNotFound)
	}
	if got := listing(t, s); len(got) > 0 {
		t.Errorf("before Commit there are %v", got)
	}
	s.clock.advance(time.Hour)
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	want := map[manifest.Digest]int64{g1: int64(len(large)), g2: n2, g3: 0}
	if diff := cmp.Diff(want, listing(t, s)); diff != "" {
		t.Error(diff)
	}
	if info, err := s.Stat(g1); err != nil || !info.Touched.Equal(s.clock.t) {
		t.Errorf("Stat = %v, %v: want the time of the commit, %v", info, err, s.clock.t)
	}
}

func testBatchEnds(t *testing.T, s bed) {
	b := s.NewBatch()
	g := finish(t, b, []byte("dropped"))
	open, _ := b.Create()
	if _, err := open.Write(make([]byte, 2*maxBuffer)); err != nil {
		t.Fatal(err)
	}
	b.Abort()
	b.Abort()
	_, err := s.Stat(g)
	wantErr(t, "after Abort", err, ErrNotFound)
	_, err = open.Write([]byte("x"))
	wantErr(t, "write after Abort", err, ErrDone)
	_, _, err = open.Finish()
	wantErr(t, "finish after Abort", err, ErrDone)
	_, err = b.Create()
	wantErr(t, "create after Abort", err, ErrDone)
	wantErr(t, "commit after Abort", b.Commit(), ErrDone)

	b = s.NewBatch()
	g = finish(t, b, []byte("kept"))
	w, _ := b.Create()
	if err := b.Commit(); err != nil { // of an empty Writer nothing was promised
		t.Fatal(err)
	}
	b.Abort()
	_, _, err = w.Finish()
	wantErr(t, "finish after Commit", err, ErrDone)
	if diff := cmp.Diff(map[manifest.Digest]int64{g: 4}, listing(t, s)); diff != "" {
		t.Error(diff)
	}
	if err := s.NewBatch().Commit(); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
}

func testDeduplicate(t *testing.T, s bed) {
	small, large := []byte("small"), make([]byte, 3*maxBuffer)
	put(t, s, small)
	g := put(t, s, large)
	s.clock.advance(time.Hour)
	before := s.Stats()
	b := s.NewBatch()
	finish(t, b, small)
	finish(t, b, large)
	finish(t, b, large)
	s.clock.advance(time.Hour)
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	got := s.Stats()
	if got.Stored != before.Stored || got.Deduplicated.Blobs != 3 {
		t.Errorf("stats %+v, before %+v", got, before)
	}
	if info, err := s.Stat(g); err != nil || !info.Touched.Equal(s.clock.t) {
		t.Errorf("Stat = %v, %v: want it touched at the commit, %v", info, err, s.clock.t)
	}
}

func testLimit(t *testing.T, s bed) {
	fits := make([]byte, 1<<20)
	put(t, s, fits)
	for _, n := range []int{1<<20 + 1, 4 << 20} {
		b := s.NewBatch()
		w, _ := b.Create()
		_, err := io.Copy(w, io.LimitReader(zeroes{}, int64(n)))
		var big *TooLargeError
		if !errors.As(err, &big) || big.Limit != 1<<20 {
			t.Errorf("copy %d: %v", n, err)
		}
		_, _, err = w.Finish()
		if !errors.As(err, &big) {
			t.Errorf("finish after it: %v", err)
		}
		w, _ = b.Create()
		if _, err = w.Write(make([]byte, n)); !errors.As(err, &big) {
			t.Errorf("write %d: %v", n, err)
		}
		g := finish(t, b, []byte("the rest of the batch is well"))
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Stat(g); err != nil {
			t.Error(err)
		}
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func testSourceFails(t *testing.T, s bed) {
	broken := errors.New("the client went away")
	src := io.MultiReader(strings.NewReader("half of it"), iotest.ErrReader(broken))
	_, _, err := s.Put(src)
	wantErr(t, "put", err, broken)
	_, _, err = s.Put(stuck{})
	wantErr(t, "put from a reader that gives nothing", err, io.ErrNoProgress)
	if got := listing(t, s); len(got) > 0 {
		t.Errorf("there are %v", got)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func testHealSize(t *testing.T, s bed) {
	data := []byte("to be cut short")
	g := put(t, s, data)
	s.spoil(t, g, data[:4])
	_, err := s.ReadAll(g, int64(len(data)))
	wantErr(t, "read", err, ErrCorrupt)
	put(t, s, data)
	if got, err := s.ReadAll(g, int64(len(data))); err != nil || !bytes.Equal(got, data) {
		t.Errorf("after the upload: %q, %v", got, err)
	}
	if got := s.Stats().Healed; got != (Count{1, uint64(len(data))}) {
		t.Errorf("healed %+v", got)
	}
}

func testHealContent(t *testing.T, s bed) {
	data := bytes.Repeat([]byte("good"), maxBuffer)
	g := put(t, s, data)
	bad := slices.Clone(data)
	bad[maxBuffer+1] ^= 1
	s.spoil(t, g, bad)
	wantErr(t, "verify", s.Verify(g), ErrCorrupt)
	_, err := s.Open(g, -1)
	wantErr(t, "open", err, ErrCorrupt)
	_, err = s.Stat(g)
	wantErr(t, "stat", err, ErrNotFound, ErrCorrupt)
	wantErr(t, "touch", s.Touch(g), ErrNotFound, ErrCorrupt)
	if unpin, missing := s.Pin(g); len(missing) != 1 {
		t.Errorf("missing %v", missing)
	} else {
		unpin()
	}
	put(t, s, data)
	if err := s.Verify(g); err != nil {
		t.Errorf("after the upload: %v", err)
	}
	if st := s.Stats(); st.Healed.Blobs != 1 || st.Damaged != 0 {
		t.Errorf("stats %+v", st)
	}
	s.spoil(t, g, bad)
	wantErr(t, "verify", s.Verify(g), ErrCorrupt)
	if err := s.Remove(g, after(s.clock, time.Hour)); err != nil {
		t.Errorf("remove what is damaged: %v", err)
	}
	if st := s.Stats(); st.Damaged != 0 {
		t.Errorf("stats %+v", st)
	}
}

func testTouch(t *testing.T, s bed) {
	start := s.clock.t
	g := put(t, s, []byte("touched"))
	steps := []struct {
		by   time.Duration
		want time.Duration // since start
	}{
		{0, 0},
		{TouchSlack - 1, 0}, // not worth a write
		{1, TouchSlack},
		{time.Hour, time.Hour + TouchSlack},
		{-2 * time.Hour, TouchSlack - time.Hour}, // the clock was set back
	}
	for _, step := range steps {
		s.clock.advance(step.by)
		if err := s.Touch(g); err != nil {
			t.Fatal(err)
		}
		info, err := s.Stat(g)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Touched.Sub(start); got != step.want {
			t.Errorf("after %v: touched at %v, want %v", step.by, got, step.want)
		}
	}
}

func testRemove(t *testing.T, s bed) {
	g := put(t, s, []byte("removed"))
	wantErr(t, "touched at that time", s.Remove(g, s.clock.t), ErrInUse)
	s.clock.advance(time.Hour)
	if err := s.Touch(g); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "touched since", s.Remove(g, after(s.clock, -time.Minute)), ErrInUse)
	if err := s.Remove(g, after(s.clock, 1)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Stat(g)
	wantErr(t, "stat", err, ErrNotFound)
	put(t, s, []byte("removed"))
	if got := listing(t, s); len(got) != 1 {
		t.Errorf("stored again: %v", got)
	}
}

func testPin(t *testing.T, s bed) {
	later := after(s.clock, time.Hour)
	g := put(t, s, []byte("pinned"))
	absent := digestOf([]byte("comes later"))
	unpin1, missing := s.Pin(g, absent)
	if diff := cmp.Diff([]manifest.Digest{absent}, missing); diff != "" {
		t.Error(diff)
	}
	unpin2, missing := s.Pin(g, g)
	if missing != nil {
		t.Errorf("missing %v", missing)
	}
	put(t, s, []byte("comes later"))
	wantErr(t, "pinned before it came", s.Remove(absent, later), ErrInUse)
	unpin2()
	unpin2()
	wantErr(t, "pinned by the first", s.Remove(g, later), ErrInUse)
	unpin1()
	for _, g := range []manifest.Digest{g, absent} {
		if err := s.Remove(g, later); err != nil {
			t.Error(err)
		}
	}
}

func testBatchPins(t *testing.T, s bed) {
	later := after(s.clock, time.Hour)
	g := put(t, s, []byte("found"))
	b := s.NewBatch()
	finish(t, b, []byte("found"))
	wantErr(t, "found by a batch", s.Remove(g, later), ErrInUse)
	fresh := finish(t, b, []byte("fresh"))
	unpin, err := b.CommitPinned()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []manifest.Digest{g, fresh} {
		wantErr(t, "committed with pins", s.Remove(g, later), ErrInUse)
	}
	unpin()
	unpin()
	for _, g := range []manifest.Digest{g, fresh} {
		if err := s.Remove(g, later); err != nil {
			t.Error(err)
		}
	}
	b = s.NewBatch()
	g = finish(t, b, []byte("fresh"))
	b.Abort()
	put(t, s, []byte("fresh"))
	if err := s.Remove(g, later); err != nil {
		t.Errorf("after Abort: %v", err)
	}
}

func testReaderStays(t *testing.T, s bed) {
	data := bytes.Repeat([]byte("stays"), 5000)
	g := put(t, s, data)
	f, err := s.Open(g, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := s.Remove(g, after(s.clock, 1)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(data))
	if _, err := f.ReadAt(got, 0); err != nil && err != io.EOF || !bytes.Equal(got, data) {
		t.Errorf("read of a removed blob: %v", err)
	}
}

func testClosed(t *testing.T, s bed) {
	g := put(t, s, []byte("before"))
	b := s.NewBatch()
	finish(t, b, []byte("too late"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	wantErr(t, "commit", b.Commit(), ErrClosed)
	_, _, err := s.Put(strings.NewReader("x"))
	wantErr(t, "put", err, ErrClosed)
	_, err = s.Open(g, -1)
	wantErr(t, "open", err, ErrClosed)
	_, err = s.Stat(g)
	wantErr(t, "stat", err, ErrClosed)
	wantErr(t, "touch", s.Touch(g), ErrClosed)
	wantErr(t, "verify", s.Verify(g), ErrClosed)
	wantErr(t, "remove", s.Remove(g, after(s.clock, 1)), ErrClosed)
	for _, err := range s.All() {
		wantErr(t, "all", err, ErrClosed)
	}
}

func testStats(t *testing.T, s bed) {
	g := put(t, s, []byte("four"))
	put(t, s, []byte("four"))
	put(t, s, []byte("sixsix"))
	if err := s.Remove(g, after(s.clock, 1)); err != nil {
		t.Fatal(err)
	}
	want := Stats{Stored: Count{2, 10}, Deduplicated: Count{1, 4}, Removed: Count{1, 4}}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Error(diff)
	}
}

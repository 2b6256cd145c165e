package blob

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"berth/assets/manifest"

	"github.com/google/go-cmp/cmp"
)

func TestConformance(t *testing.T) {
	cases := map[string]func(*testing.T, bed){
		"sizes":        testSizes,
		"absent":       testAbsent,
		"batch":        testBatch,
		"batch ends":   testBatchEnds,
		"deduplicate":  testDeduplicate,
		"limit":        testLimit,
		"source fails": testSourceFails,
		"heal size":    testHealSize,
		"heal content": testHealContent,
		"touch":        testTouch,
		"remove":       testRemove,
		"pin":          testPin,
		"batch pins":   testBatchPins,
		"reader stays": testReaderStays,
		"closed":       testClosed,
		"stats":        testStats,
	}
	for name, open := range beds(t) {
		for what, run := range cases {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel() // on disk it is mostly waiting
				run(t, open(t))
			})
		}
	}
}

func testSizes(t *testing.T, s bed) {
	want := map[manifest.Digest]int64{}
	for _, n := range []int{0, 1, minBuffer - 1, minBuffer, minBuffer + 1, 4*minBuffer + 1, maxBuffer - 1, maxBuffer, maxBuffer + 1, 3*maxBuffer + 7, verifyPiece, 2*verifyPiece + 1} {
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
		if got, err = s.ReadVerified(g, int64(n)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d verified bytes do not come back: %d, %v", n, len(got), err)
		}
		_, err = s.ReadVerified(g, int64(n)+1)
		wantErr(t, "read and verify with another size", err, ErrCorrupt)
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
	_, err = s.ReadVerified(g, 3)
	wantErr(t, "read and verify", err, ErrNotFound)
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

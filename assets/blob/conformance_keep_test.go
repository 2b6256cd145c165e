package blob

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/assets/manifest"

	"github.com/google/go-cmp/cmp"
)

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
	_, err := s.ReadVerified(g, int64(len(data)))
	wantErr(t, "read and verify", err, ErrCorrupt)
	wantErr(t, "verify", s.Verify(g), ErrCorrupt)
	_, err = s.Open(g, -1)
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

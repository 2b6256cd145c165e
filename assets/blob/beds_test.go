package blob

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"berth/assets/manifest"

	"github.com/zeebo/blake3"
)

// store is what every place for blobs offers.
type store interface {
	NewBatch() *Batch
	Put(r io.Reader) (manifest.Digest, int64, error)
	Open(g manifest.Digest, size int64) (File, error)
	ReadAll(g manifest.Digest, size int64) ([]byte, error)
	ReadVerified(g manifest.Digest, size int64) ([]byte, error)
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
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func (c *clock) options() Options { return Options{Now: c.now, MaxBlobBytes: 1 << 20} }

func digestOf(b []byte) manifest.Digest         { return blake3.Sum256(b) }
func after(c *clock, d time.Duration) time.Time { return c.now().Add(d) }

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
	d := &Dir{settlesByHand: true}
	err := d.init(sim, opts)
	if sim.parcels {
		d.parcelFrom = 0
	}
	return d, err
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

package sparse

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// counted counts what is read, and fails where it is told to.
type counted struct {
	io.ReaderAt
	mu   sync.Mutex // guards what follows
	n    int
	fail error
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n += len(p); c.fail != nil {
		return 0, c.fail
	}
	return c.ReaderAt.ReadAt(p, off)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestReadsWhatIsWanted(t *testing.T) {
	whole := random(10*pieceLen + 5)
	src := &counted{ReaderAt: bytes.NewReader(whole)}
	b := New(src, int64(len(whole)))
	for _, x := range []struct{ off, n, read int }{
		{0, 0, 0}, {3, 4, pieceLen}, {pieceLen - 1, 1, pieceLen}, {pieceLen - 1, 2, 2 * pieceLen}, {10 * pieceLen, 5, 2*pieceLen + 5}, {len(whole), 0, 2*pieceLen + 5},
	} {
		if got := b.At(x.off, x.n); !bytes.Equal(got, whole[x.off:x.off+x.n]) || cap(got) != x.n {
			t.Errorf("%d bytes at %d are others", x.n, x.off)
		}
		if src.n != x.read {
			t.Errorf("for %d bytes at %d: %d were read, want %d", x.n, x.off, src.n, x.read)
		}
	}
	all, err := b.Fill()
	if err != nil || !bytes.Equal(all, whole) || b.Err() != nil {
		t.Errorf("%v, %v", err, b.Err())
	}
	if src.n != len(whole) {
		t.Errorf("%d bytes were read of %d", src.n, len(whole))
	}
}

func TestOfNothing(t *testing.T) {
	b := New(bytes.NewReader(nil), 0)
	if all, err := b.Fill(); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

func TestFaults(t *testing.T) {
	whole := random(3 * pieceLen)
	for name, x := range map[string]struct {
		src    *counted
		size   int
		off, n int
	}{
		"before the file":  {&counted{ReaderAt: bytes.NewReader(whole)}, len(whole), -1, 4},
		"behind the file":  {&counted{ReaderAt: bytes.NewReader(whole)}, len(whole), len(whole) - 3, 4},
		"beyond integers":  {&counted{ReaderAt: bytes.NewReader(whole)}, len(whole), 1<<63 - 1, 4},
		"a shorter file":   {&counted{ReaderAt: bytes.NewReader(whole[:2*pieceLen+1])}, len(whole), 2*pieceLen + 8, 4},
		"a disk that errs": {&counted{ReaderAt: bytes.NewReader(whole), fail: errors.New("no")}, len(whole), 0, 4},
	} {
		t.Run(name, func(t *testing.T) {
			b := New(x.src, int64(x.size))
			if diff := cmp.Diff(make([]byte, x.n), b.At(x.off, x.n)); diff != "" {
				t.Error(diff)
			}
			if b.Err() == nil {
				t.Error("nothing is said of it")
			}
			if x.src.fail == nil {
				return
			}
			if _, err := b.Fill(); err == nil {
				t.Error("filled")
			}
			x.src.fail = nil // what could not be read is read again
			if got := b.At(0, 4); !bytes.Equal(got, whole[:4]) || b.Err() == nil {
				t.Errorf("%x, %v", got, b.Err())
			}
		})
	}
}

// TestRace has many read while it is filled.
func TestRace(t *testing.T) {
	whole := random(40*pieceLen + 77)
	src := &counted{ReaderAt: bytes.NewReader(whole)}
	b := New(src, int64(len(whole)))
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(n)))
			for range 500 {
				off := rng.IntN(len(whole))
				n := rng.IntN(min(len(whole)-off, 3*pieceLen) + 1)
				if !bytes.Equal(b.At(off, n), whole[off:off+n]) {
					t.Errorf("%d bytes at %d are others", n, off)
				}
			}
		})
	}
	all.Go(func() {
		if got, err := b.Fill(); err != nil || !bytes.Equal(got, whole) {
			t.Error(err)
		}
	})
	if all.Wait(); src.n != len(whole) {
		t.Errorf("%d bytes were read of %d", src.n, len(whole))
	}
}

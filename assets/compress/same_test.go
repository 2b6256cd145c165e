package compress

import (
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"berth/assets/httpsem"
)

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func zstdOf(t testing.TB, plain []byte, o ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, o...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What other tools made is taken, in whatever quality, as long as every browser can do with it.
func TestSameTakesWhatOthersMade(t *testing.T) {
	plain := text(300_000)
	var named, quick bytes.Buffer
	z := stdgzip.NewWriter(&named)
	z.Name, z.Comment, z.Extra = "app.js", "made by a tool", []byte{1, 2, 3}
	b := brotli.NewWriterLevel(&quick, 1)
	for _, w := range []io.WriteCloser{z, b} {
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		coded []byte
		e     httpsem.Encoding
	}{
		"gzip with a name":      {named.Bytes(), httpsem.Gzip},
		"brotli 1":              {quick.Bytes(), httpsem.Brotli},
		"zstd":                  {zstdOf(t, plain), httpsem.Zstd},
		"zstd without checksum": {zstdOf(t, plain, zstd.WithEncoderCRC(false)), httpsem.Zstd},
		"zstd of small window":  {zstdOf(t, plain, zstd.WithWindowSize(zstd.MinWindowSize)), httpsem.Zstd},
	} {
		if !same(t, c.coded, c.e, plain) {
			t.Errorf("%s: not the same", name)
		}
		if same(t, c.coded, c.e, append(slices.Clone(plain), 0)) || same(t, c.coded, c.e, plain[1:]) {
			t.Errorf("%s: the same as another file", name)
		}
	}
}

func TestSameRefuses(t *testing.T) {
	plain := text(20_000)
	other := slices.Clone(plain)
	other[len(other)-1] ^= 1
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}
	largeWindow := unfinished(t, plain, 2*zstdWindow)
	if !decodes(t, largeWindow) || !same(t, unfinished(t, plain, zstdWindow), httpsem.Zstd, plain) {
		t.Fatal("a large window is refused for another reason than its size")
	}
	for _, e := range allCodings {
		coded, empty := encoded(t, plain, e), encoded(t, nil, e)
		change := func(at int, b byte) []byte { c := slices.Clone(coded); c[at] = b; return c }
		cases := map[string][]byte{
			"nothing":           nil,
			"the file itself":   plain,
			"half":              coded[:len(coded)/2],
			"all but a byte":    coded[:len(coded)-1],
			"a byte more":       join(coded, []byte{0}),
			"the file twice":    join(coded, coded),
			"an empty one more": join(coded, empty),
			"an empty one less": join(empty, coded),
			"another byte":      encoded(t, other, e),
			"a byte of plain":   encoded(t, plain[:1], e),
			"one byte less":     encoded(t, plain[:len(plain)-1], e),
			"one byte longer":   encoded(t, append(slices.Clone(plain), 'a'), e),
			"another coding":    encoded(t, plain, allCodings[(slices.Index(allCodings, e)+1)%3]),
		}
		switch e {
		case httpsem.Gzip:
			cases["reserved flags"] = change(3, 0x80)
			cases["a wrong checksum"] = change(len(coded)-8, coded[len(coded)-8]^1)
			cases["a wrong length"] = change(len(coded)-1, 7)
			cases["a header alone"] = coded[:10]
		case httpsem.Zstd:
			cases["a frame to skip before"] = join(skippable, coded)
			cases["a frame to skip behind"] = join(coded, skippable)
			cases["a wrong checksum"] = change(len(coded)-1, coded[len(coded)-1]^1)
			cases["a larger window than browsers'"] = largeWindow
			cases["a header alone"] = coded[:6]
		}
		for name, c := range cases {
			if same(t, c, e, plain) {
				t.Errorf("%v: %s is the same", e, name)
			}
		}
	}
	for _, e := range []httpsem.Encoding{httpsem.Identity, 99} {
		if same(t, plain, e, plain) {
			t.Errorf("%v: is the same", e)
		}
	}
}

// unfinished is a frame that names its window, since its size was not known when it began.
func unfinished(t *testing.T, plain []byte, window int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{plain[:1000], plain[1000:]} {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decodes(t *testing.T, coded []byte) bool {
	t.Helper()
	d, err := zstd.NewReader(bytes.NewReader(coded), zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = io.Copy(io.Discard, d)
	return err == nil
}

// A single segment has the size of the file for a window.
func TestSameBoundsSingleSegments(t *testing.T) {
	plain := make([]byte, zstdWindow+1)
	w, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	if whole := w.EncodeAll(plain[1:], nil); !same(t, whole, httpsem.Zstd, plain[1:]) {
		t.Error("8 MiB are refused")
	}
	if whole := w.EncodeAll(plain, nil); same(t, whole, httpsem.Zstd, plain) || !decodes(t, whole) {
		t.Error("more than 8 MiB are the same")
	}
}

// A small file that decodes to a gigabyte is given up where it stops being the other file.
func TestSameStopsDecodingBombs(t *testing.T) {
	const size = 32 << 20
	plain := make([]byte, 1000)
	for _, e := range allCodings {
		bomb := bombOf(t, e, size)
		read := &counting{r: bytes.NewReader(bomb)}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ok, err := Same(t.Context(), read, e, bytes.NewReader(plain), int64(len(plain)))
		if ok || err != nil {
			t.Errorf("%v: %v, %v", e, ok, err)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
			t.Errorf("%v: took %d bytes of memory", e, got)
		}
		if read.n > len(bomb)/2 && len(bomb) > 4*block { // what is small is read at once
			t.Errorf("%v: read %d of %d bytes", e, read.n, len(bomb))
		}
	}
}

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// bombOf is size zeros, made quickly.
func bombOf(t *testing.T, e httpsem.Encoding, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch e {
	case httpsem.Gzip:
		w = stdgzip.NewWriter(&b)
	case httpsem.Zstd:
		z, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			t.Fatal(err)
		}
		w = z
	case httpsem.Brotli:
		w = brotli.NewWriterLevel(&b, 1)
	}
	zeros := make([]byte, 1<<20)
	for range size >> 20 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSameFails(t *testing.T) {
	plain := text(20_000)
	broken := errors.New("broken")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, e := range allCodings {
		coded := encoded(t, plain, e)
		half := func(b []byte) io.Reader {
			return io.MultiReader(bytes.NewReader(b[:len(b)/2]), iotest.ErrReader(broken))
		}
		for name, c := range map[string]struct {
			ctx             context.Context
			coded, identity io.Reader
			want            error
		}{
			"the file":      {t.Context(), bytes.NewReader(coded), half(plain), broken},
			"the coding":    {t.Context(), half(coded), bytes.NewReader(plain), broken},
			"no coding":     {t.Context(), iotest.ErrReader(broken), bytes.NewReader(plain), broken},
			"a short file":  {t.Context(), bytes.NewReader(coded), bytes.NewReader(plain[:19_000]), io.ErrUnexpectedEOF},
			"cancelled":     {cancelled, bytes.NewReader(coded), bytes.NewReader(plain), context.Canceled},
			"cancelled now": {cancelled, bytes.NewReader(nil), bytes.NewReader(nil), context.Canceled},
		} {
			if ok, err := Same(c.ctx, c.coded, e, c.identity, int64(len(plain))); ok || !errors.Is(err, c.want) {
				t.Errorf("%v: %s: %v, %v; want %v", e, name, ok, err, c.want)
			}
		}
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("out of range") }

func TestDecoderPanicIsAnError(t *testing.T) {
	if n, err := (guarded{panicking{}}).Read(nil); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
}

// Whatever the bytes are, they are compared without a panic, and they are the same only if a decoder without our
// restrictions agrees.
func FuzzSame(f *testing.F) {
	plain := text(2000)
	for _, e := range allCodings {
		coded := encoded(f, plain, e)
		f.Add(coded, byte(e))
		f.Add(join(coded, coded), byte(e))
		f.Add(coded[:len(coded)/2], byte(e))
		f.Add(encoded(f, nil, e), byte(e))
	}
	f.Add(zstdOf(f, plain, zstd.WithWindowSize(zstd.MinWindowSize), zstd.WithEncoderCRC(false)), byte(httpsem.Zstd))
	f.Fuzz(func(t *testing.T, coded []byte, coding byte) {
		e := allCodings[int(coding)%len(allCodings)]
		want, ok := decodeAll(coded, e)
		if same(t, coded, e, plain) && (!ok || !bytes.Equal(want, plain)) {
			t.Fatalf("%v: %x is the same", e, coded)
		}
		if ok && len(want) > 0 && same(t, coded, e, want[1:]) {
			t.Fatalf("%v: %x is the same as less", e, coded)
		}
	})
}

func decodeAll(coded []byte, e httpsem.Encoding) ([]byte, bool) {
	var (
		r   io.Reader
		err error
	)
	switch e {
	case httpsem.Gzip:
		r, err = stdgzip.NewReader(bytes.NewReader(coded))
	case httpsem.Zstd:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(bytes.NewReader(coded), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<24)); err == nil {
			defer d.Close()
			r = d
		}
	case httpsem.Brotli:
		r = brotli.NewReader(bytes.NewReader(coded))
	}
	if err != nil {
		return nil, false
	}
	plain, err := io.ReadAll(io.LimitReader(r, 1<<20))
	return plain, err == nil
}

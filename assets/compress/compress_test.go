package compress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/andybalholm/brotli"
	"pgregory.net/rapid"

	"berth/assets/httpsem"
)

var allCodings = []httpsem.Encoding{httpsem.Gzip, httpsem.Zstd, httpsem.Brotli}

// text is size bytes that look like a script.
func text(size int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	words := strings.Fields("function return const let await export default class extends if else for of in this.state " +
		"=> () ({ }) ; , === !== null undefined props.children document.querySelector addEventListener")
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "%s v%d ", words[r.IntN(len(words))], r.IntN(500))
	}
	return b.Bytes()[:size]
}

// noise is size bytes that cannot be compressed.
func noise(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func encoded(t testing.TB, plain []byte, e httpsem.Encoding) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(t.Context(), &b, bytes.NewReader(plain), int64(len(plain)), e); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func same(t testing.TB, coded []byte, e httpsem.Encoding, plain []byte) bool {
	t.Helper()
	ok, err := Same(t.Context(), bytes.NewReader(coded), e, bytes.NewReader(plain), int64(len(plain)))
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestEncode(t *testing.T) {
	for name, plain := range map[string][]byte{
		"empty": {}, "a byte": {'a'}, "text": text(30_000), "noise": noise(block / 2), "blocks": text(block + 1),
	} {
		for _, e := range allCodings {
			coded := encoded(t, plain, e)
			if !same(t, coded, e, plain) {
				t.Errorf("%s in %v does not decode to itself", name, e)
			}
			if !bytes.Equal(coded, encoded(t, plain, e)) {
				t.Errorf("%s in %v: another result the second time", name, e)
			}
			if limit := encodedLimit(int64(len(plain))); int64(len(coded)) > limit {
				t.Errorf("%s in %v: %d bytes, limit %d", name, e, len(coded), limit)
			}
			if name == "text" && !Worth(int64(len(plain)), int64(len(coded))) {
				t.Errorf("%s in %v: %d bytes of %d", name, e, len(coded), len(plain))
			}
		}
	}
}

// What a worker encoded before is not seen in what it encodes next.
func TestEncodersForgetFiles(t *testing.T) {
	files := [][]byte{text(30_000), noise(block), text(30_000)[100:], {}, text(3 * block), text(2 * block), {'a'}, text(10), text(block)}
	var used encoders
	for i, plain := range files {
		for _, e := range allCodings {
			var got bytes.Buffer
			if err := used.encode(t.Context(), &got, bytes.NewReader(plain), int64(len(plain)), e); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), encoded(t, plain, e)) {
				t.Errorf("file %d in %v: not what a new encoder makes", i, e)
			}
		}
	}
}

// A file that is larger than the windows of browsers still fits them.
func TestEncodeLargerThanWindows(t *testing.T) {
	plain := make([]byte, zstdWindow+1)
	for _, e := range allCodings {
		if !same(t, encoded(t, plain, e), e, plain) {
			t.Errorf("in %v it does not decode to itself", e)
		}
	}
}

func TestBrotliOptions(t *testing.T) {
	for size, want := range map[int64]brotli.WriterOptions{
		0:             {Quality: 11, LGWin: 16},
		1<<16 - 17:    {Quality: 11, LGWin: 16}, // a window of 2^16 holds 16 bytes less
		1<<16 - 16:    {Quality: 11, LGWin: 17},
		1 << 20:       {Quality: 11, LGWin: 21},
		1<<20 + 1:     {Quality: 10, LGWin: 21},
		8 << 20:       {Quality: 10, LGWin: 22},
		8<<20 + 1:     {Quality: 9, LGWin: 22},
		math.MaxInt64: {Quality: 9, LGWin: 22},
	} {
		if got := brotliOptions(size); got != want {
			t.Errorf("%d bytes: %+v, want %+v", size, got, want)
		}
	}
}

// The result is of the bytes, not of how a reader hands them out.
func TestEncodeDoesNotDependOnReads(t *testing.T) {
	plain := text(block + 5000)
	for _, e := range allCodings {
		var b bytes.Buffer
		if err := Encode(t.Context(), &b, iotest.HalfReader(bytes.NewReader(plain)), int64(len(plain)), e); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), encoded(t, plain, e)) {
			t.Errorf("%v: another result", e)
		}
	}
}

func TestEncodeFails(t *testing.T) {
	broken := errors.New("broken")
	plain := noise(3 * block)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		dst  io.Writer
		src  io.Reader
		size int64
		e    httpsem.Encoding
		want error
	}{
		"a short file":     {t.Context(), io.Discard, bytes.NewReader(plain[1:]), int64(len(plain)), httpsem.Gzip, io.ErrUnexpectedEOF},
		"no file":          {t.Context(), io.Discard, bytes.NewReader(nil), 1, httpsem.Brotli, io.ErrUnexpectedEOF},
		"a reader":         {t.Context(), io.Discard, iotest.ErrReader(broken), 1, httpsem.Zstd, broken},
		"a writer":         {t.Context(), failing{broken}, bytes.NewReader(plain), int64(len(plain)), httpsem.Gzip, broken},
		"cancelled":        {cancelled, io.Discard, bytes.NewReader(plain), int64(len(plain)), httpsem.Brotli, context.Canceled},
		"identity":         {t.Context(), io.Discard, bytes.NewReader(plain), 1, httpsem.Identity, nil},
		"an unknown one":   {t.Context(), io.Discard, bytes.NewReader(plain), 1, 99, nil},
		"a size below one": {t.Context(), io.Discard, bytes.NewReader(plain), -1, httpsem.Gzip, nil},
	} {
		err := Local{}.Encode(c.ctx, c.dst, c.src, c.size, c.e)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A context that ends stops the work at the next block, and not at the end of the file.
func TestEncodeStopsWithinABlock(t *testing.T) {
	for _, e := range allCodings {
		ctx, cancel := context.WithCancel(t.Context())
		src := &cancelling{r: rand.NewChaCha8([32]byte{}), after: 5 * block, cancel: cancel}
		err := Encode(ctx, io.Discard, src, 1<<40, e)
		if !errors.Is(err, context.Canceled) || src.read > src.after+2*block {
			t.Errorf("%v: %v after %d bytes", e, err, src.read)
		}
	}
}

type cancelling struct {
	r           io.Reader
	read, after int
	cancel      func()
}

func (c *cancelling) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.read += n; c.read >= c.after {
		c.cancel()
	}
	return n, err
}

func TestWorth(t *testing.T) {
	for _, c := range []struct {
		identity, coded int64
		want            bool
	}{
		{100, 90, true}, {100, 91, false}, {109, 98, true}, {109, 99, false}, {101, 90, true}, {101, 91, false},
		{10, 9, true}, {9, 8, true}, {9, 9, false}, {1, 1, false}, {0, 0, false}, {0, 1, false}, {10, 0, false}, {10, -1, false},
		{1<<63 - 1, 1 << 62, true}, {1<<63 - 1, 1<<63 - 1, false},
	} {
		if got := Worth(c.identity, c.coded); got != c.want {
			t.Errorf("%d of %d: %v", c.coded, c.identity, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		identity, coded := rapid.Int64Range(1, 1<<50).Draw(t, "identity"), rapid.Int64Range(1, 1<<50).Draw(t, "coded")
		if got := Worth(identity, coded); got != (10*(identity-coded) >= identity) {
			t.Fatalf("%d of %d: %v", coded, identity, got)
		}
	})
}

func TestSuffixOf(t *testing.T) {
	for path, want := range map[string]struct {
		e    httpsem.Encoding
		base string
		ok   bool
	}{
		"/app.js.br":      {httpsem.Brotli, "/app.js", true},
		"/app.js.gz":      {httpsem.Gzip, "/app.js", true},
		"/a/app.js.zst":   {httpsem.Zstd, "/a/app.js", true},
		"/app.js.gz.br":   {httpsem.Brotli, "/app.js.gz", true},
		"/app.js":         {},
		"/app.js.BR":      {},
		"/app.jsbr":       {},
		"/.br":            {},
		"/a/.gz":          {},
		".gz":             {},
		"":                {},
		"/app.js.br/":     {},
		"/app.js.deflate": {},
	} {
		if e, base, ok := SuffixOf(path); e != want.e || base != want.base || ok != want.ok {
			t.Errorf("%q: %v, %q, %v", path, e, base, ok)
		}
		if want.ok && want.base+Suffix(want.e) != path {
			t.Errorf("%q: Suffix is %q", path, Suffix(want.e))
		}
	}
	if got := Suffix(httpsem.Identity); got != "" {
		t.Errorf("identity has the suffix %q", got)
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, size := range []int{4_000, 10_000, 300_000} {
		plain := text(size)
		for _, e := range allCodings {
			b.Run(fmt.Sprintf("coding=%v/size=%d", e, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				var worker encoders
				for b.Loop() {
					if err := worker.encode(b.Context(), io.Discard, bytes.NewReader(plain), int64(size), e); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

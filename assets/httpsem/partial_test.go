package httpsem

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestContentRange(t *testing.T) {
	for _, c := range []struct {
		r    Range
		size int64
		want string
	}{
		{Range{0, 500}, 1234, "bytes 0-499/1234"}, // §14.4
		{Range{1233, 1}, 1234, "bytes 1233-1233/1234"},
		{Range{0, math.MaxInt64}, math.MaxInt64, "bytes 0-9223372036854775806/9223372036854775807"},
	} {
		if got := string(AppendContentRange(nil, c.r, c.size)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if got := string(AppendUnsatisfiedRange([]byte("x"), 47022)); got != "xbytes */47022" { // §15.5.17
		t.Error(got)
	}
}

// render joins the body as a transport does.
func (m *Multipart) render(blob []byte) (body []byte) {
	for i := range m.Ranges.Len() {
		r := m.Ranges.At(i)
		body = append(m.AppendHead(body, i), blob[r.Offset:r.end()]...)
	}
	return m.AppendTail(body)
}

func TestMultipart(t *testing.T) {
	m := Multipart{ETag: ETag{fileKey, Brotli}, ContentType: "text/css; charset=utf-8", Size: 10, Ranges: &Ranges{}}
	if got := ParseRanges(m.Ranges, "bytes=7-8,0-1", m.Size); got != RangeSatisfiable {
		t.Fatal(got)
	}
	want := strings.Join([]string{
		"--berth-" + keyHex,
		"Content-Type: text/css; charset=utf-8",
		"Content-Encoding: br",
		"Content-Range: bytes 7-8/10",
		"",
		"hi",
		"--berth-" + keyHex,
		"Content-Type: text/css; charset=utf-8",
		"Content-Encoding: br",
		"Content-Range: bytes 0-1/10",
		"",
		"ab",
		"--berth-" + keyHex + "--",
		"",
	}, "\r\n")
	if diff := cmp.Diff(want, string(m.render([]byte("abcdefghij")))); diff != "" {
		t.Error(diff)
	}
	if got, want := string(m.AppendContentType(nil)), "multipart/byteranges; boundary=berth-"+keyHex; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestMultipartParses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blob := rapid.SliceOfN(rapid.SampledFrom([]byte("ab\r\n--berth0")), 1, 300).Draw(t, "blob")
		var rs Ranges
		if ParseRanges(&rs, drawRangeField(t, int64(len(blob))), int64(len(blob))) != RangeSatisfiable {
			return
		}
		m := Multipart{
			ETag:        ETag{fileKey, Encoding(rapid.IntRange(0, NumEncodings-1).Draw(t, "encoding"))},
			ContentType: rapid.SampledFrom([]string{"", "text/plain", strings.Repeat("x", 2000) + "/y"}).Draw(t, "type"),
			Size:        int64(len(blob)),
			Ranges:      &rs,
		}
		body := m.render(blob)
		if int64(len(body)) != m.ContentLength() {
			t.Fatalf("%d bytes are announced as %d", len(body), m.ContentLength())
		}
		_, params, err := mime.ParseMediaType(string(m.AppendContentType(nil)))
		if err != nil {
			t.Fatal(err)
		}
		parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
		for i := range rs.Len() {
			part, err := parts.NextRawPart()
			if err != nil {
				t.Fatalf("part %d: %v", i, err)
			}
			got, err := io.ReadAll(part)
			r := rs.At(i)
			if err != nil || !bytes.Equal(got, blob[r.Offset:r.end()]) {
				t.Fatalf("part %d is %q, %v", i, got, err)
			}
			if want := fmt.Sprintf("bytes %d-%d/%d", r.Offset, r.end()-1, len(blob)); part.Header.Get("Content-Range") != want {
				t.Fatalf("%v, want %s", part.Header, want)
			}
			if part.Header.Get("Content-Type") != m.ContentType {
				t.Fatal(part.Header)
			}
			if coding := part.Header.Get("Content-Encoding"); coding != "" && coding != m.ETag.Encoding.String() ||
				(coding == "") != (m.ETag.Encoding == Identity) {
				t.Fatal(part.Header)
			}
		}
		if _, err := parts.NextRawPart(); err != io.EOF {
			t.Fatal(err)
		}
	})
}

func TestMultipartOfTheLargestFile(t *testing.T) {
	m := Multipart{ETag: ETag{fileKey, Gzip}, ContentType: "video/mp4", Size: maxJoined, Ranges: &Ranges{}}
	if got := ParseRanges(m.Ranges, "bytes=2-,0-0", m.Size); got != RangeSatisfiable {
		t.Fatal(got)
	}
	if n := m.ContentLength(); n < m.Size || n > m.Size+1000 {
		t.Error(n)
	}
}

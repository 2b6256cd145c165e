package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets"
	"berth/assets/manifest"
)

// blobSite answers with a part of a blob.
func blobSite(g manifest.Digest, size, offset, length int64) planner {
	return planFunc(func(dst *assets.Plan, req *assets.Request) {
		dst.Status, dst.Head = 200, req.Method == "HEAD"
		dst.Body = assets.Body{Kind: assets.BodyBlob, Blob: g, BlobSize: size, Offset: offset, Length: length}
	})
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

func TestBlobBodies(t *testing.T) {
	const bound = 100_000 // BodyCacheMaxItem
	for _, size := range []int{0, 1, 4000, bound, bound + 1, copySize * 2, 1 << 20} {
		for _, part := range [][2]int{{0, size}, {size / 3, size / 2}, {size, 0}} {
			t.Run(fmt.Sprintf("size=%d/part=%d+%d", size, part[0], part[1]), func(t *testing.T) {
				w := newWorld()
				data := pattern(size)
				g := w.blobs.put(data)
				w.add("a.example", blobSite(g, int64(size), int64(part[0]), int64(part[1])))
				r := start(t, w, Options{BodyCacheMaxItem: bound})
				c := r.dial(t)
				for range 3 {
					got := c.send(get("a.example", "/")).mustRead()
					if v, _ := got.field("Content-Length"); v != fmt.Sprint(part[1]) {
						t.Errorf("Content-Length %s", v)
					}
					if !bytes.Equal([]byte(got.body), data[part[0]:part[0]+part[1]]) {
						t.Errorf("other bytes")
					}
				}
				before := w.blobs.reads
				c.send("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n")
				got, err := c.read(true)
				if v, _ := got.field("Content-Length"); err != nil || v != fmt.Sprint(part[1]) {
					t.Errorf("HEAD: %+v, %v", got, err)
				}
				if w.blobs.reads != before {
					t.Error("HEAD read the blob")
				}
				if size <= bound && w.blobs.reads != 1 {
					t.Errorf("a small blob was read %d times", w.blobs.reads)
				}
				r.checkFiles(t, w, -1)
				if s := r.Stats(); s.BodyBytes != uint64(3*part[1]) {
					eventually(t, "bytes counted", func() bool { return r.Stats().BodyBytes == uint64(3*part[1]) })
				}
			})
		}
	}
}

// A file that ends early after the head was sent: the client must be able to tell.
func TestStreamCutShort(t *testing.T) {
	w := newWorld()
	const size = 1 << 20
	g := w.blobs.put(pattern(size))
	w.blobs.short = true
	w.add("a.example", blobSite(g, size, 0, size))
	log := new(logBuffer)
	r := start(t, w, Options{AccessLog: log})
	c := r.dial(t).send(get("a.example", "/"))
	got, err := c.read(false)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got.body) >= size {
		t.Errorf("%d bytes, %v", len(got.body), err)
	}
	eventually(t, "counted", func() bool { s := r.Stats(); return s.BadBlobs == 1 && s.Faults == 1 })
	eventually(t, "logged", func() bool { return strings.Contains(log.String(), `"aborted":true`) })
	if !strings.Contains(r.log.String(), "blob cannot be read") {
		t.Errorf("log:\n%s", r.log.String())
	}
	r.checkFiles(t, w, 1)
}

// A client that leaves in the middle costs neither an open file nor a log entry of ours.
func TestClientLeavesDuringStream(t *testing.T) {
	w := newWorld()
	const size = 32 << 20
	g := w.blobs.put(make([]byte, size))
	w.add("a.example", blobSite(g, size, 0, size))
	r := start(t, w, Options{})
	c := r.dial(t).send(get("a.example", "/"))
	if _, err := io.ReadFull(c.br, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	eventually(t, "connection closed", func() bool { return r.Stats().OpenConns == 0 })
	r.checkFiles(t, w, 1)
	if s := r.log.String(); s != "" {
		t.Errorf("logged:\n%s", s)
	}
}

func TestFields(t *testing.T) {
	fields := func(pairs ...string) []assets.Field {
		var out []assets.Field
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, assets.Field{Name: pairs[i], Value: []byte(pairs[i+1])})
		}
		return out
	}
	tests := map[string]struct {
		status int
		fields []assets.Field
		body   string
		want   []string
	}{
		"order of equal names": {
			status: 200, body: "x",
			fields: fields("Link", "<1>", "X-B", "b", "Link", "<2>", "X-A", "a", "Set-Cookie", "a=1", "Set-Cookie", "a=2"),
			want:   []string{"Content-Length: 1", "Link: <1>", "X-B: b", "Link: <2>", "X-A: a", "Set-Cookie: a=1", "Set-Cookie: a=2"},
		},
		"what belongs to the connection": {
			status: 200,
			fields: fields("Connection", "close", "Transfer-Encoding", "chunked", "Content-Length", "9", "Trailer", "X", "Upgrade", "h2c",
				"Keep-Alive", "1", "Date", "now", "Proxy-Connection", "x", "TE", "x", "X", "kept"),
			want: []string{"Content-Length: 0", "X: kept"},
		},
		"a value cannot end its line": {
			status: 200, fields: fields("X-A", "a\r\nX-B: b"), want: []string{"Content-Length: 0", "X-A: a  X-B: b"},
		},
		"spelling is the plan's": {
			status: 200, fields: fields("ETag", `"1"`, "X-UPPER", "1", "Content-Type", "text/css", "Content-Encoding", "br"), body: "x",
			want: []string{"Content-Type: text/css", "Content-Encoding: br", "Content-Length: 1", `ETag: "1"`, "X-UPPER: 1"},
		},
		"304":               {status: 304, fields: fields("ETag", `"1"`, "Content-Length", "5"), want: []string{`ETag: "1"`}},
		"204":               {status: 204},
		"404":               {status: 404, body: "gone", want: []string{"Content-Length: 4"}},
		"an unusual status": {status: 599, want: []string{"Content-Length: 0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.add("a.example", planFunc(func(dst *assets.Plan, _ *assets.Request) {
				dst.Status, dst.Fields, dst.Body = tt.status, tt.fields, assets.Body{}
				if tt.body != "" {
					dst.Body = assets.Body{Kind: assets.BodyInline, Inline: []byte(tt.body), Length: int64(len(tt.body))}
				}
			}))
			r := start(t, w, Options{})
			c := r.dial(t)
			for range 2 { // the second uses the first's buffers
				got := c.send(get("a.example", "/")).mustRead()
				if !strings.HasPrefix(got.status, fmt.Sprint(tt.status)) || got.body != tt.body {
					t.Errorf("got %+v", got)
				}
				if len(got.fields) == 0 || !strings.HasPrefix(got.fields[0], "Date: ") {
					t.Fatalf("no Date first: %q", got.fields)
				}
				var rest []string
				rest = append(rest, got.fields[1:]...)
				if d := cmp.Diff(tt.want, rest); d != "" {
					t.Errorf("fields (-want +got):\n%s", d)
				}
			}
		})
	}
}

// The whole head, byte by byte: what fasthttp would add by itself (Server, Content-Type) must not appear.
func TestHeadBytes(t *testing.T) {
	w := newWorld()
	w.add("a.example", planFunc(func(dst *assets.Plan, _ *assets.Request) {
		dst.Status = 200
		dst.Body = assets.Body{Kind: assets.BodyInline, Inline: []byte("x"), Length: 1}
	}))
	r := start(t, w, Options{})
	c := r.dial(t).send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(c.br)
	if err != nil {
		t.Fatal(err)
	}
	got := string(all)
	if i := strings.Index(got, "Date: "); i >= 0 {
		got = got[:i] + got[i+len("Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n"):]
	}
	if d := cmp.Diff("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

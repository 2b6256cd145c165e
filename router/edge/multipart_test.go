package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/assets"
	"berth/assets/manifest"
)

// partsOf answers with runs of a blob, each after a head.
func partsOf(g manifest.Digest, size int64, runs ...[2]int64) planner {
	return planFunc(func(dst *assets.Plan, req *assets.Request) {
		dst.Status, dst.Head = 206, req.Method == "HEAD"
		dst.Fields = append(dst.Fields[:0], field("Content-Type", []byte("multipart/byteranges; boundary=x")))
		dst.Body = assets.Body{Kind: assets.BodyMultipart, Blob: g, BlobSize: size, Tail: []byte("\r\n--x--\r\n")}
		length := len(dst.Body.Tail)
		for i, run := range runs {
			p := assets.Part{Head: fmt.Appendf(nil, "\r\n--x\r\nPart: %d\r\n\r\n", i), Offset: run[0], Length: run[1]}
			dst.Body.Parts = append(dst.Body.Parts, p)
			length += len(p.Head) + int(p.Length)
		}
		dst.Body.Length = int64(length)
	})
}

func TestMultipartBodies(t *testing.T) {
	const bound = 100_000 // BodyCacheMaxItem
	for _, size := range []int64{1, bound, bound + 1, 1 << 20} {
		for _, runs := range [][][2]int64{
			{{0, size}}, {{size - 1, 1}, {0, 1}}, {{size / 2, 0}, {0, size / 2}, {size, 0}}, {{0, size}, {0, size}, {size / 3, size / 3}},
		} {
			t.Run(fmt.Sprintf("size=%d/parts=%v", size, runs), func(t *testing.T) {
				w := newWorld()
				data := pattern(int(size))
				w.add("a.example", partsOf(w.blobs.put(data), size, runs...))
				r := start(t, w, Options{BodyCacheMaxItem: bound})
				var want bytes.Buffer
				for i, run := range runs {
					fmt.Fprintf(&want, "\r\n--x\r\nPart: %d\r\n\r\n%s", i, data[run[0]:run[0]+run[1]])
				}
				want.WriteString("\r\n--x--\r\n")
				c := r.dial(t)
				for range 2 {
					got := c.send(get("a.example", "/")).mustRead()
					if v, _ := got.field("Content-Length"); v != strconv.Itoa(want.Len()) || got.body != want.String() {
						t.Errorf("%s: %d bytes of %s, want %d", got.status, len(got.body), v, want.Len())
					}
				}
				reads := w.blobs.reads
				c.send("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n")
				if got, err := c.read(true); err != nil || got.all("Content-Length") != strconv.Itoa(want.Len()) || w.blobs.reads != reads {
					t.Errorf("HEAD: %+v, %v", got, err)
				}
				r.checkFiles(t, w, -1)
				eventually(t, "bytes counted", func() bool { return r.Stats().BodyBytes == uint64(2*want.Len()) })
			})
		}
	}
}

// What the planner really makes of several ranges, read by a parser that is not ours.
func TestMultipartOfAPlan(t *testing.T) {
	for _, size := range []int{1000, 500_000} {
		w := newWorld()
		data := pattern(size)
		encoded, err := manifest.Encode([]manifest.Entry{{Path: "/f.bin", Digest: w.blobs.put(data), Size: int64(size)}})
		if err != nil {
			t.Fatal(err)
		}
		site, err := assets.Compile(assets.Input{Manifest: encoded})
		if err != nil {
			t.Fatal(err)
		}
		w.add("a.example", site)
		r := start(t, w, Options{})
		got := r.dial(t).send("GET /f.bin HTTP/1.1\r\nHost: a.example\r\nRange: bytes=0-9, 900-, 300-399\r\n\r\n").mustRead()
		_, params, err := mime.ParseMediaType(got.all("Content-Type"))
		if err != nil || got.status[:3] != "206" {
			t.Fatalf("%s %s: %v", got.status, got.all("Content-Type"), err)
		}
		parts := multipart.NewReader(strings.NewReader(got.body), params["boundary"])
		for _, run := range [][2]int{{0, 10}, {900, size}, {300, 400}} {
			p, err := parts.NextRawPart()
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(p)
			if want := fmt.Sprintf("bytes %d-%d/%d", run[0], run[1]-1, size); err != nil || p.Header.Get("Content-Range") != want {
				t.Errorf("%v: %s, want %s", err, p.Header.Get("Content-Range"), want)
			}
			if !bytes.Equal(body, data[run[0]:run[1]]) {
				t.Errorf("%v: other bytes", run)
			}
		}
		if _, err := parts.NextRawPart(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last part: %v", err)
		}
	}
}

// A file that ends within the second part: the client must be able to tell.
func TestMultipartCutShort(t *testing.T) {
	const size = 1 << 20
	w := newWorld()
	w.add("a.example", partsOf(w.blobs.put(pattern(size)), size, [2]int64{0, size / 4}, [2]int64{size/2 - 10, 100}, [2]int64{0, 10}))
	w.blobs.short = true
	r := start(t, w, Options{})
	got, err := r.dial(t).send(get("a.example", "/")).read(false)
	if !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(got.body, "Part: 2") {
		t.Errorf("%d bytes, %v", len(got.body), err)
	}
	eventually(t, "counted", func() bool { s := r.Stats(); return s.BadBlobs == 1 && s.Faults == 1 })
	eventually(t, "closed", func() bool { return r.Stats().OpenConns == 0 })
	r.checkFiles(t, w, 1)
}

// A client that takes nothing is cut off, and costs no open file.
func TestMultipartToAStalledClient(t *testing.T) {
	const size = 32 << 20
	w := newWorld()
	w.add("a.example", partsOf(w.blobs.put(make([]byte, size)), size, [2]int64{0, size}, [2]int64{0, size}))
	r := start(t, w, Options{WriteTimeout: 50 * time.Millisecond})
	r.dial(t).send(get("a.example", "/"))
	eventually(t, "connection closed", func() bool { s := r.Stats(); return s.Conns == 1 && s.OpenConns == 0 })
	r.checkFiles(t, w, 1)
}

func TestMultipartThatLies(t *testing.T) {
	for name, change := range map[string]func(b *assets.Body){
		"length":         func(b *assets.Body) { b.Length++ },
		"beyond the end": func(b *assets.Body) { b.Parts[0].Offset++ },
		"negative":       func(b *assets.Body) { b.Parts[0].Offset, b.Parts[0].Length, b.Length = 10, -1, b.Length-11 },
		"before it":      func(b *assets.Body) { b.Parts[0].Offset = -1 },
		"no such blob":   func(b *assets.Body) { b.Blob[31] = 1 },
	} {
		for _, size := range []int64{10, 1 << 20} {
			w := newWorld()
			honest := partsOf(w.blobs.put(make([]byte, size)), size, [2]int64{size - 10, 10})
			w.add("a.example", planFunc(func(dst *assets.Plan, req *assets.Request) {
				honest.Plan(dst, req)
				change(&dst.Body)
			}))
			r := start(t, w, Options{})
			if got := r.dial(t).send(get("a.example", "/")).mustRead(); got.status[:3] != "500" || r.Stats().Faults != 1 {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
}

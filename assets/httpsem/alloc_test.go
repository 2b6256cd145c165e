package httpsem

import "testing"

// benchRequests are requests as they come, and the worst that one can be.
var benchRequests = map[string]RequestFields{
	"plain":       {Get: true},
	"browser":     {Get: true, AcceptEncoding: "gzip, deflate, br, zstd"},
	"revalidate":  {Get: true, AcceptEncoding: "gzip, deflate, br, zstd", IfNoneMatch: tagOf(Brotli)},
	"seek":        {Get: true, AcceptEncoding: "identity;q=1, *;q=0", Range: "bytes=30-", IfRange: `"` + keyHex + `"`},
	"multi-range": {Get: true, Range: "bytes=0-0, 90-95,-1, 4-5,2-3", IfMatch: `"a", W/"b", "` + keyHex + `"`},
	"16-ranges":   {Get: true, Range: many(MaxRanges)},
	"1000-ranges": {Get: true, Range: many(1000)},
	"8KB-accept":  {Get: true, AcceptEncoding: string(make([]byte, 8<<10))},
	"8KB-codings": {Get: true, AcceptEncoding: repeated("br;q=0.123,", 8<<10)},
	"8KB-tags":    {Get: true, IfMatch: repeated(`W/"`+keyHex+`", `, 8<<10), IfNoneMatch: repeated(`"",`, 8<<10)},
}

func repeated(s string, length int) string {
	b := make([]byte, 0, length+len(s))
	for len(b) < length {
		b = append(b, s...)
	}
	return string(b)
}

var benchStored = Stored{Set: allEncodings, Keys: fileKeys, Sizes: [NumEncodings]int64{Identity: 1000, Gzip: 60, Zstd: 45, Brotli: 40}}

func TestNothingAllocates(t *testing.T) {
	var (
		a       Answer
		scratch = make([]byte, 0, 512)
		n       int64
	)
	m := Multipart{ETag: ETag{fileKey, Brotli}, ContentType: "text/css", Size: 1000, Ranges: &Ranges{}}
	ParseRanges(m.Ranges, "bytes=0-1,5-6", m.Size)
	cases := map[string]func(){
		"IdentityForbidden": func() { IdentityForbidden("gzip;q=0.1, br, zstd, *;q=0") },
		"MediaTypeOf":       func() { _ = MediaTypeOf("/a/b.HTML").String() },
		"Compressible":      func() { Compressible(MediaTypeOf("/a/b.geojson")) },
		"SelectEncoding":    func() { SelectEncoding("gzip;q=0.1, br, zstd, *;q=0", allEncodings) },
		"ETag":              func() { scratch = m.ETag.Append(scratch[:0]) },
		"Multipart": func() {
			n = m.ContentLength()
			scratch = m.AppendTail(m.AppendHead(m.AppendContentType(scratch[:0]), 1))
		},
		"Content-Range": func() { scratch = AppendUnsatisfiedRange(AppendContentRange(scratch[:0], Range{1, 2}, 3), 4) },
	}
	for name, req := range benchRequests {
		cases[name] = func() { Negotiate(&a, &req, &benchStored) }
	}
	for name, f := range cases {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if n == 0 || a.Status == 0 {
		t.Error("nothing was done")
	}
}

func BenchmarkNegotiate(b *testing.B) {
	for name, req := range benchRequests {
		b.Run("request="+name, func(b *testing.B) {
			var a Answer
			b.ReportAllocs()
			for b.Loop() {
				Negotiate(&a, &req, &benchStored)
			}
		})
	}
}

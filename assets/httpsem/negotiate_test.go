package httpsem

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNegotiate(t *testing.T) {
	id, br, gz := tagOf(Identity), tagOf(Brotli), tagOf(Gzip)
	stored := &Stored{Set: IdentityOnly.With(Brotli).With(Gzip), Keys: fileKeys, Sizes: [NumEncodings]int64{Identity: 100, Gzip: 60, Brotli: 40}}
	stored.Sizes[Zstd] = 50 // not in the set, so it means nothing
	type fields = RequestFields
	for _, c := range []struct {
		section string
		req     fields
		status  int
		coding  Encoding
		ranges  []Range
	}{
		{"12.5.3", fields{Get: true}, 200, Identity, nil},
		{"12.5.3", fields{Get: true, AcceptEncoding: "gzip, br"}, 200, Brotli, nil},
		{"12.5.3", fields{Get: true, AcceptEncoding: "zstd, gzip"}, 200, Gzip, nil},
		{"15.5.7", fields{Get: true, AcceptEncoding: "zstd, *;q=0"}, 406, Identity, nil},
		{"15.5.7", fields{Get: true, AcceptEncoding: "*;q=0", IfNoneMatch: "*"}, 406, Identity, nil},

		// Only the tag of the selected representation is a match.
		{"13.1.2", fields{Get: true, AcceptEncoding: "br", IfNoneMatch: br}, 304, Brotli, nil},
		{"13.1.2", fields{Get: true, AcceptEncoding: "br", IfNoneMatch: id}, 200, Brotli, nil},
		{"13.1.2", fields{Get: true, IfNoneMatch: br}, 200, Identity, nil},
		{"13.1.2", fields{Get: true, IfNoneMatch: id}, 304, Identity, nil},
		{"13.1.2", fields{Get: true, AcceptEncoding: "gzip", IfNoneMatch: id + ", W/" + gz + ", " + br}, 304, Gzip, nil},
		{"13.1.2", fields{AcceptEncoding: "br", IfNoneMatch: "*"}, 304, Brotli, nil},
		{"13.1.1", fields{Get: true, AcceptEncoding: "br", IfMatch: id}, 412, Brotli, nil},
		{"13.1.1", fields{Get: true, AcceptEncoding: "br", IfMatch: br}, 200, Brotli, nil},

		// A key that belongs to another coding matches nothing.
		{"8.8.3.3", fields{Get: true, AcceptEncoding: "br", IfNoneMatch: string(ETag{fileKey, Brotli}.Append(nil))}, 200, Brotli, nil},
		{"8.8.3.3", fields{Get: true, AcceptEncoding: "br", IfMatch: string(ETag{fileKey, Brotli}.Append(nil))}, 412, Brotli, nil},
		{"8.8.3.3", fields{Get: true, IfNoneMatch: string(ETag{fileKeys[Brotli], Identity}.Append(nil))}, 200, Identity, nil},
		{"13.1.5", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfRange: string(ETag{fileKey, Brotli}.Append(nil))}, 200, Brotli, nil},
		{"13.1.5", fields{Get: true, Range: "bytes=30-", IfRange: string(ETag{fileKeys[Gzip], Brotli}.Append(nil))}, 200, Identity, nil},
		{"13.2.2", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfNoneMatch: string(ETag{fileKey, Brotli}.Append(nil))}, 206, Identity, []Range{{30, 70}}},
		// A key that stands where no representation is means nothing.
		{"8.8.3.3", fields{Get: true, AcceptEncoding: "zstd", Range: "bytes=30-", IfMatch: tagOf(Zstd)}, 412, Identity, nil},

		// Ranges are of identity…
		{"14.2", fields{Get: true, Range: "bytes=90-"}, 206, Identity, []Range{{90, 10}}},
		{"14.2", fields{Get: true, AcceptEncoding: "gzip, br", Range: "bytes=90-"}, 206, Identity, []Range{{90, 10}}},
		{"14.2", fields{Get: true, AcceptEncoding: "gzip, br", Range: "bytes=100-"}, 416, Identity, nil},
		{"14.2", fields{Get: true, AcceptEncoding: "identity;q=1, *;q=0", Range: "bytes=0-"}, 206, Identity, []Range{{0, 100}}},
		// …and what is to be ignored leaves no trace, nor does a Range of a HEAD.
		{"14.2", fields{Get: true, AcceptEncoding: "gzip, br", Range: "bytes=2-1"}, 200, Brotli, nil},
		{"14.2", fields{Get: true, AcceptEncoding: "gzip, br", Range: many(MaxRanges + 1)}, 200, Brotli, nil},
		{"14.2", fields{AcceptEncoding: "gzip, br", Range: "bytes=0-1"}, 200, Brotli, nil},
		{"14.2", fields{AcceptEncoding: "gzip, br", Range: "bytes=100-"}, 200, Brotli, nil},
		{"14.2", fields{Get: true, AcceptEncoding: "br, identity;q=0", Range: "bytes=0-1"}, 200, Brotli, nil},

		// If-Range selects the representation that the client holds a part of.
		{"13.1.5", fields{Get: true, Range: "bytes=30-", IfRange: id}, 206, Identity, []Range{{30, 70}}},
		{"13.1.5", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfRange: id}, 206, Identity, []Range{{30, 70}}},
		{"13.1.5", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfRange: br}, 206, Brotli, []Range{{30, 10}}},
		{"13.1.5", fields{Get: true, AcceptEncoding: "br, gzip", Range: "bytes=30-", IfRange: gz}, 206, Gzip, []Range{{30, 30}}},
		{"13.1.5", fields{Get: true, AcceptEncoding: "br", Range: "bytes=0-0,-1", IfRange: br}, 206, Brotli, []Range{{0, 1}, {39, 1}}},
		{"13.1.5", fields{Get: true, AcceptEncoding: "br", Range: "bytes=40-", IfRange: br}, 416, Brotli, nil},
		{"13.1.5", fields{Get: true, Range: "bytes=30-", IfRange: br}, 206, Brotli, []Range{{30, 10}}},
		{"13.1.5", fields{Get: true, AcceptEncoding: "gzip", Range: "bytes=30-", IfRange: br}, 200, Gzip, nil},
		{"13.1.5", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfRange: tagOf(Zstd)}, 200, Brotli, nil},
		{"13.1.5", fields{Get: true, Range: "bytes=30-", IfRange: tagOf(Zstd)}, 200, Identity, nil},
		{"13.1.5", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfRange: "W/" + br}, 200, Brotli, nil},
		{"13.1.5", fields{Get: true, Range: "bytes=30-", IfRange: `"gone"`}, 200, Identity, nil},
		{"13.1.5", fields{Get: true, Range: "bytes=300-", IfRange: `"gone"`}, 200, Identity, nil},
		{"13.1.5", fields{Get: true, Range: "bytes=30-", IfRange: "Fri, 01 Jan 2100 00:00:00 GMT"}, 200, Identity, nil},
		{"13.1.5", fields{Get: true, IfRange: `"gone"`}, 200, Identity, nil}, // nothing without a Range

		// So do the tags of the other preconditions, which go before ranges.
		{"13.2.2", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfMatch: br}, 206, Brotli, []Range{{30, 10}}},
		{"13.2.2", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfMatch: id}, 206, Identity, []Range{{30, 70}}},
		{"13.2.2", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfMatch: br + "," + id}, 206, Identity, []Range{{30, 70}}},
		{"13.2.2", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfMatch: "*"}, 206, Identity, []Range{{30, 70}}},
		{"13.2.2", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfMatch: `"gone"`}, 412, Identity, nil},
		{"13.2.2", fields{Get: true, Range: "bytes=300-", IfMatch: `"gone"`}, 412, Identity, nil},
		{"13.2.2", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfNoneMatch: br}, 304, Brotli, nil},
		{"13.2.2", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfNoneMatch: id}, 304, Identity, nil},
		{"13.2.2", fields{Get: true, AcceptEncoding: "br", Range: "bytes=30-", IfNoneMatch: gz}, 206, Identity, []Range{{30, 70}}},
		{"13.2.2", fields{Get: true, Range: "bytes=300-", IfNoneMatch: id}, 304, Identity, nil},
		{"13.2.2", fields{Get: true, Range: "bytes=30-", IfNoneMatch: `"gone"`}, 206, Identity, []Range{{30, 70}}},
		{"13.2.2", fields{Get: true, Range: "bytes=30-", IfRange: id, IfNoneMatch: id}, 304, Identity, nil},
	} {
		got := Answer{Ranges: Ranges{n: 2}} // of the request before
		Negotiate(&got, &c.req, stored)
		if got.Status != c.status || got.ETag != (fileTag(c.coding)) {
			t.Errorf("§%s: %+v: %d of %v, want %d of %v", c.section, c.req, got.Status, got.ETag.Encoding, c.status, c.coding)
		}
		if got.Status != 406 && got.Size != stored.Sizes[c.coding] {
			t.Errorf("§%s: %+v: size %d", c.section, c.req, got.Size)
		}
		if diff := cmp.Diff(c.ranges, got.Ranges.slice()); diff != "" && len(c.ranges)+got.Ranges.Len() > 0 {
			t.Errorf("§%s: %+v: %s", c.section, c.req, diff)
		}
	}
}

// A client that fetches a file in pieces and checks every answer as it should ends up with the bytes of one
// representation, whatever its Range fields were and whichever codings it takes.
func TestPartsJoinToTheRepresentation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored := &Stored{Set: IdentityOnly, Keys: fileKeys}
		var blobs [NumEncodings][]byte
		for e := range Encoding(NumEncodings) {
			if e == Identity || rapid.Bool().Draw(t, "stored") {
				blobs[e] = rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "blob")
				stored.Set, stored.Sizes[e] = stored.Set.With(e), int64(len(blobs[e]))
			}
		}
		req := RequestFields{Get: true, AcceptEncoding: rapid.SampledFrom(acceptSeeds).Draw(t, "accept")}
		var a Answer
		Negotiate(&a, &req, stored)
		if a.Status == 406 {
			return
		}
		if a.Status != 200 || a.ETag.Encoding != Identity && !stored.Set.Has(a.ETag.Encoding) {
			t.Fatalf("%+v: %+v", req, a)
		}
		held, whole := a.ETag, blobs[a.ETag.Encoding]
		joined, missing := make([]byte, len(whole)), len(whole)
		known := make([]bool, len(whole))
		req.IfRange = string(held.Append(nil))
		for range 4 {
			req.Range = drawRangeField(t, int64(len(whole)))
			missing -= fetch(t, &req, stored, held, whole, joined, known)
		}
		if req.Range = "bytes=0-"; missing > 0 {
			missing -= fetch(t, &req, stored, held, whole, joined, known)
		}
		if missing != 0 || !bytes.Equal(joined, whole) {
			t.Fatalf("joined to %v, want %v", joined, whole)
		}
	})
}

// fetch takes over what one answer brings, and reports how many bytes were new.
func fetch(t *rapid.T, req *RequestFields, stored *Stored, held ETag, whole, joined []byte, known []bool) (fresh int) {
	var a Answer
	Negotiate(&a, req, stored)
	if a.ETag != held || a.Size != int64(len(whole)) {
		t.Fatalf("%+v: %+v of another representation than %v", req, a, held)
	}
	parts := a.Ranges.slice()
	switch a.Status {
	case 200:
		parts = []Range{{0, a.Size}}
	case 206:
	case 416:
		return 0
	default:
		t.Fatalf("%+v: %d", req, a.Status)
	}
	for _, r := range parts {
		copy(joined[r.Offset:r.end()], whole[r.Offset:r.end()])
		for i := r.Offset; i < r.end(); i++ {
			if !known[i] {
				known[i], fresh = true, fresh+1
			}
		}
	}
	return fresh
}

func TestNothingIsTooLargeToNegotiate(t *testing.T) {
	var a Answer
	stored := &Stored{Set: allEncodings, Keys: fileKeys, Sizes: [NumEncodings]int64{math.MaxInt64, math.MaxInt64, 0, -1}}
	Negotiate(&a, &RequestFields{Get: true, Range: "bytes=-1"}, stored)
	if want := (Range{math.MaxInt64 - 1, 1}); a.Status != 206 || a.Ranges.At(0) != want {
		t.Errorf("%+v", a)
	}
}

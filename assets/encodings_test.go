package assets

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
)

var codings = []httpsem.Encoding{httpsem.Gzip, httpsem.Zstd, httpsem.Brotli}

func encoded(t testing.TB, e httpsem.Encoding, content string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch e {
	case httpsem.Identity:
		return content
	case httpsem.Gzip:
		w = gzip.NewWriter(&b)
	case httpsem.Zstd:
		var err error
		if w, err = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1)); err != nil {
			t.Fatal(err)
		}
	case httpsem.Brotli:
		w = brotli.NewWriter(&b)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func decoded(t testing.TB, e httpsem.Encoding, content string) string {
	t.Helper()
	r := io.Reader(strings.NewReader(content))
	switch e {
	case httpsem.Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case httpsem.Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	case httpsem.Brotli:
		r = brotli.NewReader(r)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// encodedSite stores the named files in the codings given as well.
func encodedSite(t testing.TB, files map[string]string, stored map[string][]httpsem.Encoding, in Input) testSite {
	t.Helper()
	s := testSite{blobs: map[manifest.Digest]string{}}
	s.Site = s.compile(t, files, Input{}).Site
	var all []variants.Variant
	for i := range s.files.Len() {
		path := s.files.PathAt(i)
		for _, e := range stored[path] {
			content := encoded(t, e, files[path])
			v := variants.Variant{Entry: i, Encoding: e, Blob: manifest.DigestOf([]byte(content)), Size: int64(len(content))}
			s.blobs[v.Blob], all = content, append(all, v)
		}
	}
	raw, err := variants.Encode(s.files.Len(), all)
	if err != nil {
		t.Fatal(err)
	}
	in.Variants = raw
	return s.compile(t, files, in)
}

// tagOf is the entity tag of a file in a coding: of identity its key, of another the first half of the coded bytes' digest.
func (s testSite) tagOf(path string, e httpsem.Encoding) string {
	i, ok := s.files.Lookup(path)
	if !ok {
		return ""
	}
	tag := httpsem.ETag{Key: s.files.At(i).Key, Encoding: e}
	if e != httpsem.Identity {
		blob, _, _ := s.variants.At(i, e)
		tag.Key = [16]byte(blob[:16])
	}
	return string(tag.Append(nil))
}

const shell = "<!doctype html><title>shell</title>"

func negotiable(t testing.TB, headers string) testSite {
	text := strings.Repeat("all work and no play ", 100)
	return encodedSite(t, map[string]string{
		"/all.txt": text, "/gz.txt": text + "gz", "/bare.txt": "bare", "/index.html": shell + text, "/lost/404.html": text,
	}, map[string][]httpsem.Encoding{
		"/all.txt": codings, "/gz.txt": {httpsem.Gzip}, "/index.html": {httpsem.Brotli}, "/lost/404.html": {httpsem.Zstd},
	}, Input{Headers: []byte(headers)})
}

// TestEncodings has the RFC 9110 section that each row is about, or ours where the RFC leaves it to us.
func TestEncodings(t *testing.T) {
	s := negotiable(t, "")
	all, gz := func(e httpsem.Encoding) string { return s.tagOf("/all.txt", e) }, s.tagOf("/gz.txt", httpsem.Gzip)
	const (
		asIs  = "no-transform, public, max-age=0, must-revalidate"
		plain = "public, max-age=0, must-revalidate"
		on    = "Accept-Encoding"
	)
	for _, tc := range []struct {
		section string
		req     Request
		want    response
	}{
		{"§12.5.3: no field, so identity", Request{Target: "/all.txt"}, response{200, "", all(0), on, plain}},
		{"§12.5.3: empty", Request{Target: "/all.txt", AcceptEncoding: " "}, response{200, "", all(0), on, plain}},
		{"§12.4.2: the heaviest", Request{Target: "/all.txt", AcceptEncoding: "gzip;q=0.9, zstd;q=1, br;q=0.5"}, response{200, "zstd", all(httpsem.Zstd), on, asIs}},
		{"ours: the smallest of equals", Request{Target: "/all.txt", AcceptEncoding: "gzip, deflate, br, zstd"}, response{200, "br", all(httpsem.Brotli), on, asIs}},
		{"§12.5.3: *", Request{Target: "/gz.txt", AcceptEncoding: "*"}, response{200, "gzip", gz, on, asIs}},
		{"§12.5.3: not that one", Request{Target: "/gz.txt", AcceptEncoding: "br, *;q=0.1, gzip;q=0"}, response{200, "", s.tagOf("/gz.txt", 0), on, plain}},
		{"§15.5.7: nothing is left", Request{Target: "/gz.txt", AcceptEncoding: "br, identity;q=0"}, response{406, "", "", on, ""}},
		{"§12.5.3: identity refused, but gzip taken", Request{Target: "/gz.txt", AcceptEncoding: "gzip, identity;q=0"}, response{200, "gzip", gz, on, asIs}},
		{"§12.5.5: what is stored once does not vary", Request{Target: "/bare.txt", AcceptEncoding: "gzip, br"}, response{200, "", s.tagOf("/bare.txt", 0), "", plain}},
		{"§12.5.5: its 406 does, which no other client may be given", Request{Target: "/bare.txt", AcceptEncoding: "*;q=0"}, response{406, "", "", on, ""}},
		{"§12.5.3: 8 KiB", Request{Target: "/all.txt", AcceptEncoding: strings.Repeat("x;q=0.5,", 1<<10) + "br"}, response{200, "", all(0), on, plain}},

		{"§13.1.2: the tag of what would be sent", Request{Target: "/all.txt", AcceptEncoding: "br", IfNoneMatch: all(httpsem.Brotli)}, response{304, "", all(httpsem.Brotli), on, asIs}},
		{"§13.1.2: weakly", Request{Target: "/all.txt", AcceptEncoding: "br", IfNoneMatch: `"x", W/` + all(httpsem.Brotli)}, response{304, "", all(httpsem.Brotli), on, asIs}},
		{"§13.1.2: *", Request{Target: "/all.txt", IfNoneMatch: "*"}, response{304, "", all(0), on, plain}},
		{"§8.8.3.3: the tag of another form", Request{Target: "/all.txt", AcceptEncoding: "br", IfNoneMatch: all(0)}, response{200, "br", all(httpsem.Brotli), on, asIs}},
		{"§13.1.1, ours: If-Match alone", Request{Target: "/all.txt", IfMatch: `"x"`}, response{200, "", all(0), on, plain}},
		{"§13.1.1: If-Match beside Range", Request{Target: "/all.txt", IfMatch: `"x"`, Range: "bytes=0-"}, response{412, "", "", on, "no-store"}},
		{"§14.2: Range means nothing to HEAD", Request{Method: "HEAD", Target: "/all.txt", IfMatch: `"x"`, Range: "bytes=0-"}, response{200, "", all(0), on, ""}},

		{"§14.2: a range is of identity", Request{Target: "/all.txt", AcceptEncoding: "br", Range: "bytes=1-2"}, response{206, "", all(0), on, ""}},
		{"§13.1.5: unless the client holds another form", Request{Target: "/all.txt", AcceptEncoding: "br", Range: "bytes=1-2", IfRange: all(httpsem.Brotli)}, response{206, "br", all(httpsem.Brotli), on, "no-transform"}},
		{"§13.1.5: which it may have from before", Request{Target: "/all.txt", Range: "bytes=1-2", IfRange: all(httpsem.Zstd)}, response{206, "zstd", all(httpsem.Zstd), on, "no-transform"}},
		{"§13.1.1: or says with If-Match", Request{Target: "/all.txt", AcceptEncoding: "gzip, br", Range: "bytes=1-2", IfMatch: all(httpsem.Gzip)}, response{206, "gzip", all(httpsem.Gzip), on, "no-transform"}},
		{"§13.1.5: a tag that is gone", Request{Target: "/all.txt", AcceptEncoding: "br", Range: "bytes=1-2", IfRange: `"x"`}, response{200, "br", all(httpsem.Brotli), on, "no-transform"}},
		{"§13.1.5: strong comparison", Request{Target: "/all.txt", Range: "bytes=1-2", IfRange: "W/" + all(0)}, response{200, "", all(0), on, ""}},
		{"§13.2.2: If-None-Match first", Request{Target: "/all.txt", Range: "bytes=1-2", IfNoneMatch: all(0)}, response{304, "", all(0), on, ""}},
		{"§15.5.17: behind the end", Request{Target: "/all.txt", Range: "bytes=99999-"}, response{416, "", "", on, "no-store"}},
		{"§15.5.17: bytes=-0", Request{Target: "/all.txt", Range: "bytes=-0"}, response{416, "", "", on, "no-store"}},
		{"§14.1.2: 2^63", Request{Target: "/all.txt", Range: "bytes=1-9223372036854775808"}, response{206, "", all(0), on, ""}},
		{"§15.3.7.2: several", Request{Target: "/all.txt", Range: "bytes=0-0,5-6"}, response{206, "", all(0), on, ""}},
		{"§15.3.7.2: several of a coding, named in the parts", Request{Target: "/all.txt", Range: "bytes=0-0,5-6", IfRange: all(httpsem.Brotli)}, response{206, "", all(httpsem.Brotli), on, "no-transform"}},
		{"§14.2: 1,000 ranges", Request{Target: "/all.txt", Range: "bytes=" + strings.Repeat("0-0,2-2,", 500)}, response{200, "", all(0), on, ""}},

		{"§11.6.2: nobody else's cache", Request{Target: "/all.txt", AcceptEncoding: "br", Authorization: true}, response{200, "br", all(httpsem.Brotli), on, "no-transform"}},
		{"ours: a page of absence has a coding and no tag", Request{Target: "/lost/x", AcceptEncoding: "zstd", IfNoneMatch: "*", Range: "bytes=0-0"}, response{404, "zstd", "", on, "no-store"}},
		{"§15.5.7: and may be unacceptable", Request{Target: "/lost/x", AcceptEncoding: "br, *;q=0"}, response{406, "", "", on, ""}},
		{"ours: a fallback varies on both", Request{Target: "/app/x", AcceptEncoding: "br"}, response{200, "br", s.tagOf("/index.html", httpsem.Brotli), "Accept-Encoding, Sec-Fetch-Dest", asIs}},
		{"ours: but what is not there for a script does not", Request{Target: "/app.js", AcceptEncoding: "br", SecFetchDest: "script"}, response{404, "", "", "Sec-Fetch-Dest", "no-store"}},
	} {
		if tc.req.Method == "" {
			tc.req.Method = "GET"
		}
		var p Plan
		s.Plan(&p, &tc.req)
		s.body(t, &p)
		got := response{p.Status, p.get("Content-Encoding"), p.get("ETag"), p.get("Vary"), p.get("Cache-Control")}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(response{})); diff != "" {
			t.Errorf("%s: %s", tc.section, diff)
		}
	}
}

type response struct {
	status                       int
	encoding, etag, vary, caches string
}

func TestVaryAndRules(t *testing.T) {
	for rule, want := range map[string]string{
		"Vary: Origin":                  "Origin, Accept-Encoding",
		"Vary: Origin, accept-encoding": "Origin, accept-encoding",
		"Vary: *":                       "*",
		"! Vary":                        "Accept-Encoding",
		"Vary: Accept-Encoding-Not":     "Accept-Encoding-Not, Accept-Encoding",
	} {
		s := negotiable(t, "/*\n  "+rule+"\n")
		var p Plan
		if s.Plan(&p, &Request{Method: "GET", Target: "/all.txt"}); p.get("Vary") != want {
			t.Errorf("%s: %q, want %q", rule, p.get("Vary"), want)
		}
		s.Plan(&p, &Request{Method: "GET", Target: "/bare.txt"})
		if strings.Contains(p.get("Vary"), "Accept-Encoding") != strings.Contains(rule, "Accept-Encoding") && rule != "Vary: Origin, accept-encoding" {
			t.Errorf("%s: a file that is stored once has Vary: %s", rule, p.get("Vary"))
		}
	}
}

// What a rule says of a file's type and coding is about the file, not about the form that it is sent in.
func TestRulesAndTheFormThatIsSent(t *testing.T) {
	s := negotiable(t, "/all.txt\n  Content-Type: text/x-play\n  Content-Encoding: x-ours\n/gz.txt\n  ! Content-Encoding\n  ! Content-Type\n")
	for _, tc := range []struct {
		req            Request
		kind, encoding string
	}{
		{Request{Target: "/all.txt"}, "text/x-play", "x-ours"},
		{Request{Target: "/all.txt", Range: "bytes=0-0"}, "text/x-play", "x-ours"},
		{Request{Target: "/all.txt", AcceptEncoding: "br"}, "text/x-play", "br"},
		{Request{Target: "/all.txt", Range: "bytes=0-0,2-2"}, "multipart/byteranges; boundary=berth-" + strings.Trim(s.tagOf("/all.txt", 0), `"`), ""},
		{Request{Target: "/gz.txt"}, "", ""},
		{Request{Target: "/gz.txt", AcceptEncoding: "gzip"}, "", "gzip"},
	} {
		tc.req.Method = "GET"
		var p Plan
		if s.Plan(&p, &tc.req); p.get("Content-Type") != tc.kind || p.get("Content-Encoding") != tc.encoding {
			t.Errorf("%+v: %q in %q", tc.req, p.get("Content-Type"), p.get("Content-Encoding"))
		}
	}
}

func TestPartsOfACoding(t *testing.T) {
	s := negotiable(t, "")
	var p Plan
	req := Request{Method: "GET", Target: "/all.txt", AcceptEncoding: "gzip", Range: "bytes=-3, 0-1", IfRange: s.tagOf("/all.txt", httpsem.Gzip)}
	s.Plan(&p, &req)
	content := encoded(t, httpsem.Gzip, strings.Repeat("all work and no play ", 100))
	boundary := "berth-" + strings.TrimSuffix(strings.Trim(req.IfRange, `"`), "-gzip")
	head := func(from, to int) string {
		return fmt.Sprintf("--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Encoding: gzip\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%s",
			boundary, from, to, len(content), content[from:to+1])
	}
	want := head(len(content)-3, len(content)-1) + "\r\n" + head(0, 1) + "\r\n--" + boundary + "--\r\n"
	if diff := cmp.Diff(want, s.body(t, &p)); diff != "" || p.get("Content-Range") != "" {
		t.Errorf("%s %s", diff, p.get("Content-Range"))
	}
}

func TestCompileRefusesDamagedListings(t *testing.T) {
	raw := named(t, "/a").files.Bytes()
	for name, in := range map[string]Input{
		"hints":    {Manifest: raw, Hints: []byte("no")},
		"variants": {Manifest: raw, Variants: []byte("no")},
	} {
		if s, err := Compile(in); err == nil || s != nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

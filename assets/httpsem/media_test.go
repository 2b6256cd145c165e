package httpsem

import (
	"slices"
	"strings"
	"testing"
)

// observed lists what the reference answered, by type: extensions of nested files.
const observed = `
application/atom+xml: atom; application/epub+zip: epub; application/geo+json: geojson; application/gzip: gz
application/javascript: js mjs; application/json: json map; application/ld+json: jsonld
application/manifest+json: webmanifest; application/msword: doc; application/node: cjs; application/pdf: pdf
application/pgp-signature: asc; application/rdf+xml: rdf; application/rss+xml: rss; application/rtf: rtf
application/toml: toml; application/vnd.android.package-archive: apk; application/vnd.apple.mpegurl: m3u8
application/vnd.ms-fontobject: eot; application/vnd.openxmlformats-officedocument.spreadsheetml.sheet: xlsx
application/vnd.openxmlformats-officedocument.wordprocessingml.document: docx; application/wasm: wasm
application/x-7z-compressed: 7z; application/x-bittorrent: torrent; application/x-httpd-php: php
application/x-sh: sh; application/x-shockwave-flash: swf; application/x-sql: sql; application/x-tar: tar
application/x-x509-ca-cert: pem; application/xhtml+xml: xhtml; application/xml: xml; application/zip: zip
audio/mp4: m4a; audio/mpeg: mp3; audio/ogg: ogg; audio/wav: wav; font/otf: otf; font/ttf: ttf; font/woff: woff
font/woff2: woff2; image/avif: avif; image/bmp: bmp; image/gif: gif; image/heic: heic; image/jpeg: jpeg jpg
image/png: png; image/svg+xml: svg; image/tiff: tiff; image/vnd.microsoft.icon: ico; image/webp: webp
message/rfc822: eml; model/gltf+json: gltf; model/gltf-binary: glb; model/vnd.usdz+zip: usdz
text/cache-manifest: appcache manifest; text/calendar: ics; text/coffeescript: coffee; text/css: css; text/csv: csv
text/html: htm html shtml; text/jsx: jsx; text/less: less; text/markdown: md; text/plain: conf log txt
text/tab-separated-values: tsv; text/vtt: vtt; text/x-scss: scss; text/x-vcard: vcf; text/yaml: yaml yml
video/mp2t: ts; video/mp4: mp4; video/quicktime: mov; video/webm: webm
application/octet-stream: bin br dmg exe jxl tgz tsx unknownext vue`

func TestObservedMediaTypes(t *testing.T) {
	n := 0
	for row := range strings.FieldsFuncSeq(observed, func(r rune) bool { return r == ';' || r == '\n' }) {
		want, extensions, _ := strings.Cut(strings.TrimSpace(row), ": ")
		if strings.HasPrefix(want, "text/") {
			want += "; charset=utf-8"
		}
		for ext := range strings.FieldsSeq(extensions) {
			for _, path := range []string{"/x/y." + ext, "/y." + strings.ToUpper(ext), "/a.txt/y.z." + ext} {
				if got := MediaTypeOf(path).String(); got != want {
					t.Errorf("%s: %s, want %s", path, got, want)
				}
			}
			n++
		}
	}
	if n < 90 {
		t.Errorf("only %d extensions", n)
	}
}

func TestMediaTypeOfOddNames(t *testing.T) {
	const octets, json, html = "application/octet-stream", "application/json", "text/html; charset=utf-8"
	for path, want := range map[string]string{
		"":                                 octets,
		"/":                                octets,
		"/json":                            json,
		"/JSON":                            json,
		"/.html":                           html,
		"/x/json":                          octets,
		"/x/.html":                         octets,
		"/x/..html":                        html,
		"/.":                               octets,
		"/json.":                           octets,
		"/a.html.":                         octets,
		"/a.tar.gz":                        "application/gzip",
		"/.well-known/x":                   octets,
		`/a\json`:                          octets,
		`/a\b.json`:                        json,
		"/x." + strings.Repeat("html", 99): octets,
		"/x.html ":                         octets,
		"/x.é":                             octets,
	} {
		if got := MediaTypeOf(path).String(); got != want {
			t.Errorf("MediaTypeOf(%q) = %s, want %s", path, got, want)
		}
	}
	if got := MediaType(65535).String(); got != octets {
		t.Errorf("a type out of the table is %s", got)
	}
}

func TestMediaTable(t *testing.T) {
	if !slices.IsSortedFunc(extensions[:], func(a, b extension) int { return strings.Compare(a.name, b.name) }) {
		t.Error("extensions are not sorted: look-ups would miss")
	}
	for i, e := range extensions {
		switch {
		case i > 0 && extensions[i-1].name == e.name:
			t.Errorf("%q twice", e.name)
		case len(e.name) > maxExtension:
			t.Errorf("%q is longer than maxExtension", e.name)
		case e.name != strings.ToLower(e.name):
			t.Errorf("%q can never be found", e.name)
		case int(e.typ) >= len(mediaTypes):
			t.Errorf("%q has no type", e.name)
		}
	}
	for _, typ := range mediaTypes {
		if strings.HasPrefix(typ, "text/") != strings.HasSuffix(typ, "; charset=utf-8") || strings.ContainsAny(typ, "\r\n") {
			t.Errorf("%q", typ)
		}
	}
}

func FuzzMediaTypeOf(f *testing.F) {
	for _, path := range []string{"/a.html", "", "/.", `/\`, "/json", "/x.GLTF"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if got := MediaTypeOf(path); int(got) >= len(mediaTypes) {
			t.Fatalf("%d", got)
		}
	})
}

func BenchmarkMediaTypeOf(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		MediaTypeOf("/assets/site/page.html")
	}
}

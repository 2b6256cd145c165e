package manifest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/zeebo/blake3"
	"pgregory.net/rapid"
)

// What the client computes for real files.
func TestAssetKeyVectors(t *testing.T) {
	var all [256]byte
	for i := range all {
		all[i] = byte(i)
	}
	const hello = "hello\n"
	for _, tc := range []struct{ file, content, ext, key string }{
		{"empty", "", "", "af1349b9f5f9a1a6a0404dea36dcc949"},
		{"empty.txt", "", "txt", "f9bc91770fa5e997cbd47fba833629fc"},
		{"index.html", hello, "html", "051240d22ab9086ec5997a6d1ad35ec1"},
		{"x.HTML", hello, "HTML", "1eac8e13624aa1aedde739d38b7dc0d3"},
		{"LICENSE", hello, "", "a304da4b4a88dc5288e58ab9307a3e3e"},
		{".hidden", hello, "", "a304da4b4a88dc5288e58ab9307a3e3e"},
		{".html", hello, "", "a304da4b4a88dc5288e58ab9307a3e3e"},
		{"a.b/c", hello, "", "a304da4b4a88dc5288e58ab9307a3e3e"},
		{"trailingdot.", hello, "", "a304da4b4a88dc5288e58ab9307a3e3e"},
		{"img.png", hello, "png", "5695dbdbe80f5d5ccbb11bca226fb6ad"},
		{"IMG.PNG", hello, "PNG", "1215ec5d553b6f0a3c7878e6b087d049"},
		{"archive.tar.gz", hello, "gz", "bec1e266b9e66fd3bce0ec577eb1bb05"},
		{".a.b", hello, "b", "160b07aa06a2fc32d95989144dda9f23"},
		{"..foo", hello, "foo", "a13b6551b99f0716c1175fd27c263b7f"},
		{"emoji.😀", hello, "😀", "6cdc559adcf1d5282b80dd92eabbc80e"},
		{"robots.txt", hello, "txt", "56638d01375d9d28c49e281774cfd32f"},
		{"100%.txt", hello, "txt", "56638d01375d9d28c49e281774cfd32f"},
		{"héllo wörld.txt", "héllo ✓\n", "txt", "0155824e33443e0a45e009a2f60c6b84"},
		{"all.bin", string(all[:]), "bin", "04c51b7bb2984817f8bb7099dde4021f"},
		{"mega.dat", strings.Repeat("a", 1<<20), "dat", "2a28e23db2cf7d98c7e9115289a53958"},
		{"big.bin", strings.Repeat(string(all[:]), 400), "bin", "da473f4ae4108355ac181a739bb4e784"},
	} {
		t.Run(tc.file, func(t *testing.T) {
			ext := Extension("/" + tc.file)
			if ext != tc.ext {
				t.Errorf("Extension = %q, want %q", ext, tc.ext)
			}
			got, err := ComputeAssetKey(iotest.OneByteReader(strings.NewReader(tc.content)), ext)
			if err != nil || got.String() != tc.key {
				t.Errorf("ComputeAssetKey = %s, %v; want %s", got, err, tc.key)
			}
			if got := AssetKeyOf([]byte(tc.content), ext).String(); got != tc.key {
				t.Errorf("AssetKeyOf = %s, want %s", got, tc.key)
			}
		})
	}
}

func TestExtension(t *testing.T) {
	for path, want := range map[string]string{
		"": "", "/": "", "/a": "", "/a.b/c": "", "/.a": "", "/..": "", "/...": "", "/a.": "", "/a..": "", "/a.B.cD": "cD", "/x/.y.z": "z",
	} {
		if got := Extension(path); got != want {
			t.Errorf("Extension(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestStreamedKeyIsTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// around the chunk boundaries, where padding would go wrong
		n := rapid.OneOf(rapid.IntRange(0, 9), rapid.IntRange(keyChunk-4, keyChunk+4), rapid.IntRange(2*keyChunk-4, 2*keyChunk+4)).Draw(t, "n")
		content := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 7, 7).Draw(t, "pattern"), n/7+1)[:n]
		ext := rapid.StringN(0, 5, 20).Draw(t, "ext")
		sum := blake3.Sum256([]byte(base64.StdEncoding.EncodeToString(content) + ext))
		want := AssetKey(sum[:16])
		got, err := ComputeAssetKey(iotest.HalfReader(bytes.NewReader(content)), ext)
		if err != nil || got != want || AssetKeyOf(content, ext) != want {
			t.Fatalf("%v, %v, %v; want %v", got, err, AssetKeyOf(content, ext), want)
		}
	})
}

func TestComputeAssetKeyReadError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := ComputeAssetKey(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), ""); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestNames(t *testing.T) {
	d, k := DigestOf([]byte("x")), AssetKeyOf([]byte("x"), "txt")
	if got, err := ParseDigest(d.String()); err != nil || got != d {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ParseAssetKey(k.String()); err != nil || got != k {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", k.String()[1:], k.String() + "0", strings.Repeat("A", 32), strings.Repeat("g", 32), strings.Repeat("é", 16)} {
		if _, err := ParseAssetKey(s); !errors.Is(err, ErrName) {
			t.Errorf("ParseAssetKey(%q): %v", s, err)
		}
	}
	if _, err := ParseDigest(k.String()); !errors.Is(err, ErrName) {
		t.Errorf("an asset key is no digest: %v", err)
	}
}

func TestCheckPath(t *testing.T) {
	for path, want := range map[string]PathReason{
		"":                                     PathNotAbsolute,
		"a":                                    PathNotAbsolute,
		"/":                                    PathEmptySegment,
		"//a":                                  PathEmptySegment,
		"/a//b":                                PathEmptySegment,
		"/a/":                                  PathEmptySegment,
		"/.":                                   PathDotSegment,
		"/a/..":                                PathDotSegment,
		"/../a":                                PathDotSegment,
		"/a/./b":                               PathDotSegment,
		"/a\x00":                               PathNUL,
		"/a\xff":                               PathInvalidUTF8,
		"/\xed\xa0\x80":                        PathInvalidUTF8,
		"/" + strings.Repeat("x", 5000):        PathTooLong,
		"/" + strings.Repeat("x", MaxPath):     PathTooLong,
		"/" + strings.Repeat("x", MaxPath-1):   0,
		"/...":                                 0,
		"/.env":                                0,
		"/a..b/c":                              0,
		"/q?x#y.html":                          0,
		"/100%.html":                           0,
		"/bs\\x.html":                          0,
		"/tab\tnl\n.html":                      0,
		"/héllo wörld.txt":                     0,
		"/" + strings.Repeat("d/", 2000) + "f": 0,
	} {
		err := CheckPath(path)
		var got PathReason
		if e, ok := errors.AsType[*PathError](err); ok {
			got = e.Reason
		}
		if got != want {
			t.Errorf("CheckPath(%.20q…) = %v, want %v", path, err, want)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
	if diff := cmp.Diff(`manifest: path "/a/../b" has a "." or ".." segment`, CheckPath("/a/../b").Error()); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkAssetKey(b *testing.B) {
	content := bytes.Repeat([]byte("x"), 4096)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		AssetKeyOf(content, "html")
	}
}

// One text gives the keys of all extensions, as often as they are asked for, and goes on after that.
func TestKeyText(t *testing.T) {
	k := NewKeyText()
	for _, n := range []int{0, 1, 3, 4096, 8192, 70_000, 300_000} {
		content := bytes.Repeat([]byte{byte(n), 1, 2}, n/3+1)[:n]
		text := base64.StdEncoding.EncodeToString(content)
		k.Reset()
		_, _ = k.Write([]byte(text[:len(text)/3]))
		_ = k.Key("html")
		_, _ = k.Write([]byte(text[len(text)/3:]))
		for _, ext := range []string{"html", "", "js", "html"} {
			if got, want := k.Key(ext), AssetKeyOf(content, ext); got != want {
				t.Errorf("%d bytes, extension %q: %s, want %s", n, ext, got, want)
			}
		}
	}
}

package httpsem

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const keyHex = "00112233445566778899aabbccddeeff"

var (
	fileKey  = [16]byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	otherKey = [16]byte{1}

	// fileKeys are of one file's representations: each has a key of its own.
	fileKeys = [NumEncodings][16]byte{Identity: fileKey, Gzip: {0x67}, Zstd: {0x7a}, Brotli: {0x62}}
)

func tagOf(e Encoding) string { return string(fileTag(e).Append(nil)) }

func fileTag(e Encoding) ETag { return ETag{fileKeys[e], e} }

func TestETag(t *testing.T) {
	for e, want := range map[Encoding]string{
		Identity: `"` + keyHex + `"`,
		Gzip:     `"` + keyHex + `-gzip"`,
		Zstd:     `"` + keyHex + `-zstd"`,
		Brotli:   `"` + keyHex + `-br"`,
	} {
		if got := string(ETag{fileKey, e}.Append(nil)); got != want || len(got) > MaxETag {
			t.Errorf("%v: %s, want %s", e, got, want)
		}
	}
	for _, s := range []string{
		"", `"`, `""`, keyHex, `W/"` + keyHex + `"`, `"` + keyHex, keyHex + `"`,
		`"` + strings.ToUpper(keyHex) + `"`, `"` + keyHex[1:] + `"`, `"` + keyHex + `0"`,
		`"` + keyHex + `-"`, `"` + keyHex + `-identity"`, `"` + keyHex + `-BR"`, `"` + keyHex + `-br-br"`, `"` + keyHex + `br"`,
		`"` + keyHex[:31] + `g"`, `"` + keyHex + `" `, `"` + keyHex + "-br\x00\"",
	} {
		if got, ok := ParseETag(s); ok {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func TestETagRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) ETag {
			return ETag{
				Key:      [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name)),
				Encoding: Encoding(rapid.IntRange(0, NumEncodings-1).Draw(t, name)),
			}
		}
		a, b := draw("a"), draw("b")
		if got, ok := ParseETag(string(a.Append(nil))); !ok || got != a {
			t.Fatalf("%v comes back as %v, %v", a, got, ok)
		}
		if same := slices.Equal(a.Append(nil), b.Append(nil)); same != (a == b) {
			t.Fatalf("%s, %s", a.Append(nil), b.Append(nil))
		}
	})
}

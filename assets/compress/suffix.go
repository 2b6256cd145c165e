package compress

import (
	"strings"

	"berth/assets/httpsem"
)

// Suffix is what build tools append to the name of a file for its precompressed sibling; "" of identity.
func Suffix(e httpsem.Encoding) string {
	switch e {
	case httpsem.Gzip:
		return ".gz"
	case httpsem.Zstd:
		return ".zst"
	case httpsem.Brotli:
		return ".br"
	}
	return ""
}

// SuffixOf splits the path of what may be a precompressed sibling: "/app.js.br" is "/app.js" in brotli. Whether there is
// such a file, and whether it is what the sibling decodes to, is for others to see.
func SuffixOf(path string) (e httpsem.Encoding, base string, ok bool) {
	for _, e := range []httpsem.Encoding{httpsem.Brotli, httpsem.Gzip, httpsem.Zstd} {
		base, ok := strings.CutSuffix(path, Suffix(e))
		if ok && base != "" && !strings.HasSuffix(base, "/") {
			return e, base, true
		}
	}
	return httpsem.Identity, "", false
}

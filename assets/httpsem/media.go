// Package httpsem is HTTP's meaning without its transport: conditional requests, content codings, ranges, media types.
// It is pure and total: whatever a client sends has an answer, and none allocates.
//
// Negotiate is the whole of it for a file, in the order of RFC 9110 §13.2.2; the other functions are its steps.
package httpsem

import "strings"

// MediaType is a media type that we serve; the zero value is application/octet-stream.
type MediaType uint16

type extension struct {
	name string
	typ  MediaType
}

const maxExtension = 24 // bytes of the longest in the table, with room

// MediaTypeOf is the type that Pages clients declare for a file: that of its last extension in lower case. The rules
// are those of the npm package mime 3, with its quirk that a top-level file whose whole name is a known extension
// ("/json", "/.html") has that extension's type, while "/x/json" has the default one.
func MediaTypeOf(path string) MediaType {
	name := strings.TrimPrefix(path, "/")
	base := name[strings.LastIndexAny(name, `/\`)+1:]
	ext := base[strings.LastIndexByte(base, '.')+1:]
	dotted, nested := len(ext) < len(base)-1, len(base) < len(name)
	if !dotted && nested || len(ext) > maxExtension {
		return 0
	}
	var lower [maxExtension]byte
	for i := range len(ext) {
		c := ext[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return search(lower[:len(ext)])
}

// search is written out because comparing a converted slice in place copies nothing, which a comparison function would.
func search(ext []byte) MediaType {
	lo, hi := 0, len(extensions)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if extensions[mid].name < string(ext) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(extensions) || extensions[lo].name != string(ext) {
		return 0
	}
	return extensions[lo].typ
}

// String is the value of the Content-Type field: text types carry their charset.
func (t MediaType) String() string {
	if int(t) >= len(mediaTypes) {
		return mediaTypes[0]
	}
	return mediaTypes[t]
}

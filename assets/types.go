package assets

import (
	"berth/assets/httpsem"
	"berth/assets/manifest"
)

// typesOf is the media type of each file. A site is compiled when somebody waits for its first page, and has few extensions: each is
// looked up once.
func typesOf(files *manifest.Manifest) []httpsem.MediaType {
	types := make([]httpsem.MediaType, files.Len())
	var known typeMemo
	for i := range types {
		path := files.PathAt(i)
		key := shortExtension(path)
		if t, ok := known.get(key); ok {
			types[i] = t
			continue
		}
		types[i] = httpsem.MediaTypeOf(path)
		known.put(key, types[i])
	}
	return types
}

// shortExtension packs the extension of a path, up to 7 bytes and the number of them, into an integer; 0: it is longer, or the path
// is one whose type does not follow from an extension alone: without a dot behind another character of its name.
func shortExtension(path string) uint64 {
	key := uint64(0)
	for n := range min(8, len(path)-1) {
		at := len(path) - 1 - n
		switch c := path[at]; c {
		case '/':
			return 0
		case '.':
			if before := path[at-1]; before == '/' || before == '\\' {
				return 0
			}
			return key<<8 | uint64(n) | 1<<3
		default:
			key = key<<8 | uint64(c)
		}
	}
	return 0
}

// typeMemo holds a few types by their extension. A newcomer takes the place of whoever was there.
type typeMemo [64]struct {
	key uint64
	typ httpsem.MediaType
}

func (m *typeMemo) get(key uint64) (httpsem.MediaType, bool) {
	e := &m[memoSlot(key)]
	return e.typ, key != 0 && e.key == key
}

func (m *typeMemo) put(key uint64, t httpsem.MediaType) {
	if key != 0 {
		e := &m[memoSlot(key)]
		e.key, e.typ = key, t
	}
}

func memoSlot(key uint64) uint64 { return key * 0x9e3779b97f4a7c15 >> 58 }

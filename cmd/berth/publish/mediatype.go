package publish

import (
	"strings"

	"berth/assets/httpsem"
)

// contentType is what an upload call says of a file: without the charset, as wrangler. The server derives the type it
// serves from the path in the manifest, because one content can stand under many names.
func contentType(path string) string {
	media, _, _ := strings.Cut(httpsem.MediaTypeOf(path).String(), ";")
	return media
}

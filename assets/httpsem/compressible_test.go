package httpsem

import (
	"strings"
	"testing"
)

func TestCompressible(t *testing.T) {
	for want, extensions := range map[bool]string{
		true: `html htm css js mjs cjs json map jsonld webmanifest xml xhtml svg txt md csv tsv vtt yaml yml ics vcf
			rss atom geojson gltf glb obj mtl wasm ttf otf ttc eot bmp ico rtf toml sh sql php eml appcache m3u8 srt tex json5`,
		false: `png jpg jpeg gif webp avif heic tiff woff woff2 mp3 m4a ogg wav mp4 webm mov ts zip gz br 7z rar
			pdf docx xlsx pptx doc jar apk epub usdz swf bin exe dmg unknown jxl`,
	} {
		for ext := range strings.FieldsSeq(extensions) {
			if got := Compressible(MediaTypeOf("/x/y." + ext)); got != want {
				t.Errorf("%s (%s): %v", ext, MediaTypeOf("/x/y."+ext), got)
			}
		}
	}
	if Compressible(MediaType(65535)) {
		t.Error("a type out of the table")
	}
}

func TestCompressibleNamesTypesOfTheTable(t *testing.T) {
	n := 0
	for i := range mediaTypes {
		if Compressible(MediaType(i)) {
			n++
		}
	}
	if n < 100 || n > len(mediaTypes)/2 {
		t.Errorf("%d of %d types", n, len(mediaTypes))
	}
}

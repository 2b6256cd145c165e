package httpsem

import "strings"

// Compressible says whether files of the type are worth compressing: text in the widest sense, and binary formats that
// do not compress by themselves. Not among them are images, audio, video, archives, woff and woff2, office formats (zips), PDF,
// whose parts are deflated, and what has no known type. That a type is compressible promises nothing of one file: whether
// its variant saved enough is seen when it is made.
func Compressible(t MediaType) bool {
	name, _, _ := strings.Cut(t.String(), ";")
	top, sub, _ := strings.Cut(name, "/")
	if top == "text" || strings.HasSuffix(sub, "+json") || strings.HasSuffix(sub, "+xml") || strings.HasSuffix(sub, "+yaml") {
		return true // with the structured suffixes of RFC 6839: SVG, feeds, XHTML, web manifests, GeoJSON, glTF
	}
	switch name {
	case "application/javascript", "application/ecmascript", "application/node", // js, mjs, cjs
		"application/json", "application/json5", "application/hjson", "application/toml",
		"application/xml", "application/xml-dtd", "application/relax-ng-compact-syntax",
		"application/wasm",
		"application/n-quads", "application/n-triples", "application/trig", "application/sparql-query",
		"application/rtf", "application/postscript", "application/x-latex", "application/x-tex", "application/x-texinfo",
		"application/x-sh", "application/x-csh", "application/x-perl", "application/x-tcl", "application/x-httpd-php", "application/x-sql",
		"application/x-ns-proxy-autoconfig", "application/x-subrip", "application/vnd.apple.mpegurl",
		"message/rfc822":
		return true
	case "font/ttf", "font/otf", "font/collection", "application/vnd.ms-fontobject": // plain tables, unlike woff
		return true
	case "image/bmp", "image/vnd.microsoft.icon":
		return true
	case "model/gltf-binary", "model/obj", "model/mtl", "model/stl":
		return true
	}
	return false
}

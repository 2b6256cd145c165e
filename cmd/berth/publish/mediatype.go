package publish

// contentType is what an upload call says of a file. The server derives the type it serves from the path in the
// manifest, because one content can stand under many names.
func contentType(string) string { return "application/octet-stream" }

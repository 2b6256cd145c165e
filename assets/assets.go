// Package assets is the planner: a compiled Site and a Request give a Plan. It is pure and total and does no I/O, but for a
// Site of parts (CompilePart), which reads what it looks at.
package assets

import (
	"berth/assets/httpsem"
	"berth/assets/kept"
	"berth/assets/manifest"
	"berth/assets/rules"
)

// Request is one HTTP request as the planner sees it. Every string may be a view of the request's own bytes and must not
// outlive Plan (a Plan's fields may point into it: render before the request dies). A field that is absent is "".
type Request struct {
	Method string // as sent
	Target string // origin-form target as sent, with query
	Host   string // canonical host
	Port   string // that the client named, in digits; "": none, or the scheme's own
	Scheme string // "http" or "https", as the client used it

	Authorization bool // the request carried the field
	NoIndex       bool // the host must not be indexed (previews)
	NoCORS        bool // the site does not want to be read by other origins unless its rules say so

	// Kept are files of earlier deployments of the same host that answer where this one has none; nil: none. Now is the
	// time, in Unix seconds, that decides which of them still do.
	Kept *kept.Index
	Now  int64

	AcceptEncoding  string
	IfNoneMatch     string
	IfMatch         string
	IfModifiedSince string
	IfRange         string
	Range           string
	SecFetchDest    string
	SecFetchMode    string
	Cookie          string
}

// Field is one header field of a Plan, in the order in which it is to be sent.
type Field struct {
	Name  string // canonical spelling
	Value []byte // valid until the Plan is reused; may point into the Request, the Site or the Plan
}

// BodyKind says where a Plan's body comes from.
type BodyKind uint8

const (
	BodyNone BodyKind = iota
	BodyInline
	BodyBlob
	BodyMultipart // parts of a blob, each with a head, and a tail
)

// Body names bytes without holding them, except for short inline ones. Length is what Content-Length says, for HEAD too.
// An empty file is a BodyBlob of length 0.
type Body struct {
	Kind     BodyKind
	Inline   []byte
	Blob     manifest.Digest
	BlobSize int64 // of the whole blob
	Offset   int64 // of a BodyBlob
	Length   int64

	Parts []Part // of a BodyMultipart, in the order of sending
	Tail  []byte // after the last of them
}

// Part is one run of a blob's bytes in a BodyMultipart, sent after its head. Offset and Length are inside the blob.
type Part struct {
	Head   []byte // valid as long as a Field's value is
	Offset int64
	Length int64
}

// Plan is a response without a transport. A zero Plan is ready for use; reuse keeps its buffers.
type Plan struct {
	Status int
	Fields []Field
	Body   Body
	// Head says that the body must not be sent though its length is announced.
	Head bool

	// Missing says that no file of the deployment answers for the path: the status is that of a 404.html, of a
	// single-page application's shell or of nothing. Set for GET and HEAD, whether or not a kept file answered instead.
	Missing bool
	// Page says that a document answers, whose parts the browser will ask for: the one that the path is for or the shell of a
	// single-page application, with 200 or with 304, which keeps its type to itself; or a 404.html.
	Page bool
	// Fixed says that of the request nothing counted but its method and path (without the query), NoIndex, NoCORS, what
	// Accept-Encoding accepts (httpsem.Acceptance.Class) and If-None-Match, and that the status is 200 or 304: who asks for the
	// same with the same, and sends no Authorization and no other condition or range, gets the same plan of this Site.
	Fixed bool
	// KeptSource is the number of the earlier deployment whose file answers; 0: none.
	KeptSource uint64
	// Trace, if it is set, is filled with how the plan came about. It survives reuse; nil costs nothing.
	Trace *Trace

	ruled bool // a rule of _redirects matches, whatever came of it
	// fallback says that a single-page application answers for a path that has no file.
	fallback bool
	encoded  bool // Accept-Encoding has a say: the file, or page of absence, is stored in a content coding, or is refused
	from     source
	asked    rules.Request // here because it would escape
	changes  rules.Changes
	stored   httpsem.Stored
	answer   httpsem.Answer
	parts    []Part
	// scratch grows only while a Plan is made, so that views of it stay good until the Plan is reused.
	scratch []byte
}

// Package assets is the planner: a compiled Site and a Request give a Plan. It is pure and total and does no I/O.
package assets

import (
	"berth/assets/manifest"
	"berth/assets/rules"
)

// Request is one HTTP request as the planner sees it. Every string may be a view of the request's own bytes and must not
// outlive Plan (a Plan's fields may point into it: render before the request dies). A field that is absent is "".
type Request struct {
	Method string // as sent
	Target string // origin-form target as sent, with query
	Host   string // canonical host
	Scheme string // "http" or "https", as the client used it

	Authorization bool // the request carried the field
	NoIndex       bool // the host must not be indexed (previews)

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
)

// Body names bytes without holding them, except for short inline ones. Length is what Content-Length says, for HEAD too.
// An empty file is a BodyBlob of length 0.
type Body struct {
	Kind     BodyKind
	Inline   []byte
	Blob     manifest.Digest
	BlobSize int64 // of the whole blob
	Offset   int64
	Length   int64
}

// Plan is a response without a transport. A zero Plan is ready for use; reuse keeps its buffers.
type Plan struct {
	Status int
	Fields []Field
	Body   Body
	// Head says that the body must not be sent though its length is announced.
	Head bool

	// fallback says that a single-page application answers for a path that has no file.
	fallback bool
	asked    rules.Request // here because it would escape
	changes  rules.Changes
	// scratch grows only while a Plan is made, so that views of it stay good until the Plan is reused.
	scratch []byte
}

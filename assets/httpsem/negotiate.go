package httpsem

// RequestFields are the fields of a GET or HEAD that decide how a file is answered. Each is "" if absent; lines of one
// name are joined by commas (RFC 9110 §5.3).
//
// IfMatch has the meaning of RFC 9110 §13.1.1 for whoever fills it in: 412 if the tag of the selected representation is
// not in it. Pages ignores the field, and clients have come to rely on their 200. So the planner gives it here only
// beside a Range, where it is what keeps parts of two files from being joined, and where who sends it has read the RFC.
type RequestFields struct {
	Get            bool // Range and If-Range count for GET alone (§14.2)
	AcceptEncoding string
	IfMatch        string // see below
	IfNoneMatch    string
	IfRange        string
	Range          string
}

// What a file can be answered with (§15); a package that knows no transport does not import one for six numbers.
const (
	statusOK                  = 200
	statusPartialContent      = 206
	statusNotModified         = 304
	statusNotAcceptable       = 406
	statusPreconditionFailed  = 412
	statusRangeNotSatisfiable = 416
)

// Answer is how a file is to be answered.
type Answer struct {
	// Status is 200, 206, 304, 406, 412 or 416.
	Status int
	// ETag is of the representation that was selected: for ETag, and its Encoding for Content-Encoding. Of a 406, where
	// none was, it means nothing.
	ETag ETag
	// Size is the length of that whole representation, for Content-Range.
	Size int64
	// Ranges are set for a 206: one is the body, several are a Multipart.
	Ranges Ranges
}

// Negotiate decides how to answer a request for a stored file, in this order:
//
//  1. Of the stored representations that are acceptable, one is selected; if there is none: 406.
//  2. If-Match, If-None-Match: 412, 304 (Evaluate).
//  3. If-Range, Range: 206, 416, or 200 where the range is to be ignored.
//
// It allocates nothing, and dst may be used again. Ranges are of identity, so that players can seek and downloads be
// resumed wherever they began, unless the client shows by a tag that it holds a part in another coding (forRange).
func Negotiate(dst *Answer, req *RequestFields, stored *Stored) {
	dst.Ranges.n = 0
	accepted := ParseAcceptEncoding(req.AcceptEncoding)
	selected, ok := accepted.Select(stored)
	if !ok {
		dst.Status, dst.ETag, dst.Size = statusNotAcceptable, stored.tag(Identity), 0
		return
	}
	outcome := RangeIgnored
	if req.Get && req.Range != "" {
		if e, ok := forRange(req, &accepted, stored); ok {
			if outcome = ParseRanges(&dst.Ranges, req.Range, stored.Sizes[e]); outcome != RangeIgnored {
				selected = e
			}
		}
	}
	dst.ETag, dst.Size = stored.tag(selected), stored.Sizes[selected]
	dst.Status = statusOf(Evaluate(req.IfMatch, req.IfNoneMatch, dst.ETag), outcome)
	if dst.Status != statusPartialContent {
		dst.Ranges.n = 0
	}
}

// statusOf puts preconditions before ranges: who has the representation already is sent no part of it.
func statusOf(preconditions Outcome, ranges RangeOutcome) int {
	switch {
	case preconditions == PreconditionFailed:
		return statusPreconditionFailed
	case preconditions == NotModified:
		return statusNotModified
	case ranges == RangeSatisfiable:
		return statusPartialContent
	case ranges == RangeUnsatisfiable:
		return statusRangeNotSatisfiable
	}
	return statusOK
}

// forRange selects the representation that a Range field is about; if there is none the field is ignored.
//
// If-Range decides where it is present: it has to name the representation (§13.1.5). Without an Accept-Encoding every
// coding is acceptable (§12.5.3), and the client plainly has bytes in this one. Otherwise it is the one whose tag stands
// in If-Match or If-None-Match, and identity if none does or if identity's does too.
func forRange(req *RequestFields, accepted *Acceptance, stored *Stored) (Encoding, bool) {
	usable := accepted.Set() & stored.Set
	if req.IfRange != "" {
		e, ok := stored.ifRange(req.IfRange)
		return e, ok && (usable.Has(e) || req.AcceptEncoding == "")
	}
	held := usable & (stored.named(req.IfMatch, strongly) | stored.named(req.IfNoneMatch, weakly))
	if held == 0 || held.Has(Identity) {
		return Identity, usable.Has(Identity)
	}
	return accepted.Select(&Stored{Set: held, Sizes: stored.Sizes})
}

package httpsem

// RequestFields are the fields of a GET or HEAD that decide how a file is answered. Each is "" if absent; lines of one
// name are joined by commas (RFC 9110 §5.3).
type RequestFields struct {
	Get            bool // Range and If-Range count for GET alone (§14.2)
	AcceptEncoding string
	IfMatch        string // Pages ignores it: whoever must answer as Pages does leaves it out
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

// Negotiate decides how to answer a request for a file with the given key, in this order:
//
//  1. Of the stored representations that are acceptable, one is selected; if there is none: 406.
//  2. If-Match, If-None-Match: 412, 304 (Evaluate).
//  3. If-Range, Range: 206, 416, or 200 where the range is to be ignored.
//
// It allocates nothing, and dst may be used again. Ranges are of identity, so that players can seek and downloads be
// resumed wherever they began, unless the client shows by a tag that it holds a part in another coding (forRange).
func Negotiate(dst *Answer, req *RequestFields, key [16]byte, stored *Stored) {
	dst.Ranges.n = 0
	accepted := ParseAcceptEncoding(req.AcceptEncoding)
	selected, ok := accepted.Select(stored)
	if !ok {
		dst.Status, dst.ETag, dst.Size = statusNotAcceptable, ETag{Key: key}, 0
		return
	}
	outcome := RangeIgnored
	if req.Get && req.Range != "" {
		if e, ok := forRange(req, key, &accepted, stored); ok {
			if outcome = ParseRanges(&dst.Ranges, req.Range, stored.Sizes[e]); outcome != RangeIgnored {
				selected = e
			}
		}
	}
	dst.ETag, dst.Size = ETag{Key: key, Encoding: selected}, stored.Sizes[selected]
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
func forRange(req *RequestFields, key [16]byte, accepted *Acceptance, stored *Stored) (Encoding, bool) {
	usable := accepted.Set() & stored.Set
	if req.IfRange != "" {
		e, ok := IfRange(req.IfRange, key)
		return e, ok && (usable.Has(e) || req.AcceptEncoding == "" && stored.Set.Has(e))
	}
	held := usable & (named(req.IfMatch, key, strongly) | named(req.IfNoneMatch, key, weakly))
	if held == 0 || held.Has(Identity) {
		return Identity, usable.Has(Identity)
	}
	return accepted.Select(&Stored{Set: held, Sizes: stored.Sizes})
}

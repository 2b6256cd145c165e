package httpsem

// Outcome is what the preconditions of a request come to.
type Outcome uint8

const (
	Proceed            Outcome = iota // answer as if there were none
	NotModified                       // 304
	PreconditionFailed                // 412
)

// Evaluate judges the preconditions of a GET or HEAD against the representation selected for it, in the order of RFC
// 9110 §13.2.2; "" is an absent field.
//
// Only the selected representation counts (§13.1.1, §13.1.2). A client that holds the file in another coding than the
// one it would be sent now is not told 304, which would name a tag that it does not have.
//
// Dates have no say: we send no Last-Modified, and a recipient must ignore If-Modified-Since and If-Unmodified-Since for
// a resource that has no modification date (§13.1.3, §13.1.4). So they are no parameters, and that If-None-Match takes
// precedence over the former needs no code.
func Evaluate(ifMatch, ifNoneMatch string, selected ETag) Outcome {
	if ifMatch != "" && !matchField(ifMatch, selected, strongly) {
		return PreconditionFailed
	}
	if ifNoneMatch != "" && matchField(ifNoneMatch, selected, weakly) {
		return NotModified
	}
	return Proceed
}

// ifRange says which of the stored representations an If-Range field names, if any (§13.1.5). The comparison is strong, as
// parts of two representations are about to be joined: a weak tag names none, nor does a date, as we send none that it
// could be. If the named representation is not the one selected, the Range field is to be ignored.
func (s *Stored) ifRange(field string) (Encoding, bool) {
	t, ok := ParseETag(trimOWS(field))
	return t.Encoding, ok && s.holds(t)
}

// comparison is one of the two of §8.8.3.2.
type comparison bool

const (
	weakly   comparison = false // W/ counts for nothing
	strongly comparison = true  // a tag with W/ equals none
)

func matchField(field string, selected ETag, c comparison) bool {
	if isAny(field) {
		return true
	}
	for list := (tagList{field}); ; {
		t, ok := list.nextOfOurs(c)
		if !ok || t == selected {
			return ok
		}
	}
}

// named holds the codings whose representations a list of entity tags has; of "*", none.
func (s *Stored) named(field string, c comparison) (set EncodingSet) {
	for list := (tagList{field}); ; {
		t, ok := list.nextOfOurs(c)
		if !ok {
			return set
		}
		if s.holds(t) {
			set = set.With(t.Encoding)
		}
	}
}

// isAny reports the form that matches every representation; it may not stand in a list.
func isAny(field string) bool { return trimOWS(field) == "*" }

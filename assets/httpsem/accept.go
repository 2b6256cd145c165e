package httpsem

import (
	"slices"
	"strings"
)

// maxCodings bounds the elements of an Accept-Encoding field that are read, empty ones included (§5.6.1.2 asks for "a
// reasonable number" of those). Browsers send at most five.
const maxCodings = 64

// A weight orders content codings by a client's wish: 0 is refused, 1 is acceptable without having been asked for, and
// what was asked for has its q-value in thousandths, plus one.
type weight uint16

const (
	refused weight = 0
	unasked weight = 1
	wanted  weight = 1001 // q=1, the weight of a coding that has none
)

// Acceptance is what an Accept-Encoding field says of each content coding.
type Acceptance struct {
	weights [NumEncodings]weight
}

// ParseAcceptEncoding reads an Accept-Encoding field (RFC 9110 §12.5.3).
//
//   - A coding that is not named has the weight of "*", if that is.
//   - Otherwise identity is acceptable, but comes after everything that was asked for, and other codings are refused.
//   - The absent and the empty field are one here: identity. The RFC lets us send anything to a client without the
//     field, but who sends none will hardly decode.
//   - A coding that is named twice, perhaps as gzip and x-gzip, has the kinder weight.
//   - An element whose weight cannot be read asks for nothing and refuses nothing.
func ParseAcceptEncoding(field string) Acceptance {
	var (
		a     Acceptance
		star  weight
		named EncodingSet
		stars bool
	)
	for n := 0; field != "" && n < maxCodings; n++ {
		var element string
		element, field, _ = strings.Cut(field, ",")
		coding, params, _ := strings.Cut(element, ";")
		coding = trimOWS(coding)
		if coding == "*" {
			if w, ok := weightOf(params); ok {
				star, stars = max(star, w), true
			}
			continue
		}
		e, known := parseEncoding(coding)
		if !known {
			continue
		}
		w, ok := weightOf(params)
		switch {
		case ok:
			a.weights[e], named = max(a.weights[e], w), named.With(e)
		case e == Identity: // named without a refusal that can be read
			a.weights[e], named = max(a.weights[e], unasked), named.With(e)
		}
	}
	for e := range Encoding(NumEncodings) {
		switch {
		case named.Has(e):
		case stars:
			a.weights[e] = star
		case e == Identity:
			a.weights[e] = unasked
		}
	}
	return a
}

// Set holds the content codings that are acceptable.
func (a *Acceptance) Set() (s EncodingSet) {
	for e := range Encoding(NumEncodings) {
		if a.weights[e] != refused {
			s = s.With(e)
		}
	}
	return s
}

// Class stands for all that Set and Select see of a: fields of one class have the same outcome for any file. There are 150 classes,
// where there are fields without end.
func (a *Acceptance) Class() (class uint16) {
	for _, w := range a.weights {
		rank := uint16(0) // refused; else one more than the number of lower weights that are not
		if w != refused {
			rank = 1
			for i, other := range a.weights {
				if other != refused && other < w && !slices.Contains(a.weights[:i], other) {
					rank++
				}
			}
		}
		class = class<<3 | rank
	}
	return class
}

// Select chooses the representation to send: of those acceptable the one of the highest weight, at equal weight the
// smallest, at equal size br, zstd, gzip, identity in this order. If none is acceptable there is none, which is
// a 406 (RFC 9110 §15.5.7): the RFC would rather have identity sent, but not to who refuses it.
func (a *Acceptance) Select(stored *Stored) (Encoding, bool) {
	var (
		best  Encoding
		found bool
	)
	for i := range NumEncodings {
		e := Encoding(NumEncodings - 1 - i)
		if a.weights[e] == refused || !stored.Set.Has(e) {
			continue
		}
		if !found || a.weights[e] > a.weights[best] ||
			a.weights[e] == a.weights[best] && stored.Sizes[e] < stored.Sizes[best] {
			best, found = e, true
		}
	}
	return best, found
}

// SelectEncoding is Select for codings whose sizes are not known.
func SelectEncoding(field string, available EncodingSet) (Encoding, bool) {
	a := ParseAcceptEncoding(field)
	return a.Select(&Stored{Set: available})
}

// IdentityForbidden says whether an Accept-Encoding field rules out the unencoded representation: "identity;q=0", or
// "*;q=0" where identity is not named.
func IdentityForbidden(field string) bool {
	if strings.IndexByte(field, '0') < 0 { // no weight of zero: nearly every request
		return false
	}
	a := ParseAcceptEncoding(field)
	return a.weights[Identity] == refused
}

// weightOf reads the q parameter among the parameters of a coding (§12.4.2). No other parameter is defined for codings;
// unknown ones are passed over.
func weightOf(params string) (weight, bool) {
	for params != "" {
		var param string
		param, params, _ = strings.Cut(params, ";")
		name, value, _ := strings.Cut(param, "=")
		if name = trimOWS(name); name == "q" || name == "Q" {
			return parseWeight(trimOWS(value))
		}
	}
	return wanted, true
}

// parseWeight reads a qvalue: 0 or 1, with a fraction that cannot take 1 any higher. More than the three digits of the
// grammar are let pass; a weight that is not zero stays above it.
func parseWeight(s string) (weight, bool) {
	if s == "" || s[0] != '0' && s[0] != '1' || len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	var thousandths, positive weight
	for i, scale := 2, weight(100); i < len(s); i, scale = i+1, scale/10 {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if c != '0' {
			positive = 1
		}
		thousandths += weight(c-'0') * scale
	}
	switch {
	case s[0] == '1':
		return wanted, positive == 0
	case positive == 0:
		return refused, true
	}
	return max(thousandths, 1) + 1, true
}

const ows = " \t"

// trimOWS cuts optional white space (§5.6.3); strings.Trim would first make a set of two characters.
func trimOWS(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

package httpsem

import "strings"

// IdentityForbidden says whether an Accept-Encoding field rules out the unencoded representation: "identity;q=0", or
// "*;q=0" where identity is not named (RFC 9110 §12.5.3). An absent or empty field forbids nothing, nor does a weight
// that cannot be read. Where a coding is named twice the kinder weight counts.
func IdentityForbidden(field string) bool {
	if strings.IndexByte(field, '0') < 0 { // no weight of zero: nearly every request
		return false
	}
	var identity, star refusal
	for element := range strings.SplitSeq(field, ",") {
		coding, params, _ := strings.Cut(element, ";")
		switch coding = strings.Trim(coding, ows); {
		case strings.EqualFold(coding, "identity"):
			identity.add(params)
		case coding == "*":
			star.add(params)
		}
	}
	if identity.named {
		return !identity.accepted
	}
	return star.named && !star.accepted
}

type refusal struct{ named, accepted bool }

func (r *refusal) add(params string) {
	r.named = true
	r.accepted = r.accepted || !zeroWeight(params)
}

// zeroWeight says whether the parameters hold a weight of zero: "0", "0.", "0.000".
func zeroWeight(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, ok := strings.Cut(param, "=")
		if !ok || !strings.EqualFold(strings.Trim(name, ows), "q") {
			continue
		}
		whole, fraction, _ := strings.Cut(strings.Trim(value, ows), ".")
		return whole == "0" && strings.Trim(fraction, "0") == ""
	}
	return false
}

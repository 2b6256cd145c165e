package httpsem

import "strings"

// Encoding is a content coding that we may hold a file in (RFC 9110 §8.4.1). Where nothing else decides, a higher value
// is preferred.
type Encoding uint8

const (
	Identity Encoding = iota
	Gzip
	Zstd
	Brotli
)

// NumEncodings is the number of content codings, identity included.
const NumEncodings = int(Brotli) + 1

// String is the content coding's registered name: what Content-Encoding says of all but Identity, which it never names.
func (e Encoding) String() string {
	switch e {
	case Gzip:
		return "gzip"
	case Zstd:
		return "zstd"
	case Brotli:
		return "br"
	default:
		return "identity"
	}
}

// parseEncoding is the inverse of String. Names of content codings are case-insensitive (§8.4.1), and x-gzip is another
// name of gzip (§8.4.1.3). The comparison by length keeps EqualFold from taking a non-ASCII letter for an ASCII one.
func parseEncoding(name string) (Encoding, bool) {
	switch len(name) {
	case len("br"):
		return Brotli, strings.EqualFold(name, "br")
	case len("gzip"):
		if strings.EqualFold(name, "zstd") {
			return Zstd, true
		}
		return Gzip, strings.EqualFold(name, "gzip")
	case len("x-gzip"):
		return Gzip, strings.EqualFold(name, "x-gzip")
	case len("identity"):
		return Identity, strings.EqualFold(name, "identity")
	}
	return 0, false
}

// EncodingSet is a set of content codings.
type EncodingSet uint8

// IdentityOnly is the set of a file that is stored as it was uploaded and in no other way.
const IdentityOnly = EncodingSet(1) << Identity

// Without is the set without e.
func (s EncodingSet) Without(e Encoding) EncodingSet {
	if int(e) >= NumEncodings {
		return s
	}
	return s &^ (1 << e)
}

// With is the set with e in it.
func (s EncodingSet) With(e Encoding) EncodingSet {
	if int(e) >= NumEncodings {
		return s
	}
	return s | 1<<e
}

// Has says whether e is in the set.
func (s EncodingSet) Has(e Encoding) bool { return int(e) < NumEncodings && s&(1<<e) != 0 }

// Stored says in which content codings a file is held: how many bytes it has in each, and the key of each one's entity
// tag (ETag). Sizes and keys of codings that are not in Set mean nothing.
type Stored struct {
	Set   EncodingSet
	Sizes [NumEncodings]int64
	Keys  [NumEncodings][16]byte
}

// tag is the entity tag of the representation in coding e.
func (s *Stored) tag(e Encoding) ETag { return ETag{Key: s.Keys[e], Encoding: e} }

// holds says whether a tag is of one of the representations.
func (s *Stored) holds(t ETag) bool { return s.Set.Has(t.Encoding) && s.Keys[t.Encoding] == t.Key }

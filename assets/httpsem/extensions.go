package httpsem

import "iter"

// Extensions lists every extension that has a type of its own, in lower case, with that type.
func Extensions() iter.Seq2[string, MediaType] {
	return func(yield func(string, MediaType) bool) {
		for _, e := range extensions {
			if !yield(e.name, e.typ) {
				return
			}
		}
	}
}

package assets

import "strings"

// ForSharedCaches knows the fields that tell shared caches what Cache-Control does not, whatever the spelling of their
// names: RFC 9213's targeted ones and those that came before them. A cache that goes by one does not see the other.
func ForSharedCaches(name string) bool {
	const targeted = "-Cache-Control"
	if len(name) > len(targeted) && strings.EqualFold(name[len(name)-len(targeted):], targeted) {
		return true
	}
	switch len(name) {
	case len("Edge-Control"):
		return strings.EqualFold(name, "Edge-Control")
	case len("X-Accel-Expires"):
		return strings.EqualFold(name, "X-Accel-Expires")
	case len("Surrogate-Control"):
		return strings.EqualFold(name, "Surrogate-Control")
	}
	return false
}

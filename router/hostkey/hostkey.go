// Package hostkey turns the authority of a request into a canonical host, and a canonical host into the
// keyed hash under which its route is stored.
package hostkey

import (
	"fmt"
	"strings"
)

// Bounds of RFC 1035 section 2.3.4, in the text form without the root's dot.
const (
	maxName  = 253
	maxLabel = 63
)

// Host is a canonical host: lower case, ASCII (IDNA A-labels), without port and trailing dot, or an IP literal
// (IPv6 without brackets). Only Canonical makes one.
type Host string

// IsIP reports whether h is an IP literal. It parses nothing: Canonical refuses every name that could be mistaken for one.
func (h Host) IsIP() bool {
	return strings.IndexByte(string(h), ':') >= 0 || endsInNumber(string(h))
}

// Parent returns h without its first label, as a view of h. It is false for a single label and for an IP literal.
func (h Host) Parent() (Host, bool) {
	if h.IsIP() {
		return "", false
	}
	_, parent, found := strings.Cut(string(h), ".")
	return Host(parent), found
}

// Labels counts the labels of a name; an IP literal has none.
func (h Host) Labels() int {
	if h == "" || h.IsIP() {
		return 0
	}
	return 1 + strings.Count(string(h), ".")
}

// Secret is the 32-byte key of the hostname hash.
type Secret [32]byte

// Format keeps the secret out of logs and messages, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("hostkey.Secret(hidden)"))
}

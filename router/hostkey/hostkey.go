// Package hostkey turns the authority of a request into a canonical host, and a canonical host into the
// keyed hash under which its route is stored.
package hostkey

// Host is a canonical host: lower case, ASCII (IDNA A-labels), without port and trailing dot, or an IP literal
// (IPv6 without brackets). Only Canonical makes one.
type Host string

// Key is the first 16 bytes of BLAKE3 over a Host, keyed with the server's hostname-hash secret.
type Key [16]byte

// Secret is the 32-byte key of the hostname hash.
type Secret [32]byte

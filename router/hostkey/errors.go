package hostkey

import (
	"errors"
	"fmt"
	"strings"
)

// ErrMalformed matches every error of Canonical and CanonicalPattern: the client sent something that is not a host
// (a 400), as opposed to a host nobody serves (a 404).
var ErrMalformed = errors.New("malformed host")

// What is wrong with a host. An *Error unwraps to one of these.
var (
	ErrEmpty     = errors.New("it is empty")
	ErrTooLong   = errors.New("it is longer than 253 characters")
	ErrLabel     = errors.New("a label is empty or longer than 63 characters")
	ErrCharacter = errors.New("it has a character other than letters, digits, '-', '_' and '.'")
	ErrPort      = errors.New("the port is not a number of at most five digits")
	ErrAddress   = errors.New("it is written like an IP address but is not one")
	ErrIDNA      = errors.New("it is not a valid internationalised name (UTS #46)")
	ErrPattern   = errors.New("a wildcard is '*.' before a name of at most 10 labels, a custom domain has no port")
)

// Error says which host was refused and why.
type Error struct {
	Host   string // what was given, a copy, cut to 80 bytes
	Reason error  // one of the sentinels above
}

func (e *Error) Error() string { return fmt.Sprintf("malformed host %q: %v", e.Host, e.Reason) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Reason }

// Is makes every Error an ErrMalformed.
func (e *Error) Is(target error) bool { return target == ErrMalformed }

// refuse copies what it quotes: the authority is a view of the request's bytes, and the error may be logged after them.
func refuse(given string, reason error) error {
	const quoted = 80
	return &Error{Host: strings.Clone(given[:min(len(given), quoted)]), Reason: reason}
}

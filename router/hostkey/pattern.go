package hostkey

import (
	"errors"
	"strings"
)

// MaxWildcardLabels bounds the name below a wildcard. It is what bounds the probes that a made-up host with 127 labels can cost.
const MaxWildcardLabels = 10

// CanonicalPattern returns the canonical form of a custom domain as a person writes it: a host, or "*." and a name for every
// host below that name. The wildcard is one leading label; it is not part of host. A port is refused, because a domain
// serves on all of them, and so is a wildcard above an IP address.
func CanonicalPattern(s string) (host Host, wildcard bool, err error) {
	name, wildcard := strings.CutPrefix(s, "*.")
	host, reason := canonical(name)
	switch {
	case reason != nil:
	case hasPort(name):
		reason = ErrPattern
	case !wildcard:
	case host.IsIP() || host.Labels() > MaxWildcardLabels:
		reason = ErrPattern
	case len(host)+len("a.") > maxName:
		reason = ErrTooLong // no name below it would be short enough
	}
	if reason != nil {
		return "", false, refuse(s, reason)
	}
	return host, wildcard, nil
}

// hasPort is for an authority that canonical accepted.
func hasPort(authority string) bool {
	if authority[0] == '[' {
		return !strings.HasSuffix(authority, "]")
	}
	return strings.Count(authority, ":") == 1
}

// What is wrong with a project name.
var (
	errProjectLength = errors.New("project name: must have 1 to 63 characters")
	errProjectChars  = errors.New("project name: only lower-case letters, digits and '-' may be used")
	errProjectHyphen = errors.New("project name: must not begin or end with '-'")
	errProjectALabel = errors.New("project name: begins with \"xn--\" but is not a valid internationalised label")
)

// ValidProjectName reports why name cannot be a project's: it becomes the host label <name>.<domain>, so it must be a
// DNS label of a-z, 0-9 and '-', 1 to 63 characters, without a hyphen at either end, and one that Canonical leaves alone.
func ValidProjectName(name string) error {
	if name == "" || len(name) > maxLabel {
		return errProjectLength
	}
	for i := range len(name) {
		if !labelByte(name[i]) && name[i] != '-' {
			return errProjectChars
		}
	}
	if name[0] == '-' || name[len(name)-1] == '-' {
		return errProjectHyphen
	}
	if strings.HasPrefix(name, acePrefix) && !validALabels(name) {
		return errProjectALabel
	}
	return nil
}

func labelByte(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

package manifest

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxPath is the longest path in bytes: PATH_MAX of the systems that sites are built on.
const MaxPath = 4096

// PathReason says what is wrong with a path.
type PathReason uint8

const (
	PathNotAbsolute  PathReason = 1 + iota // does not start with "/"
	PathTooLong                            // over MaxPath bytes
	PathNUL                                // holds a NUL
	PathInvalidUTF8                        // not UTF-8
	PathEmptySegment                       // "//", or ends with "/"
	PathDotSegment                         // a segment is "." or ".."
)

func (r PathReason) String() string {
	switch r {
	case PathNotAbsolute:
		return `does not start with "/"`
	case PathTooLong:
		return fmt.Sprintf("is longer than %d bytes", MaxPath)
	case PathNUL:
		return "holds a NUL byte"
	case PathInvalidUTF8:
		return "is not valid UTF-8"
	case PathEmptySegment:
		return "has an empty segment"
	case PathDotSegment:
		return `has a "." or ".." segment`
	default:
		return "is not acceptable"
	}
}

// PathError is what CheckPath returns.
type PathError struct {
	Path   string
	Reason PathReason
}

// Error quotes at most 200 bytes of the path: it comes from a stranger and goes to logs.
func (e *PathError) Error() string {
	shown, more := e.Path, ""
	if len(shown) > 200 {
		shown, more = shown[:200], "…"
	}
	return fmt.Sprintf("manifest: path %q%s %s", shown, more, e.Reason)
}

// CheckPath says why a path cannot stand in a manifest; its error is a *PathError. Everything that a walk of a
// directory can produce is accepted, so "?", "#", "%", "\" and control characters other than NUL are: look-ups are exact,
// and what leaves in a header is percent-encoded. Empty, "." and ".." segments never come out of a walk, and no
// request could name them.
func CheckPath(path string) error {
	if r := pathFault(path); r != 0 {
		return &PathError{Path: path, Reason: r}
	}
	return nil
}

func pathFault(path string) PathReason {
	switch {
	case path == "" || path[0] != '/':
		return PathNotAbsolute
	case len(path) > MaxPath:
		return PathTooLong
	case strings.IndexByte(path, 0) >= 0:
		return PathNUL
	case !utf8.ValidString(path):
		return PathInvalidUTF8
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		switch segment {
		case "":
			return PathEmptySegment
		case ".", "..":
			return PathDotSegment
		}
	}
	return 0
}

// Extension is Node's path.extname of the path's base name without the dot: empty where the only dot comes first
// (".env") and where the name ends with one. Case is kept.
func Extension(path string) string {
	base := path[strings.LastIndexByte(path, '/')+1:]
	dot := strings.LastIndexByte(base, '.')
	if dot <= 0 {
		return ""
	}
	return base[dot+1:]
}

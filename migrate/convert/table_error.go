package convert

import (
	"errors"
	"fmt"
)

// What is wrong with a table. A *TableError unwraps to one of these, or to what reading it failed with.
var (
	ErrSyntax       = errors.New("not JSON")
	ErrTruncated    = errors.New("the table ends early")
	ErrTrailing     = errors.New("something follows the table")
	ErrTooLarge     = errors.New("the table is too large")
	ErrTooLong      = errors.New("a string is too long")
	ErrUTF8         = errors.New("not UTF-8")
	ErrType         = errors.New("wrong type")
	ErrUnknownKey   = errors.New("unknown key")
	ErrDuplicateKey = errors.New("key given twice")
	ErrMissingKey   = errors.New("key missing")
	ErrVersion      = errors.New("unknown version")
)

// TableError says where a table is not one, and what would be right.
type TableError struct {
	Offset  int64 // in bytes, from 0: where it is wrong, or as near as is known
	Entry   int   // index of the filter, or -1 outside of them
	Problem error // one of the sentinels above, or the reader's error
	Detail  string
}

func (e *TableError) Error() string {
	where := fmt.Sprintf("table: at byte %d", e.Offset)
	if e.Entry >= 0 {
		where += fmt.Sprintf(", filter %d", e.Entry)
	}
	if e.Detail == "" {
		return fmt.Sprintf("%s: %v", where, e.Problem)
	}
	return fmt.Sprintf("%s: %v: %s", where, e.Problem, e.Detail)
}

// Unwrap returns the problem.
func (e *TableError) Unwrap() error { return e.Problem }

package publish

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
)

// shown is a file's name as messages have it. A name may hold line breaks, and CI systems obey some of the lines that a
// command prints (GitHub's ::error::), so whoever may name a file could speak for us.
func shown(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
		return strconv.Quote(name)
	}
	return name
}

// shownError is the system's error about a file, with the name as it is shown.
func shownError(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: e.Op, Path: shown(e.Path), Err: e.Err}
	}
	return err
}

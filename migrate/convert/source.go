package convert

import (
	"fmt"
	"io"
	"unicode/utf8"
)

// chunk is what the decoder is given at once, so that its buffer tells the size of one token, not of a read.
const chunk = 32 << 10

// escape is how many bytes of JSON one byte of a string may take: \u0041.
const escape = 6

// source stands between a table and the decoder, which would hold a string of any length, and turn what is not UTF-8
// into replacement characters.
type source struct {
	from     io.Reader
	options  Options
	consumed func() int64 // how far the decoder is
	read     int64        // bytes handed on
	partial  []byte       // the beginning of a character at the end of the last read
	err      error        // what Read failed with
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.bounded(p)
	if bad := s.check(p[:n]); bad >= 0 {
		n, err = 0, &TableError{Offset: s.read + int64(bad), Entry: -1, Problem: ErrUTF8, Detail: "write the table in UTF-8"}
	}
	if err == io.EOF && len(s.partial) > 0 {
		err = &TableError{Offset: s.read + int64(n), Entry: -1, Problem: ErrUTF8, Detail: "the last character is cut"}
	}
	s.read += int64(n)
	s.err = err
	return n, err
}

func (s *source) bounded(p []byte) (int, error) {
	if pending := s.read - s.consumed(); pending > 2*chunk+escape*int64(s.options.MaxString) {
		return 0, &TableError{Offset: s.consumed(), Entry: -1, Problem: ErrTooLong,
			Detail: fmt.Sprintf("more than %d bytes (Options.MaxString); no pattern of hosts needs them", s.options.MaxString)}
	}
	left := s.options.MaxBytes - s.read
	if left <= 0 {
		return s.probe()
	}
	return s.from.Read(p[:min(int64(len(p)), chunk, left)])
}

// probe tells a table of exactly MaxBytes from a larger one.
func (s *source) probe() (int, error) {
	var one [1]byte
	for range 100 {
		n, err := s.from.Read(one[:])
		if n > 0 {
			return 0, &TableError{Offset: s.read, Entry: -1, Problem: ErrTooLarge,
				Detail: fmt.Sprintf("it has more than %d bytes: split it, or raise Options.MaxBytes", s.options.MaxBytes)}
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// check returns where p is not UTF-8, or -1. A character may be divided between reads.
func (s *source) check(p []byte) int {
	at := 0
	for len(s.partial) > 0 && at < len(p) {
		s.partial = append(s.partial, p[at])
		at++
		if !utf8.FullRune(s.partial) {
			continue
		}
		if r, size := utf8.DecodeRune(s.partial); r == utf8.RuneError && size == 1 {
			return at - 1
		}
		s.partial = s.partial[:0]
	}
	for at < len(p) {
		if p[at] < utf8.RuneSelf {
			at++
			continue
		}
		if !utf8.FullRune(p[at:]) {
			s.partial = append(s.partial, p[at:]...)
			return -1
		}
		r, size := utf8.DecodeRune(p[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

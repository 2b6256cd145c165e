package control

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// jsonStream reads JSON of any size in bounded memory: its caller says what may come next. It accepts what RFC 8259
// accepts, with a bound on depth.
type jsonStream struct {
	src  io.Reader
	buf  []byte
	pos  int   // of the next byte in buf
	end  int   // of the bytes in buf
	base int64 // offset in src of buf[0]
	err  error // of src, once buf is used up
}

const (
	jsonBuffer   = 64 << 10
	maxJSONDepth = 16 // of values that are skipped
)

// jsonError says what is wrong with the text, without where.
type jsonError string

func (e jsonError) Error() string { return string(e) }

const errBrokenOff = jsonError("the JSON breaks off")

func newJSONStream(src io.Reader) *jsonStream {
	return &jsonStream{src: src, buf: make([]byte, jsonBuffer)}
}

// offset is that of the next byte.
func (s *jsonStream) offset() int64 { return s.base + int64(s.pos) }

// window returns bytes that are read and not yet taken, at least one. Its error is io.EOF or the source's.
func (s *jsonStream) window() ([]byte, error) {
	for s.pos == s.end {
		if s.err != nil {
			return nil, s.err
		}
		s.base += int64(s.end)
		var n int
		n, s.err = s.src.Read(s.buf)
		s.pos, s.end = 0, n
	}
	return s.buf[s.pos:s.end], nil
}

// peek returns the next byte without taking it; the end is an error.
func (s *jsonStream) peek() (byte, error) {
	w, err := s.window()
	if err == io.EOF {
		return 0, errBrokenOff
	}
	if err != nil {
		return 0, err
	}
	return w[0], nil
}

func (s *jsonStream) next() (byte, error) {
	c, err := s.peek()
	if err == nil {
		s.pos++
	}
	return c, err
}

// token skips white space and returns the byte after it, untaken.
func (s *jsonStream) token() (byte, error) {
	for {
		c, err := s.peek()
		if err != nil || (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
			return c, err
		}
		s.pos++
	}
}

// expect skips white space and takes one byte that must be want.
func (s *jsonStream) expect(want byte) error {
	c, err := s.token()
	if err != nil {
		return err
	}
	if c != want {
		return jsonError("want " + string(rune(want)) + " here")
	}
	s.pos++
	return nil
}

// ended makes sure that nothing but white space follows.
func (s *jsonStream) ended() error {
	_, err := s.token()
	switch {
	case err == errBrokenOff:
		return nil
	case err == nil:
		return jsonError("the JSON has ended, but more follows")
	default:
		return err
	}
}

// more takes the separator before the next member of an object or array: closing ends it, first says that there was no
// member yet.
func (s *jsonStream) more(closing byte, first bool) (bool, error) {
	c, err := s.token()
	switch {
	case err != nil:
		return false, err
	case c == closing:
		s.pos++
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, jsonError("want , or " + string(rune(closing)) + " here")
	}
	s.pos++
	if c, err = s.token(); err == nil && c == closing {
		return false, jsonError("nothing follows the comma")
	}
	return err == nil, err
}

// text reads a string of at most most bytes. Of a longer one it returns a few bytes more than most: enough to be unequal
// to anything wanted.
func (s *jsonStream) text(most int) (string, error) {
	var out []byte
	err := s.chars(func(p []byte) error {
		if len(out) <= most {
			out = append(out, p[:min(len(p), most+1-len(out))]...)
		}
		return nil
	})
	return string(out), err
}

// chars reads a string and gives its bytes to take, piece by piece, unescaped. take must not keep them.
func (s *jsonStream) chars(take func([]byte) error) error {
	if err := s.expect('"'); err != nil {
		return err
	}
	for {
		w, err := s.window()
		if err == io.EOF {
			return errBrokenOff
		}
		if err != nil {
			return err
		}
		plain := plainPrefix(w)
		if plain > 0 {
			if err := take(w[:plain]); err != nil {
				return err
			}
			s.pos += plain
			continue
		}
		s.pos++
		switch w[0] {
		case '"':
			return nil
		case '\\':
			p, err := s.escape()
			if err != nil {
				return err
			}
			if err := take(p); err != nil {
				return err
			}
		default:
			s.pos--
			return jsonError("a control character stands in a string")
		}
	}
}

// plainPrefix is how many bytes stand for themselves in a string. Nearly all are base64, so it looks for the quote with
// IndexByte first.
func plainPrefix(w []byte) int {
	if i := bytes.IndexByte(w, '"'); i >= 0 {
		w = w[:i]
	}
	if i := bytes.IndexByte(w, '\\'); i >= 0 {
		w = w[:i]
	}
	for i, c := range w {
		if c < ' ' {
			return i
		}
	}
	return len(w)
}

// escape reads what follows a backslash.
func (s *jsonStream) escape() ([]byte, error) {
	c, err := s.next()
	if err != nil {
		return nil, err
	}
	switch c {
	case '"', '\\', '/':
		return []byte{c}, nil
	case 'b':
		return []byte{'\b'}, nil
	case 'f':
		return []byte{'\f'}, nil
	case 'n':
		return []byte{'\n'}, nil
	case 'r':
		return []byte{'\r'}, nil
	case 't':
		return []byte{'\t'}, nil
	case 'u':
		// Each half of a surrogate pair becomes U+FFFD: no text with one is ever wanted, only skipped.
		r, err := s.hex4()
		return utf8.AppendRune(nil, r), err
	default:
		s.pos--
		return nil, jsonError("not an escape of JSON")
	}
}

func (s *jsonStream) hex4() (rune, error) {
	var r rune
	for range 4 {
		c, err := s.next()
		if err != nil {
			return 0, err
		}
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			s.pos--
			return 0, jsonError("want four hex digits after \\u")
		}
		r = r<<4 | rune(c)
	}
	return r, nil
}

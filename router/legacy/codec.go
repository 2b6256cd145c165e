package legacy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrTable says that a piece of a table is not what this package writes.
var ErrTable = errors.New("legacy: not a table")

// Filter is an entry of a table: requests that the pattern matches go to what script_hash names.
type Filter struct {
	Pattern    string `json:"pattern"`
	ScriptHash string `json:"script_hash"`
}

// version is that of the tables' form.
const version = 1

// The form that AppendChunk writes, byte for byte.
const (
	chunkOpen    = `{"filters":[`
	filterOpen   = `{"pattern":`
	filterMiddle = `,"script_hash":`
	filterClose  = `}`
	chunkClose   = `],"v":1}`
)

// AppendChunk appends a piece of a table, which is a whole table document of its own. Text that is not UTF-8 is changed by it: JSON has
// no other.
func AppendChunk(dst []byte, fs []Filter) []byte {
	dst = append(dst, chunkOpen...)
	for i, f := range fs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(append(dst, filterOpen...), f.Pattern)
		dst = appendString(append(dst, filterMiddle...), f.ScriptHash)
		dst = append(dst, filterClose...)
	}
	return append(dst, chunkClose...)
}

// appendString writes JSON without the escapes that only HTML needs: a table has "(?<p1>" in every line.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// ParseChunk reads a piece of a table. What AppendChunk wrote is read at once; any other spelling of such a document is read by
// encoding/json, strictly.
func ParseChunk(raw []byte) ([]Filter, error) {
	if fs, ok := parseOwn(raw); ok {
		return fs, nil
	}
	var doc struct {
		Filters *[]Filter `json:"filters"`
		Version *int      `json:"v"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%w: at byte %d: %w", ErrTable, dec.InputOffset(), err)
	}
	switch {
	case dec.More():
		return nil, fmt.Errorf("%w: something follows it at byte %d", ErrTable, dec.InputOffset())
	case doc.Filters == nil || doc.Version == nil:
		return nil, fmt.Errorf(`%w: want {"filters":[…],"v":1}`, ErrTable)
	case *doc.Version != version:
		return nil, fmt.Errorf("%w: version %d; this berth reads %d", ErrTable, *doc.Version, version)
	}
	return *doc.Filters, nil
}

// parseOwn reads exactly the form of AppendChunk; false is no verdict on the document.
func parseOwn(raw []byte) ([]Filter, bool) {
	p := parser{rest: raw}
	if !p.skip(chunkOpen) {
		return nil, false
	}
	fs := make([]Filter, 0, bytes.Count(raw, []byte(filterOpen)))
	for !p.skip(chunkClose) {
		if len(fs) > 0 && !p.skip(",") {
			return nil, false
		}
		var f Filter
		ok := p.skip(filterOpen) && p.text(&f.Pattern) && p.skip(filterMiddle) && p.text(&f.ScriptHash) && p.skip(filterClose)
		if !ok {
			return nil, false
		}
		fs = append(fs, f)
	}
	return fs, len(p.rest) == 0
}

type parser struct {
	rest []byte
	buf  []byte
}

func (p *parser) skip(lit string) bool {
	if len(p.rest) < len(lit) || string(p.rest[:len(lit)]) != lit {
		return false
	}
	p.rest = p.rest[len(lit):]
	return true
}

// text reads a string whose only escapes are of the quote and the backslash.
func (p *parser) text(into *string) bool {
	if len(p.rest) == 0 || p.rest[0] != '"' {
		return false
	}
	p.buf = p.buf[:0]
	for i := 1; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == '"':
			p.rest = p.rest[i+1:]
			*into = string(p.buf)
			return true
		case c == '\\':
			i++
			if i == len(p.rest) || p.rest[i] != '"' && p.rest[i] != '\\' {
				return false
			}
			c = p.rest[i]
		case c < ' ' || c >= utf8.RuneSelf:
			return false
		}
		p.buf = append(p.buf, c)
	}
	return false
}

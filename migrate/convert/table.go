package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const version = "1"

// Reader reads one table, strictly: what it does not know it refuses, so that nothing of a table is lost unseen. It holds
// one filter and a fixed buffer at a time. It is not safe for concurrent use.
type Reader struct {
	options Options
	source  *source
	dec     *json.Decoder
	stage   stage
	seen    map[string]bool
	index   int // of the next filter
	inside  int // of the filter that is being read, or -1
	err     error
}

type stage uint8

const (
	atStart   stage = iota
	inTable         // between keys of the table
	inFilters       // between filters
	atEnd
)

// NewReader returns a Reader of r.
func NewReader(r io.Reader, o Options) (*Reader, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	t := &Reader{options: o, source: &source{from: r, options: o}, seen: map[string]bool{}, inside: -1}
	t.dec = json.NewDecoder(t.source)
	t.dec.UseNumber()
	t.source.consumed = t.dec.InputOffset
	return t, nil
}

// Next returns the next filter, io.EOF after the last one if the whole table was right, else a *TableError, then and
// ever after. The version may stand behind the filters: what was read counts only once io.EOF came.
func (t *Reader) Next() (Filter, error) {
	if t.err != nil {
		return Filter{}, t.err
	}
	f, err := t.next()
	t.err = err
	return f, err
}

func (t *Reader) next() (Filter, error) {
	for {
		var err error
		switch t.stage {
		case atStart:
			err = t.open('{', "a table is an object: {\"filters\":[…],\"v\":1}")
			t.stage = inTable
		case inTable:
			err = t.tableKey()
		case inFilters:
			if t.dec.More() {
				return t.filter()
			}
			_, err = t.token()
			t.stage = inTable
		case atEnd:
			return Filter{}, t.finish()
		}
		if err != nil {
			return Filter{}, err
		}
	}
}

// tableKey reads one key of the table, and its value unless that is the filters.
func (t *Reader) tableKey() error {
	key, at, err := t.key()
	if err != nil {
		return err
	}
	switch {
	case key == "" && at < 0:
		t.stage = atEnd
		return t.missing(t.seen, "filters", "v")
	case t.seen[key]:
		return t.fault(at, ErrDuplicateKey, "%q: keep one", clip(key))
	}
	switch key {
	case "filters":
		t.stage = inFilters
		err = t.open('[', `"filters" is an array: [{"pattern":"…","script_hash":"…"}]`)
	case "v":
		err = t.version()
	default:
		return t.fault(at, ErrUnknownKey, `%q: a table has "filters" and "v" only`, clip(key))
	}
	t.seen[key] = true
	return err
}

func (t *Reader) version() error {
	tok, err := t.token()
	if err != nil {
		return err
	}
	switch v := tok.(type) {
	case json.Number:
		if v.String() == version {
			return nil
		}
		return t.fault(t.dec.InputOffset(), ErrVersion, `"v" is %s; this reads "v":1 only: export the table in that form`, clip(v.String()))
	default:
		return t.fault(t.dec.InputOffset(), ErrType, `"v" is %s; write the number 1`, kindOf(tok))
	}
}

func (t *Reader) filter() (Filter, error) {
	f := Filter{Index: t.index}
	t.inside = t.index
	defer func() { t.inside = -1 }()
	if f.Index >= t.options.MaxEntries {
		return Filter{}, t.fault(t.dec.InputOffset(), ErrTooLarge, "it has more than %d filters: split it, or raise Options.MaxEntries", t.options.MaxEntries)
	}
	if err := t.open('{', `a filter is an object: {"pattern":"…","script_hash":"…"}`); err != nil {
		return Filter{}, err
	}
	f.Offset = t.dec.InputOffset() - 1
	seen := map[string]bool{}
	for {
		key, at, err := t.key()
		if err != nil {
			return Filter{}, err
		}
		if key == "" && at < 0 {
			t.index++
			return f, t.missing(seen, "pattern", "script_hash")
		}
		if seen[key] {
			return Filter{}, t.fault(at, ErrDuplicateKey, "%q: keep one", clip(key))
		}
		seen[key] = true
		if err := t.field(&f, key, at); err != nil {
			return Filter{}, err
		}
	}
}

func (t *Reader) field(f *Filter, key string, at int64) error {
	var into *string
	switch key {
	case "pattern":
		into = &f.Pattern
	case "script_hash":
		into = &f.ScriptHash
	default:
		return t.fault(at, ErrUnknownKey, `%q: a filter has "pattern" and "script_hash" only`, clip(key))
	}
	tok, err := t.token()
	if err != nil {
		return err
	}
	text, ok := tok.(string)
	switch {
	case !ok:
		return t.fault(t.dec.InputOffset(), ErrType, "%q is %s; write a string", key, kindOf(tok))
	case len(text) > t.options.MaxString:
		return t.fault(at, ErrTooLong, "%q has %d bytes, more than %d (Options.MaxString)", key, len(text), t.options.MaxString)
	case text == "":
		return t.fault(at, ErrMissingKey, "%q is empty; remove the filter or say what it stands for", key)
	}
	*into = text
	return nil
}

// key returns the next key of an object and where it ends, or an offset of -1 after the last one.
func (t *Reader) key() (string, int64, error) {
	tok, err := t.token()
	if err != nil {
		return "", 0, err
	}
	if tok == json.Delim('}') {
		return "", -1, nil
	}
	key, ok := tok.(string)
	if !ok {
		return "", 0, t.fault(t.dec.InputOffset(), ErrSyntax, "a key is a string")
	}
	return key, t.dec.InputOffset(), nil
}

func (t *Reader) open(delim json.Delim, want string) error {
	tok, err := t.token()
	if err != nil {
		return err
	}
	if tok != delim {
		return t.fault(t.dec.InputOffset(), ErrType, "found %s; %s", kindOf(tok), want)
	}
	return nil
}

func (t *Reader) missing(seen map[string]bool, keys ...string) error {
	for _, key := range keys {
		if !seen[key] {
			return t.fault(t.dec.InputOffset(), ErrMissingKey, "%q must be given", key)
		}
	}
	return nil
}

// finish looks for what follows the table. White space does not matter.
func (t *Reader) finish() error {
	_, err := t.dec.Token()
	if err == io.EOF && t.source.err == io.EOF {
		return io.EOF
	}
	if t.source.err != nil && t.source.err != io.EOF {
		return t.wrap(t.source.err)
	}
	return t.fault(t.dec.InputOffset(), ErrTrailing, "a file holds one table; put each into a file of its own, or one a line into an .ndjson")
}

func (t *Reader) token() (json.Token, error) {
	tok, err := t.dec.Token()
	if err != nil {
		return nil, t.wrap(err)
	}
	return tok, nil
}

// wrap places an error of the decoder, or of the source below it.
func (t *Reader) wrap(err error) error {
	var own *TableError
	if errors.As(t.source.err, &own) {
		own.Entry = t.inside
		return own
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return t.fault(t.source.read, ErrTruncated, "copy the whole of it again")
	}
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return t.fault(syntax.Offset, ErrSyntax, "%v", syntax)
	}
	return t.fault(t.dec.InputOffset(), fmt.Errorf("read table: %w", err), "")
}

func (t *Reader) fault(at int64, problem error, detail string, args ...any) error {
	return &TableError{Offset: at, Entry: t.inside, Problem: problem, Detail: fmt.Sprintf(detail, args...)}
}

func kindOf(tok json.Token) string {
	switch v := tok.(type) {
	case json.Delim:
		if v == '{' {
			return "an object"
		}
		return "an array"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a truth value"
	default:
		return "null"
	}
}

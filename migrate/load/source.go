package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"berth/router/hostkey"
)

// Table is one project's table, as it came.
type Table struct {
	Project string
	Place   string // file, or file:line
	Open    func() (io.ReadCloser, error)
	Base    int64 // where the table begins in the line
	Fault   error // why there is none
}

// Source yields tables. An error ends it.
type Source = iter.Seq2[Table, error]

const tableSuffix = ".json"

// Dir yields the tables of a directory: a file for each project, <project>.json. Other files are faults, so that a misspelt one is noticed;
// those whose names begin with a dot are passed over.
func Dir(fsys fs.FS) Source {
	return func(yield func(Table, error) bool) {
		entries, err := fs.ReadDir(fsys, ".")
		if err != nil {
			yield(Table{}, fmt.Errorf("list the tables: %w", err))
			return
		}
		for _, e := range entries {
			name := e.Name()
			if strings.HasPrefix(name, ".") {
				continue
			}
			t := Table{Place: name, Open: func() (io.ReadCloser, error) { return fsys.Open(name) }}
			project, ok := strings.CutSuffix(name, tableSuffix)
			switch {
			case e.IsDir() || !ok:
				t.Fault = errors.New("not a table: a directory of tables has a file <project>.json for each project")
			case hostkey.ValidProjectName(project) != nil:
				t.Fault = fmt.Errorf("the name of the file is to be a project's: %w", hostkey.ValidProjectName(project))
			default:
				t.Project = project
			}
			if !yield(t, nil) {
				return
			}
		}
	}
}

// NDJSON yields the tables of lines {"project":"docs","table":{…}}. A line longer than maxLine bytes is a fault and passed over; one line is
// in memory at a time. name is for messages.
func NDJSON(name string, r io.Reader, maxLine int64) Source {
	return func(yield func(Table, error) bool) {
		lines := bufio.NewReaderSize(r, 64<<10)
		for n := 1; ; n++ {
			line, long, err := readLine(lines, maxLine)
			if err != nil && err != io.EOF {
				yield(Table{}, fmt.Errorf("read %s, line %d: %w", name, n, err))
				return
			}
			if len(bytes.TrimSpace(line)) > 0 || long {
				t := Table{Place: fmt.Sprintf("%s:%d", name, n)}
				if long {
					t.Fault = fmt.Errorf("the line has more than %d bytes: export that project's table to a file of its own, and split it", maxLine)
				} else {
					t.envelope(line)
				}
				if !yield(t, nil) {
					return
				}
			}
			if err == io.EOF {
				return
			}
		}
	}
}

// readLine returns the next line without its end. Of a longer one than most it says so, and passes it over.
func readLine(r *bufio.Reader, most int64) (line []byte, long bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if !long && int64(len(line)+len(part)) > most+1 {
			line, long = nil, true
		}
		if !long {
			line = append(line, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		return bytes.TrimSuffix(line, []byte("\n")), long, err
	}
}

// envelope reads a line strictly: what it does not know it refuses.
func (t *Table) envelope(line []byte) {
	dec := json.NewDecoder(bytes.NewReader(line))
	var table json.RawMessage
	t.Fault = func() error {
		if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
			return errors.Join(errors.New(`want a line {"project":"docs","table":{…}}`), ignoreEOF(err))
		}
		for dec.More() {
			if err := t.field(dec, &table); err != nil {
				return err
			}
		}
		if _, err := dec.Token(); err != nil {
			return err
		}
		if dec.More() {
			return fmt.Errorf("something follows the table at byte %d", dec.InputOffset())
		}
		if t.Project == "" || table == nil {
			return errors.New(`"project" and "table" must be given`)
		}
		return hostkey.ValidProjectName(t.Project)
	}()
	if t.Fault != nil {
		t.Fault = fmt.Errorf("at byte %d: %w", dec.InputOffset(), t.Fault)
	}
	t.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(table)), nil }
}

func (t *Table) field(dec *json.Decoder, table *json.RawMessage) error {
	key, err := dec.Token()
	if err != nil {
		return err
	}
	switch {
	case key == "project" && t.Project == "":
		return dec.Decode(&t.Project)
	case key == "table" && *table == nil:
		err := dec.Decode(table)
		t.Base = dec.InputOffset() - int64(len(*table))
		return err
	}
	return fmt.Errorf(`%q is unknown or given twice: a line has "project" and "table" only`, key)
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

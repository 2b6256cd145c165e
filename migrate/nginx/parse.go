package nginx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// directive is one of a configuration, with its included files put in place.
type directive struct {
	at    Position
	name  string
	args  []string
	block []directive
	opens bool // it has a block
}

// parser reads files into directives.
type parser struct {
	fsys     fs.FS
	options  Options
	root     string // "/" where files are named absolutely, else ""
	prefix   string // the directory that includes are relative to
	open     []string
	files    []string
	bytes    int64
	count    int
	problems []Problem
}

// maxProblems bounds what is told of one configuration.
const maxProblems = 1000

func (p *parser) problem(at Position, format string, args ...any) {
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, Problem{at, fmt.Sprintf(format, args...)})
	}
}

// file parses one file, named as fs.FS names files. From is where it is included, zero for the main file.
func (p *parser) file(name string, from Position) ([]directive, error) {
	if err := p.mayOpen(name, from); err != nil {
		return nil, err
	}
	text, err := p.read(name, from)
	if err != nil {
		return nil, err
	}
	p.files = append(p.files, p.root+name)
	p.open = append(p.open, name)
	defer func() { p.open = p.open[:len(p.open)-1] }()
	f := &fileParser{parser: p, name: p.root + name, lexer: lexer{text: text, line: 1, most: p.options.MaxParameter}}
	block, err := f.block(0, 0)
	if fault := (*Error)(nil); errors.As(err, &fault) && fault.File == "" {
		fault.File = f.name
	}
	return block, err
}

func (p *parser) mayOpen(name string, from Position) error {
	switch {
	case slices.Contains(p.open, name):
		return &Error{Position: from, Message: fmt.Sprintf("%s includes itself (%s); remove this include", p.root+name, strings.Join(append(p.open, name), " → "))}
	case len(p.open) >= p.options.MaxNesting:
		return &Error{Position: from, Message: fmt.Sprintf("includes are nested more than %d deep (Options.MaxNesting)", p.options.MaxNesting)}
	case len(p.files) >= p.options.MaxFiles:
		return &Error{Position: from, Message: fmt.Sprintf("there are more than %d files (Options.MaxFiles)", p.options.MaxFiles)}
	}
	return nil
}

func (p *parser) read(name string, from Position) (string, error) {
	if from.File == "" {
		from = Position{File: p.root + name}
	}
	file, err := p.fsys.Open(name)
	if err != nil {
		return "", &Error{Position: from, Message: "cannot be read", Err: err}
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, p.options.MaxBytes-p.bytes+1))
	if err != nil {
		return "", &Error{Position: from, Message: "cannot be read", Err: err}
	}
	if p.bytes += int64(len(text)); p.bytes > p.options.MaxBytes {
		return "", &Error{Position: from, Message: fmt.Sprintf("the files have more than %d bytes (Options.MaxBytes)", p.options.MaxBytes)}
	}
	return string(text), nil
}

// include puts the files that a parameter names in place of the directive.
func (p *parser) include(d *directive) ([]directive, error) {
	if len(d.args) != 1 {
		return nil, &Error{Position: d.at, Message: "include takes one parameter: include sites-enabled/*;"}
	}
	name := d.args[0]
	if !path.IsAbs(name) {
		name = path.Join(p.prefix, name)
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	names := []string{name}
	if strings.ContainsAny(name, "*?[") {
		var err error
		if names, err = fs.Glob(p.fsys, name); err != nil {
			return nil, &Error{Position: d.at, Message: fmt.Sprintf("include %q is no pattern", d.args[0]), Err: err}
		}
	}
	var all []directive
	for _, name := range names {
		block, err := p.file(name, d.at)
		if fault := (*Error)(nil); errors.As(err, &fault) && errors.Is(err, fs.ErrNotExist) && fault.Position == d.at {
			p.problem(d.at, "%s is included and does not exist: what stands in it is missing here", p.root+name)
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, block...)
	}
	return all, nil
}

// fileParser parses the tokens of one file.
type fileParser struct {
	*parser
	name  string
	lexer lexer
}

// block parses up to the end of a block, or of the file at depth 0. Opened is the line of its brace.
func (f *fileParser) block(depth, opened int) ([]directive, error) {
	if depth > f.options.MaxNesting {
		return nil, f.lexer.errorf(opened, "blocks are nested more than %d deep (Options.MaxNesting)", f.options.MaxNesting)
	}
	var all []directive
	for {
		t, err := f.lexer.next()
		if err != nil {
			return nil, err
		}
		switch {
		case t.kind == end && depth > 0:
			return nil, f.lexer.errorf(opened, "a block begins here and does not end; close it with }")
		case t.kind == closing && depth == 0:
			return nil, f.lexer.errorf(t.line, "unexpected }; no block is open")
		case t.kind == end, t.kind == closing:
			return all, nil
		case t.kind != word:
			return nil, f.lexer.errorf(t.line, "a directive must begin with its name")
		}
		d, err := f.directive(t, depth)
		if err != nil {
			return nil, err
		}
		if d.name != "include" || d.opens {
			all = append(all, d)
			continue
		}
		included, err := f.include(&d)
		if err != nil {
			return nil, err
		}
		all = append(all, included...)
	}
}

func (f *fileParser) directive(first token, depth int) (directive, error) {
	d := directive{at: Position{f.name, first.line}, name: first.text}
	if f.count++; f.count > f.options.MaxDirectives {
		return d, f.lexer.errorf(first.line, "there are more than %d directives (Options.MaxDirectives)", f.options.MaxDirectives)
	}
	for {
		t, err := f.lexer.next()
		if err != nil {
			return d, err
		}
		switch t.kind {
		case word:
			d.args = append(d.args, t.text)
		case semicolon:
			return d, nil
		case open:
			d.opens = true
			if d.name == "server_name" {
				return d, f.lexer.errorf(t.line, "unexpected { in server_name; a regular expression that has braces must be quoted")
			}
			if strings.HasSuffix(d.name, "_by_lua_block") {
				return d, f.lexer.skipLua(t.line)
			}
			d.block, err = f.block(depth+1, t.line)
			return d, err
		default:
			return d, f.lexer.errorf(first.line, "directive %q does not end; put ; behind it", d.name)
		}
	}
}

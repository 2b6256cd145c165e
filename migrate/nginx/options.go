package nginx

import (
	"errors"
	"fmt"

	"berth/migrate/convert"
)

// Options bound what is read. The zero value is fit for use: 0 stands for the default.
type Options struct {
	MaxFiles      int   // default 10,000
	MaxBytes      int64 // of all files; default 32 MiB
	MaxDirectives int   // default 500,000
	MaxNesting    int   // of blocks, and of includes; default 32
	MaxNames      int   // of servers, counted for each socket; default 1,000,000
	MaxParameter  int   // bytes; default 4,096, as in nginx
	Convert       convert.Options
}

func (o Options) withDefaults() (Options, error) {
	var faults []error
	set := func(name string, value *int, def int) {
		switch {
		case *value < 0:
			faults = append(faults, fmt.Errorf("nginx: %s is %d; want 1 or more, or 0 for %d", name, *value, def))
		case *value == 0:
			*value = def
		}
	}
	set("MaxFiles", &o.MaxFiles, 10_000)
	set("MaxDirectives", &o.MaxDirectives, 500_000)
	set("MaxNesting", &o.MaxNesting, 32)
	set("MaxNames", &o.MaxNames, 1_000_000)
	set("MaxParameter", &o.MaxParameter, 4096)
	switch {
	case o.MaxBytes < 0:
		faults = append(faults, fmt.Errorf("nginx: MaxBytes is %d; want 1 or more, or 0 for %d", o.MaxBytes, 32<<20))
	case o.MaxBytes == 0:
		o.MaxBytes = 32 << 20
	}
	if _, err := convert.New(o.Convert); err != nil {
		faults = append(faults, err)
	}
	return o, errors.Join(faults...)
}

// Position is a line of a file.
type Position struct {
	File string
	Line int // from 1
}

func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Error is a fault that nginx would not start with, or a bound.
type Error struct {
	Position
	Message string
	Err     error // the cause, if the file could not be read
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("nginx: %s: %s: %v", e.Position, e.Message, e.Err)
	}
	return fmt.Sprintf("nginx: %s: %s", e.Position, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Problem is something that was passed over, and that an operator has to know.
type Problem struct {
	Position
	Message string
}

func (p Problem) String() string { return p.Position.String() + ": " + p.Message }

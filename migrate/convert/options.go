package convert

import (
	"errors"
	"fmt"
)

// Subject is what patterns are tested against.
type Subject uint8

const (
	// HostPath is host[:port]/path: what the old router tests.
	HostPath Subject = iota
	// Host is a canonical host alone: server_name and $host of nginx.
	Host
	// Authority is host[:port]: $http_host of nginx.
	Authority
)

// Options bound the conversion. The zero value is fit for use: 0 stands for the default.
type Options struct {
	Subject Subject

	MaxBytes   int64 // of a table; default 64 MiB
	MaxEntries int   // filters of a table; default 1,000,000
	MaxString  int   // bytes of a pattern or script_hash in a table; default 64 KiB

	MaxHosts   int // hosts that one pattern may stand for; default 1,024
	MaxSteps   int // nodes visited for one pattern; default 64 for each of MaxHosts
	MaxProgram int // instructions of a pattern that is kept to test later hosts against; default 4,096

	MaxRoutes   int   // hosts of one project; default 2,000,000
	MaxWork     int64 // steps spent on one project, patterns and shadows together; default 1,000,000,000, some seconds at worst
	MaxExamples int   // entries kept in a report for each class and reason; default 5

	Brief bool // say of an entry that has routes only what it answers: no Why, and no Notes but of shadows
}

// withDefaults reports every fault at once.
func (o Options) withDefaults() (Options, error) {
	var faults []error
	if o.Subject > Authority {
		faults = append(faults, fmt.Errorf("convert: Subject %d is unknown", o.Subject))
	}
	set := func(name string, value *int, def int) {
		switch {
		case *value < 0:
			faults = append(faults, fmt.Errorf("convert: %s is %d; want 1 or more, or 0 for %d", name, *value, def))
		case *value == 0:
			*value = def
		}
	}
	set64 := func(name string, value *int64, def int64) {
		switch {
		case *value < 0:
			faults = append(faults, fmt.Errorf("convert: %s is %d; want 1 or more, or 0 for %d", name, *value, def))
		case *value == 0:
			*value = def
		}
	}
	set64("MaxBytes", &o.MaxBytes, 64<<20)
	set("MaxEntries", &o.MaxEntries, 1_000_000)
	set("MaxString", &o.MaxString, 64<<10)
	set("MaxHosts", &o.MaxHosts, 1024)
	set("MaxSteps", &o.MaxSteps, 64*min(o.MaxHosts, 1<<24))
	set("MaxProgram", &o.MaxProgram, 4096)
	set("MaxRoutes", &o.MaxRoutes, 2_000_000)
	set64("MaxWork", &o.MaxWork, 1_000_000_000)
	set("MaxExamples", &o.MaxExamples, 5)
	return o, errors.Join(faults...)
}

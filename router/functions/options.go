package functions

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"berth/store"
)

// Options of a Runtime. Command and Dir are required.
type Options struct {
	Command string // file of workerd
	Dir     string // for sockets and configuration: made anew, with all that was in it

	// Timeout bounds how long a function may be silent: from the last byte of its request to the first of its answer, and between
	// pieces of the answer. Default 30 s. It bounds how long a request waits for the process to start, too.
	Timeout time.Duration
	// MaxInFlight bounds requests that functions work on or are still sending answers to. Default 256.
	MaxInFlight int
	// Memory is what the process may take, in bytes; it is looked at every few seconds. Default 1 GiB.
	Memory int64
}

// Defaults returns the Options that zero fields stand for.
func Defaults() Options {
	return Options{Timeout: 30 * time.Second, MaxInFlight: 256, Memory: 1 << 30}
}

// Deps are what a Runtime works on.
type Deps struct {
	Source Source       // required
	Log    *slog.Logger // nil: slog.Default
}

// maxSocketPath is one less than what a socket's address holds, with the zero byte at its end.
const maxSocketPath = 107

// Check reports every fault of the options.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}

func (o Options) withDefaults() (Options, error) {
	d := Defaults()
	o.Timeout = cmp.Or(o.Timeout, d.Timeout)
	o.MaxInFlight = cmp.Or(o.MaxInFlight, d.MaxInFlight)
	o.Memory = cmp.Or(o.Memory, d.Memory)
	var faults []error
	if o.Timeout < time.Millisecond || o.Timeout > time.Hour {
		faults = append(faults, fmt.Errorf("FunctionTimeout: %v is not between 1ms and 1h", o.Timeout))
	}
	if o.MaxInFlight < 1 || o.MaxInFlight > 1<<16 {
		faults = append(faults, fmt.Errorf("MaxFunctions: %d is not between 1 and 65536", o.MaxInFlight))
	}
	if o.Memory < 128<<20 {
		faults = append(faults, fmt.Errorf("FunctionsMemory: %d is less than 128MiB, which the process takes before it does anything", o.Memory))
	}
	switch info, err := os.Stat(o.Command); {
	case err != nil:
		faults = append(faults, fmt.Errorf("command: %w: name the file of workerd", err))
	case info.IsDir() || info.Mode()&0o111 == 0:
		faults = append(faults, fmt.Errorf("command: %s is no program: name the file of workerd", o.Command))
	}
	if o.Dir == "" {
		faults = append(faults, errors.New("directory: none"))
	}
	if longest := o.socket("w9999999.sock"); len(longest) > maxSocketPath {
		faults = append(faults, fmt.Errorf("directory: the path %s has %d bytes, more than the %d that a socket's may have: use a shorter data directory", longest, len(longest), maxSocketPath))
	}
	return o, errors.Join(faults...)
}

func (o Options) socket(name string) string { return o.Dir + "/" + name }

// Call is a request to a function.
type Call struct {
	Deployment store.DeploymentNo
	Method     string
	URL        string // absolute, as the function is to see it
	Host       string // the field
	Header     map[string][]string
	Body       Body  // nil: none
	Length     int64 // of Body; -1: not known
}

// Body is a request's, read from one goroutine at a time: perhaps still while the answer is already being read, but no more once
// that is closed, or Run has failed.
type Body interface {
	Read(p []byte) (int, error)
	// Stop makes a Read under way return, and all later ones fail at once. It returns when no Read is under way.
	Stop()
}

// Why Run failed, beside faults of the transport: the function's process ended, or it sent no HTTP.
var (
	ErrBusy        = errors.New("functions: too many requests in flight")
	ErrUnavailable = errors.New("functions: the runtime does not run")
	ErrTimeout     = errors.New("functions: no answer in time")
)

// Thrown is what a function threw instead of answering, or why its code cannot be loaded.
type Thrown struct{ Text string }

func (t *Thrown) Error() string { return "functions: it threw: " + t.Text }

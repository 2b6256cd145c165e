package serving

import (
	"bufio"
	"regexp"
	"slices"
	"strings"
	"time"
)

// place is a part of a request's time, by the functions that are its.
type place struct {
	name    string
	pattern string
}

// kernelPlaces are looked for in their order, anywhere in a stack: who waits in a system call is there, whatever called it.
func kernelPlaces() []place {
	return []place{
		{"kernel: epoll", `[eE]poll(W|w)ait|[eE]poll(C|c)tl`},
		{"garbage collector", `^runtime\.(gc|scan|mark|bgsweep|greyobject|mallocgc)`},
		{"scheduler", `^runtime\.(schedule|findRunnable|park_m|mcall|netpoll|goready|ready|entersyscall|exitsyscall|reentersyscall)|^internal/poll\.(runtime_|\(\*pollDesc)`},
		{"kernel: read", `^syscall\.(read|pread|recv)|^berth/router/edge\.rawRead|^golang.org/x/sys/unix\.(Read|Recv)`},
		{"kernel: write", `^syscall\.(write|sendto|sendmsg|sendfile)|^berth/router/edge\.raw(Write|Sendfile)|^golang.org/x/sys/unix\.(Write|Send)`},
		{"kernel: other calls", `Syscall6|^runtime\.(futex|usleep|madvise)|^time\.(now|runtimeNow)|^runtime\.(nanotime|walltime)`},
	}
}

// codePlaces are those of the innermost function that is one's.
func codePlaces() []place {
	return []place{{"Berth", `^berth/`}, {"fasthttp", `^github.com/valyala/fasthttp\.`}}
}

const elsewhere = "elsewhere"

// Spent is the time of a place.
type Spent struct {
	Place string
	Time  time.Duration
}

// spent reads what `go tool pprof -traces` prints.
func spent(traces string) []Spent {
	all := newSpent()
	kernel, code := compiled(kernelPlaces()), compiled(codePlaces())
	var value time.Duration
	var stack []string
	finish := func() {
		if value > 0 {
			all[placeOf(kernel, code, stack)].Time += value
		}
		value, stack = 0, nil
	}
	for lines := bufio.NewScanner(strings.NewReader(traces)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case strings.HasPrefix(lines.Text(), "-----------+"):
			finish()
		case len(f) > 1 && len(stack) == 0 && !strings.HasSuffix(f[0], ":"):
			d, err := time.ParseDuration(f[0])
			if err == nil {
				value, stack = d, append(stack, f[1])
			}
		case len(stack) > 0 && len(f) > 0:
			stack = append(stack, f[0])
		}
	}
	finish()
	return slices.DeleteFunc(all, func(s Spent) bool { return s.Time == 0 })
}

func newSpent() (all []Spent) {
	for _, p := range append(kernelPlaces(), codePlaces()...) {
		all = append(all, Spent{Place: p.name})
	}
	return append(all, Spent{Place: elsewhere})
}

func compiled(places []place) (patterns []*regexp.Regexp) {
	for _, p := range places {
		patterns = append(patterns, regexp.MustCompile(p.pattern))
	}
	return patterns
}

// placeOf is the place of a stack, innermost function first.
func placeOf(kernel, code []*regexp.Regexp, stack []string) int {
	for i, p := range kernel {
		if slices.ContainsFunc(stack, p.MatchString) {
			return i
		}
	}
	for _, function := range stack {
		for i, p := range code {
			if p.MatchString(function) {
				return len(kernel) + i
			}
		}
	}
	return len(kernel) + len(code)
}

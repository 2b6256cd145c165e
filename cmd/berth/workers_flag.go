package main

import (
	"errors"
	"strconv"
)

// maxWorkers keeps a slip of the finger from starting a process for each file.
const maxWorkers = 256

// workersFlag is a flag for how many of something work at a time: 0 is none, which is a negative number where 0 means a
// default.
type workersFlag struct{ p *int }

func (w workersFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > maxWorkers {
		return errors.New("want 0 to " + strconv.Itoa(maxWorkers))
	}
	if *w.p = n; n == 0 {
		*w.p = -1
	}
	return nil
}

func (w workersFlag) String() string {
	if w.p == nil || *w.p == 0 {
		return ""
	}
	return strconv.Itoa(max(*w.p, 0))
}

func (workersFlag) Type() string { return "number" }

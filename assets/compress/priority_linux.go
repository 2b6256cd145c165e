package compress

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const lowest = 19

// Of all processes of users without privilege together the kernel lets one a tenth of a second change its session's weight.
const (
	sessionPause    = 100 * time.Millisecond
	maxSessionTries = 20
)

// LowerPriority gives all threads of this process the lowest priority there is: the scheduling policy for idle processors,
// and the least weight, which still says something where the policy is refused. It cannot be undone.
//
// Priorities are of threads here, and a thread has that of the one that made it. So it is done until none is found that
// has another. A process that leads its session lowers that too, which the workers of a Pool do.
func LowerPriority() error {
	session := lowerSession()
	for range 100 {
		lowered, err := lowerThreads()
		if err == nil && lowered > 0 {
			continue
		}
		if err = errors.Join(err, session); err != nil {
			return fmt.Errorf("lower the priority: %w", err)
		}
		return nil
	}
	return errors.New("lower the priority: new threads without end")
}

// lowerThreads says how many threads had another priority.
func lowerThreads() (lowered int, err error) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0, err
	}
	var faults []error
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		now, err := unix.SchedGetAttr(id, 0)
		if err == nil && now.Policy == unix.SCHED_IDLE || errors.Is(err, unix.ESRCH) { // or has ended
			continue
		}
		nice := unix.Setpriority(unix.PRIO_PROCESS, id, lowest)
		attr := unix.SchedAttr{Size: uint32(unsafe.Sizeof(unix.SchedAttr{})), Policy: unix.SCHED_IDLE}
		if err := errors.Join(nice, unix.SchedSetAttr(id, &attr, 0)); err != nil && !errors.Is(err, unix.ESRCH) {
			faults = append(faults, fmt.Errorf("thread %d: %w", id, err))
		}
		lowered++
	}
	return lowered, errors.Join(faults...)
}

// lowerSession is for kernels that share processors out among sessions first (autogroup). What a thread is given there holds
// against those of its own session only: idle threads in one of their own would get as much as the session of a program that
// deploys, and in the server's they would take from its share. So the session is given the least weight as well. The
// session of somebody else is left as it is.
func lowerSession() error {
	if id, err := unix.Getsid(0); err != nil || id != os.Getpid() {
		return err
	}
	for tries := 0; ; tries++ {
		err := os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(lowest)), 0)
		switch {
		case errors.Is(err, fs.ErrNotExist): // no such sharing
			return nil
		case errors.Is(err, unix.EAGAIN) && tries < maxSessionTries:
			time.Sleep(sessionPause)
		default:
			return err
		}
	}
}

package compress

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

const lowest = 19

// LowerPriority gives all threads of this process the lowest priority there is: the scheduling policy for idle processors,
// and the least weight, which still says something where the policy is refused. It cannot be undone.
//
// Priorities are of threads here, and a thread has that of the one that made it. So it is done until none is found that
// has another.
func LowerPriority() error {
	for range 100 {
		lowered, err := lowerThreads()
		if err != nil {
			return fmt.Errorf("lower the priority: %w", err)
		}
		if lowered == 0 {
			return nil
		}
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

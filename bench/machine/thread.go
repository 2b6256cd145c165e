package machine

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// bind binds the calling thread, which must be locked to its goroutine and not be given back.
func bind(at Placement) error {
	var set unix.CPUSet
	set.Set(at.Core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	if at.Nice == 0 {
		return nil
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, at.Nice); err != nil {
		return fmt.Errorf("set the priority to %d: %w", at.Nice, err)
	}
	return nil
}

// ThreadTime is for how long the calling thread has had a processor.
func ThreadTime() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("read the thread's clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

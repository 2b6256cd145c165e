package bench

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Clock measures the time that this goroutine's thread has the processor.
type Clock struct{ began int64 }

// StartClock binds the goroutine to its thread until Stop.
func StartClock() (*Clock, error) {
	runtime.LockOSThread()
	c := &Clock{}
	var err error
	if c.began, err = threadTime(); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	return c, nil
}

// Read is the time so far.
func (c *Clock) Read() (time.Duration, error) {
	now, err := threadTime()
	return time.Duration(now - c.began), err
}

// Stop lets the goroutine move again.
func (c *Clock) Stop() { runtime.UnlockOSThread() }

func threadTime() (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("read the thread's clock: %w", err)
	}
	return ts.Nano(), nil
}

// ProcessTime is what the kernel charged the process so far.
func ProcessTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read the process's clock: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// Peak measures the resident memory of the process from now on.
type Peak struct{ Before int64 }

// StartPeak gives what is free back to the system, and makes the kernel forget the peak so far.
func StartPeak() (Peak, error) {
	debug.FreeOSMemory()
	trim()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return Peak{}, fmt.Errorf("reset the peak of resident memory: %w", err)
	}
	before, err := memory("VmRSS:")
	return Peak{before}, err
}

// Read is the highest since, in bytes.
func (Peak) Read() (int64, error) { return memory("VmHWM:") }

func memory(field string) (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/self/status", field)
}

package migration

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

// clock measures the time that this goroutine's thread has the processor.
type clock struct{ began int64 }

// startClock binds the goroutine to its thread until stop.
func startClock() (*clock, error) {
	runtime.LockOSThread()
	c := &clock{}
	var err error
	if c.began, err = threadTime(); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	return c, nil
}

func (c *clock) read() (time.Duration, error) {
	now, err := threadTime()
	return time.Duration(now - c.began), err
}

func (c *clock) stop() { runtime.UnlockOSThread() }

func threadTime() (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("read the thread's clock: %w", err)
	}
	return ts.Nano(), nil
}

// processTime is what the kernel charged the process so far.
func processTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read the process's clock: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// peak measures the resident memory of the process from now on.
type peak struct{ Before int64 }

// startPeak gives what is free back to the system, and makes the kernel forget the peak so far.
func startPeak() (peak, error) {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return peak{}, fmt.Errorf("reset the peak of resident memory: %w", err)
	}
	before, err := memory("VmRSS:")
	return peak{before}, err
}

// read is the highest since.
func (peak) read() (int64, error) { return memory("VmHWM:") }

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

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime is what the kernel charged a process and its children so far, user and system, by process. It is to the nanosecond,
// where the figures of /proc/PID/stat count ticks of 10 ms, and includes threads that have ended.
func CPUTime(pid int) (Charged, error) {
	c := Charged{}
	for _, p := range append(descendants(pid), pid) {
		var ts unix.Timespec
		// The clock of another process's time on processors, as clock_getcpuclockid(3) makes it: ~PID in the upper bits, 2 for
		// the scheduler's own account.
		err := unix.ClockGettime(int32(^p<<3|2), &ts)
		switch {
		case err == nil:
			c[p] = time.Duration(ts.Nano())
		case p == pid:
			return nil, fmt.Errorf("read the clock of process %d: %w", pid, err)
		} // a child that has ended meanwhile
	}
	return c, nil
}

// Charged is time by process.
type Charged map[int]time.Duration

// Since is what was charged after before was taken.
func (c Charged) Since(before Charged) (sum time.Duration) {
	for pid, t := range c {
		sum += t - before[pid]
	}
	return sum
}

// descendants are a process's children, and theirs.
func descendants(pid int) (all []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well-formed
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that has ended
		}
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(append(all, child), descendants(child)...)
			}
		}
	}
	return all
}

// Busy is for how long a core was not idle, and for how long the hypervisor gave it to somebody else. The kernel counts in
// ticks: over a second it is right to about one in a hundred.
type Busy struct{ Running, Stolen time.Duration }

// CoreBusy is since the machine was started.
func CoreBusy(core int) (Busy, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Busy{}, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 9 || f[0] != "cpu"+strconv.Itoa(core) {
			continue
		}
		const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
		var ticks [9]time.Duration
		for i := 1; i < 9; i++ {
			n, err := strconv.ParseInt(f[i], 10, 64)
			if err != nil {
				return Busy{}, fmt.Errorf("/proc/stat: %q: %w", line, err)
			}
			ticks[i] = time.Duration(n) * tick
		}
		// user nice system idle iowait irq softirq steal
		return Busy{Running: ticks[1] + ticks[2] + ticks[3] + ticks[6] + ticks[7], Stolen: ticks[8]}, nil
	}
	return Busy{}, fmt.Errorf("/proc/stat has no core %d", core)
}

// Since is the difference.
func (b Busy) Since(before Busy) Busy {
	return Busy{b.Running - before.Running, b.Stolen - before.Stolen}
}

// Memory is what processes have of the machine's: Private is theirs alone, Shared their part of what several have.
type Memory struct{ Private, Shared int64 }

// MemoryOf is that of a process and its children, in bytes, now. What the kernel keeps for them, such as the buffers of their
// connections, is not in it.
func MemoryOf(pid int) (m Memory, err error) {
	for _, p := range append(descendants(pid), pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if errors.Is(err, fs.ErrNotExist) && p != pid {
			continue
		}
		if err != nil {
			return m, err
		}
		for line := range strings.Lines(string(b)) {
			name, rest, _ := strings.Cut(line, ":")
			f := strings.Fields(rest)
			if len(f) != 2 || f[1] != "kB" {
				continue
			}
			kib, err := strconv.ParseInt(f[0], 10, 64)
			if err != nil {
				return m, fmt.Errorf("/proc/%d/smaps_rollup: %q: %w", p, line, err)
			}
			switch name {
			case "Private_Clean", "Private_Dirty":
				m.Private += kib << 10
			case "Pss":
				m.Shared += kib << 10
			}
		}
	}
	m.Shared -= m.Private
	return m, nil
}

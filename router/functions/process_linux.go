package functions

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// processAttributes make the kernel end workerd together with the server, however that ends, and keep a terminal's interrupt
// from it: requests under way at the end are answered first.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
}

// residentBytes is the memory that a process takes.
func residentBytes(pid int) (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(raw)
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm of process %d reads %q", pid, raw)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // an error says that it has ended already

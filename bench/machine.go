package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"berth/migrate/report/plot"
)

// Machine says on what was measured.
func Machine() string {
	model := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	parts := []string{model, fmt.Sprintf("%d cores", runtime.NumCPU())}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		parts = append(parts, plot.Bytes.Format(float64(info.Totalram)*float64(info.Unit)))
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		parts = append(parts, "Linux "+unix.ByteSliceToString(name.Release[:]))
	}
	if virtual() {
		parts = append(parts, "a virtual machine")
	}
	return strings.Join(append(parts, runtime.Version()), ", ")
}

// virtual says that this is known to be a virtual machine: its neighbours are in no account that it can read.
func virtual() bool {
	b, err := os.ReadFile("/proc/cpuinfo")
	return err == nil && strings.Contains(string(b), " hypervisor")
}

package machine

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Cores says where things run: the server that is measured on one, what loads it on the other. On a machine with one core, or
// for a process that may use one only, both are the same, and the generator's work is in the server's way.
type Cores struct{ Server, Load int }

// Shared says that there is one core for both.
func (c Cores) Shared() bool { return c.Server == c.Load }

// TwoCores picks the first and the last core that this process may use.
func TwoCores() (Cores, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return Cores{}, fmt.Errorf("ask for this process's cores: %w", err)
	}
	c := Cores{Server: -1}
	for cpu := range len(set) * 64 {
		if !set.IsSet(cpu) {
			continue
		}
		if c.Server < 0 {
			c.Server = cpu
		}
		c.Load = cpu
	}
	return c, nil
}

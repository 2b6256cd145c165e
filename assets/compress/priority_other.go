//go:build !linux

package compress

import "errors"

// LowerPriority does nothing and says so: there is no way to do it that is common to systems.
func LowerPriority() error {
	return errors.New("lower the priority: not known how on this system")
}

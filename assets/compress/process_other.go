//go:build !linux

package compress

import "syscall"

// processAttributes are the usual ones: a worker that outlives the server ends when it wants to read the next job.
func processAttributes() *syscall.SysProcAttr { return nil }

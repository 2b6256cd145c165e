package compress

import "syscall"

// processAttributes make the kernel end a worker together with the server, however that ends, and keep a terminal's
// interrupt from it: it is the server that decides when its workers end. The session is for its priority, see lowerSession.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
}

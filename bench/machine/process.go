package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Placement says on which core a program runs and how it stands against others.
type Placement struct {
	Core int
	Nice int // 0: as usual; below 0 only root may
}

// Process is a program bound to a core. It ends, at the latest, with the program that started it.
type Process struct {
	Pid  int
	done chan struct{} // closed when it has ended
	err  error         // of cmd.Wait, once done
	cmd  *exec.Cmd
}

// Start starts a command whose every thread, and child, runs on one core. A Go program that is bound to one core from its start
// has GOMAXPROCS=1 by itself.
func Start(cmd *exec.Cmd, at Placement) (*Process, error) {
	// A session of its own, so that Stop reaches its children, Ctrl-C does not, and its priority is that of itself alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// What a thread starts inherits what the thread is bound to. It is kept for as long as the child lives, because the
		// kernel takes the end of the thread for that of the parent, and is not given back: it ends with this goroutine.
		runtime.LockOSThread()
		defer close(p.done)
		err := startHere(cmd, at)
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s on core %d: %w", cmd.Path, at.Core, err)
	}
	p.Pid = cmd.Process.Pid
	if err := raiseSession(p.Pid, at.Nice); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// raiseSession is for kernels that share processors out among sessions first (autogroup): there a process's own priority counts
// only within its session.
func raiseSession(pid, nice int) error {
	if nice == 0 {
		return nil
	}
	err := os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), []byte(strconv.Itoa(nice)), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("set the session's priority to %d: %w", nice, err)
	}
	return nil
}

func startHere(cmd *exec.Cmd, at Placement) error {
	if err := bind(at); err != nil {
		return err
	}
	return cmd.Start()
}

// Wait waits for the end. Its error is that of exec.Cmd.Wait.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Used is what the kernel charged the process, once it has ended.
func (p *Process) Used() time.Duration {
	<-p.done
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Stop asks the process and its children to end, and makes them after ten seconds.
func (p *Process) Stop() {
	_ = syscall.Kill(-p.Pid, syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
	<-p.done
}

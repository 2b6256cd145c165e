package compress

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"time"
)

// SelfCommand is the command line that runs this very program with args. The path of its file will not do where the file
// can be replaced by an upgrade while the program runs: the two would speak different protocols.
func SelfCommand(args ...string) ([]string, error) {
	if runtime.GOOS == "linux" {
		const self = "/proc/self/exe" // resolved in the new process, which still is this program then
		if _, err := os.Stat(self); err == nil {
			return append([]string{self}, args...), nil
		}
	}
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("compress: find this program: %w", err)
	}
	return append([]string{path}, args...), nil
}

const (
	// grace is how long a worker that was asked to end may take.
	grace = 5 * time.Second

	maxSaid = 4 << 10
)

// worker is a child process. It does one job at a time.
type worker struct {
	stdin, stdout *os.File // this side's ends
	process       *os.Process
	idle          *time.Timer // ends it; set while it is idle
	said          tail

	// gone is closed when the process has ended; then err says how.
	gone chan struct{}
	err  error
}

// workerEnv is the whole environment of a worker: it takes one core, and nothing that the server was told by its own
// environment, such as tokens, is for it.
var workerEnv = [...]string{"GOMAXPROCS=1", "GOMEMLIMIT=256MiB"}

// startWorker runs command. A goroutine waits for its end, and calls ended then.
func startWorker(command []string, ended func(*worker)) (*worker, error) {
	childIn, stdin, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start encode worker: %w", err)
	}
	stdout, childOut, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start encode worker: %w", errors.Join(err, childIn.Close(), stdin.Close()))
	}
	w := &worker{stdin: stdin, stdout: stdout, gone: make(chan struct{})}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = childIn, childOut, &w.said
	cmd.Env, cmd.SysProcAttr, cmd.WaitDelay = slices.Clone(workerEnv[:]), processAttributes(), grace
	started := make(chan error)
	go func() {
		// The kernel ends the child with the thread that started it, so this one has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		childIn.Close()
		childOut.Close()
		w.process = cmd.Process
		started <- err
		if err != nil {
			return
		}
		w.err = cmd.Wait()
		close(w.gone)
		ended(w)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start encode worker: %w", errors.Join(err, stdin.Close(), stdout.Close()))
	}
	return w, nil
}

// kill ends the process at once.
func (w *worker) kill() { _ = w.process.Kill() } // an error says that it has ended already

// end asks a process without a job to end, and sees to it that it does.
func (w *worker) end() {
	w.closePipes()
	time.AfterFunc(grace, w.kill)
}

// closePipes is for whoever has the worker when nothing is read from it or written to it any more. That its process has
// gone is not enough: what it wrote may still be in the pipe.
func (w *worker) closePipes() {
	w.stdin.Close() // nothing is buffered in either, and a second time does no harm
	w.stdout.Close()
}

func (w *worker) hasGone() bool {
	select {
	case <-w.gone:
		return true
	default:
		return false
	}
}

// epitaph says how a process that is gone ended, and what it had to say.
func (w *worker) epitaph() string {
	text := "ended"
	if w.err != nil {
		text = w.err.Error()
	}
	if said := w.said.String(); said != "" {
		text += ": " + said
	}
	return text
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex // guards buf
	buf []byte
}

var _ io.Writer = (*tail)(nil)

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-maxSaid):]...)
	t.buf = append(t.buf[:0], t.buf[max(0, len(t.buf)-maxSaid):]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

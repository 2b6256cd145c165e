package compress

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A worker does not outlive the server, not even one that was killed and could not end it.
func TestWorkersEndWithTheirParent(t *testing.T) {
	l := listen(t)
	command := childCommand("parent", l.Addr().String())
	parent := exec.Command(command[0], command[1:]...)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	worker := accept(t, l) // it reads nothing, so that it does not see the end of its input
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("it was not killed")
	}
	isGone(t, worker)
}

func TestLowerPriority(t *testing.T) {
	command := childCommand("priority")
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !bytes.Contains(out, []byte("all threads")) {
		t.Errorf("%s", out)
	}
}

// reportPriority lowers the priority of this process while it makes threads, and looks at all of them afterwards.
func reportPriority() int {
	var threads sync.WaitGroup
	release := make(chan struct{})
	for range 8 {
		threads.Go(func() {
			var fds [2]int
			if unix.Pipe(fds[:]) != nil {
				return
			}
			go func() {
				<-release
				unix.Close(fds[1])
			}()
			unix.Read(fds[0], make([]byte, 1)) // holds a thread
		})
	}
	err := LowerPriority()
	close(release)
	threads.Wait()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		attr, err := unix.SchedGetAttr(id, 0)
		if err == nil && attr.Policy != unix.SCHED_IDLE {
			fmt.Printf("thread %d has policy %d\n", id, attr.Policy)
			return 1
		}
		if nice, err := unix.Getpriority(unix.PRIO_PROCESS, id); err == nil && 20-nice != lowest { // the system call's way to say it
			fmt.Printf("thread %d is nice by %d\n", id, 20-nice)
			return 1
		}
	}
	fmt.Println("all threads")
	return 0
}

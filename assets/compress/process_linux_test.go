package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
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

// Where sessions share the processors, that of a worker has the least weight, and the server's keeps its own.
func TestWorkersHaveASessionOfTheLeastWeight(t *testing.T) {
	own := sessionWeight(t, "self")
	w, err := startWorker(childCommand("weight"), func(*worker) {})
	if err != nil {
		t.Fatal(err)
	}
	defer w.closePipes()
	said, err := io.ReadAll(w.stdout)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("nice %d", lowest); string(said) != want {
		t.Errorf("the worker's session is %q, want %q; it said %q", said, want, w.said.String())
	}
	if now := sessionWeight(t, "self"); now != own {
		t.Errorf("the server's session is %q and was %q", now, own)
	}
}

func sessionWeight(t *testing.T, pid string) string {
	t.Helper()
	weight, err := readSessionWeight(pid)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("this kernel does not share processors out among sessions")
	}
	if err != nil {
		t.Fatal(err)
	}
	return weight
}

// readSessionWeight is "nice N".
func readSessionWeight(pid string) (string, error) {
	b, err := os.ReadFile("/proc/" + pid + "/autogroup")
	_, weight, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	return weight, err
}

// reportWeight lowers the priority of this process, and says what its session has.
func reportWeight() int {
	if err := LowerPriority(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	weight, err := readSessionWeight("self")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Print(weight)
	return 0
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

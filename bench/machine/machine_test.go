package machine_test

import (
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/bench/machine"
)

// shell starts a shell, and waits until it is at work. The pipe that it writes to is at its end when nobody of it lives.
func shell(t *testing.T, script string) (*machine.Process, *os.File) {
	t.Helper()
	cores, err := machine.TwoCores()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", script)
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	cmd.Stdout = w
	p, err := machine.Start(cmd, machine.Placement{Core: cores.Server})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	w.Close()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return p, out
}

// A child's work is its parent's too, and both are on the core.
func TestCPUTimeOfChildren(t *testing.T) {
	p, _ := shell(t, `(while :; do :; done) & echo; wait`)
	before, err := machine.CPUTime(p.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != 2 {
		t.Fatalf("%d processes, want the shell and its child", len(before))
	}
	cores, err := machine.TwoCores()
	if err != nil {
		t.Fatal(err)
	}
	for pid := range before {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(pid, &set); err != nil {
			t.Fatal(err)
		}
		if set.Count() != 1 || !set.IsSet(cores.Server) {
			t.Errorf("process %d may run on %d cores", pid, set.Count())
		}
	}
	for {
		after, err := machine.CPUTime(p.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if after.Since(before) > 20*time.Millisecond {
			return
		}
	}
}

func TestStopReachesChildren(t *testing.T) {
	p, out := shell(t, `(trap '' TERM; echo; while :; do :; done) & trap 'exit 0' TERM; wait`)
	p.Stop()
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("read %q, %v", rest, err)
	}
}

func TestMemoryOf(t *testing.T) {
	m, err := machine.MemoryOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if m.Private < 1<<20 || m.Shared < 0 {
		t.Errorf("%+v", m)
	}
}

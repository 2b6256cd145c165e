package serving

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpent(t *testing.T) {
	got := spent(`File: berth
Type: cpu
Duration: 5s, Total samples = 4.45s (88.98%)
-----------+-------------------------------------------------------
      40ms   runtime.memmove
             github.com/valyala/fasthttp.appendArg (inline)
             github.com/valyala/fasthttp.(*Server).serveConnCounted
             berth/router/edge.(*Server).serveConn
-----------+-------------------------------------------------------
     1.29s   internal/runtime/syscall/linux.Syscall6
             syscall.RawSyscall6
             syscall.Syscall
             syscall.write
             berth/router/edge.(*conn).Write
-----------+-------------------------------------------------------
     110ms   internal/runtime/syscall/linux.Syscall6
             syscall.RawSyscall6
             berth/router/edge.rawWrite
             berth/router/edge.(*conn).sendNow
-----------+-------------------------------------------------------
     600ms   syscall.RawSyscall
             berth/router/edge.rawRead
             internal/poll.(*FD).RawRead
-----------+-------------------------------------------------------
      20ms   runtime.exitsyscall
             syscall.Syscall
             syscall.read
-----------+-------------------------------------------------------
     bytes:  1kB
      10ms   internal/runtime/syscall/linux.Syscall6
             internal/runtime/syscall/linux.EpollWait
             runtime.netpoll
             runtime.findRunnable
-----------+-------------------------------------------------------
       5ms   berth/assets.(*Site).serve
             github.com/valyala/fasthttp.(*Server).serveConnCounted
-----------+-------------------------------------------------------
       1ms   main.main
`)
	want := []Spent{{"kernel: epoll", 10 * time.Millisecond}, {"scheduler", 20 * time.Millisecond}, {"kernel: read", 600 * time.Millisecond}, {"kernel: write", 1400 * time.Millisecond},
		{"Berth", 5 * time.Millisecond}, {"fasthttp", 40 * time.Millisecond}, {elsewhere, time.Millisecond}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

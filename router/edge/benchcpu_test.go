package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// serverEnv makes the test binary a server that is measured from outside.
const serverEnv = "EDGE_BENCH_SERVER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(serverEnv); kind != "" {
		if err := benchServer(kind); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// benchServer prints its address, and then its CPU time in nanoseconds for each line it is sent.
func benchServer(kind string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serve := (&fasthttp.Server{Handler: constantHandler}).Serve
	if kind != "constant" {
		var o Options
		if kind == "edge+log" {
			o.AccessLog = io.Discard
		}
		w, err := newBenchWorld()
		if err != nil {
			return err
		}
		s, err := newServer(w.deps(nil), w, o)
		if err != nil {
			return err
		}
		serve = s.Serve
	}
	go func() {
		fmt.Fprintln(os.Stderr, serve(ln))
		os.Exit(1)
	}()
	fmt.Println(ln.Addr())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return err
		}
		fmt.Println(u.Utime.Nano() + u.Stime.Nano())
	}
	return in.Err()
}

func constantHandler(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString(constantBody)
}

// measured is a server in a process of its own.
type measured struct {
	addr string
	in   io.WriteCloser
	out  *bufio.Reader
}

func startMeasured(b *testing.B, kind string) *measured {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"="+kind)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("server %s: %v", kind, err)
		}
	})
	m := &measured{in: in, out: bufio.NewReader(out)}
	m.addr = m.line(b)
	return m
}

func (m *measured) line(b *testing.B) string {
	line, err := m.out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func (m *measured) cpu(b *testing.B) time.Duration {
	if _, err := io.WriteString(m.in, "\n"); err != nil {
		b.Fatal(err)
	}
	n, err := strconv.ParseInt(m.line(b), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(n)
}

// BenchmarkServerCPU compares the edge with a fasthttp server that always says the same, by CPU time of the server alone,
// turn by turn in one run, so that whatever else the machine does hits all alike. "ratio" is the share of the
// constant server's requests that the edge answers with the same CPU time.
func BenchmarkServerCPU(b *testing.B) {
	kinds := []string{"constant", "edge", "edge+log"}
	servers := make([]*measured, len(kinds))
	for i, kind := range kinds {
		servers[i] = startMeasured(b, kind)
		servers[i].load(b, 2000) // warm
	}
	spent, requests := make([]time.Duration, len(kinds)), 0
	for b.Loop() {
		const batch = 2000
		requests += batch
		for i, m := range servers {
			before := m.cpu(b)
			m.load(b, batch)
			spent[i] += m.cpu(b) - before
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, kind := range kinds {
		b.ReportMetric(float64(spent[i].Nanoseconds())/float64(requests), kind+"-cpu-ns/req")
		if i > 0 {
			b.ReportMetric(float64(spent[0])/float64(spent[i]), kind+"-ratio")
		}
	}
}

// load sends n requests over a few connections.
func (m *measured) load(b *testing.B, n int) {
	const conns = 8
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			c, err := net.Dial("tcp", m.addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			request, buf := []byte(browserRequest), make([]byte, 4096)
			for range n / conns {
				if _, err := c.Write(request); err != nil {
					b.Error(err)
					return
				}
				if n, err := c.Read(buf); err != nil || string(buf[:12]) != "HTTP/1.1 200" {
					b.Errorf("%q, %v", buf[:n], err)
					return
				}
			}
		})
	}
	wg.Wait()
}

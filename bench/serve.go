package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ServeConfig compares the edge with a fasthttp server that gives a constant answer of the same size: the ceiling of what
// fasthttp used the plain way can do.
type ServeConfig struct {
	Berth    string        // the binary
	Self     string        // this program; `Self constant SIZE FILE` must call Constant
	Size     int           // bytes of the file, default 1024
	Rounds   int           // A B A B …, default 5
	Duration time.Duration // of one measurement, default 3s
	Conns    int           // keep-alive connections, default 16
}

// ServeReport has CPU per request, in microseconds, and requests per second, of both sides.
type ServeReport struct {
	Size                   int
	BerthCPU, ConstantCPU  Sample
	BerthRate, ConstantRPS Sample
}

// Ratio is the constant server's CPU per request over the edge's: 1 is as cheap, 0.7 is the least that will do.
func (r ServeReport) Ratio() float64 { return r.ConstantCPU.Median() / r.BerthCPU.Median() }

func (r ServeReport) String() string {
	return fmt.Sprintf("%d bytes\n  berth     CPU/request %s µs, %s requests/s\n  constant  CPU/request %s µs, %s requests/s\n  ratio constant/berth CPU per request: %.2f\n",
		r.Size, r.BerthCPU, r.BerthRate, r.ConstantCPU, r.ConstantRPS, r.Ratio())
}

// Serve runs the comparison.
func Serve(ctx context.Context, c ServeConfig) (ServeReport, error) {
	c = c.withDefaults()
	rep := ServeReport{Size: c.Size}
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return rep, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	berth, err := c.startEdge(ctx, dir)
	if err != nil {
		return rep, err
	}
	defer berth.stop()
	constant, err := c.startConstant(ctx, dir)
	if err != nil {
		return rep, err
	}
	defer constant.stop()
	for range c.Rounds + 1 { // the first round warms both up and is thrown away
		if err := c.measure(ctx, berth, &rep.BerthCPU, &rep.BerthRate); err != nil {
			return rep, err
		}
		if err := c.measure(ctx, constant, &rep.ConstantCPU, &rep.ConstantRPS); err != nil {
			return rep, err
		}
	}
	for _, s := range []*Sample{&rep.BerthCPU, &rep.BerthRate, &rep.ConstantCPU, &rep.ConstantRPS} {
		*s = (*s)[1:]
	}
	return rep, nil
}

func (c ServeConfig) withDefaults() ServeConfig {
	if c.Size == 0 {
		c.Size = 1024
	}
	if c.Rounds == 0 {
		c.Rounds = 5
	}
	if c.Duration == 0 {
		c.Duration = 3 * time.Second
	}
	if c.Conns == 0 {
		c.Conns = 16
	}
	return c
}

// startEdge deploys a site of one file and serves it.
func (c ServeConfig) startEdge(ctx context.Context, dir string) (*process, error) {
	p, err := startBerth(ctx, c.Berth, dir)
	if err != nil {
		return nil, err
	}
	site := filepath.Join(dir, "site")
	if err := os.MkdirAll(site, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(site, "file.bin"), make([]byte, c.Size), 0o644); err != nil {
		return nil, err
	}
	_, err = p.run(ctx, "deploy", site, "--project", "bench", "--branch", "main")
	return p, err
}

func (c ServeConfig) startConstant(ctx context.Context, dir string) (*process, error) {
	ready := filepath.Join(dir, "constant.json")
	p := &process{cmd: exec.CommandContext(ctx, c.Self, "constant", strconv.Itoa(c.Size), ready)}
	p.cmd.Stderr = os.Stderr
	var addr struct{ HTTP string }
	err := p.startAndWait(ctx, ready, &addr)
	p.addr = addr.HTTP
	return p, err
}

// browserRequest is about what a browser sends for a file of a page: 12 fields, about 900 bytes.
func browserRequest(host string) []byte {
	cookie := "theme=dark; consent=" + strings.Repeat("abcdef0123456789", 18)
	return []byte("GET /file.bin HTTP/1.1\r\nHost: " + host + "\r\nConnection: keep-alive\r\n" +
		"sec-ch-ua: \"Chromium\";v=\"141\", \"Not?A_Brand\";v=\"8\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\n" +
		"Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\n" +
		"Referer: http://" + host + "/\r\nAccept-Language: en-GB,en;q=0.9\r\nCookie: " + cookie + "\r\n\r\n")
}

// measure loads one side for a while and adds its CPU per request and its rate.
func (c ServeConfig) measure(ctx context.Context, p *process, cpu, rate *Sample) error {
	before, err := p.cpu()
	if err != nil {
		return err
	}
	started := time.Now()
	n, err := c.load(ctx, p.addr)
	if err != nil {
		return fmt.Errorf("load %s: %w", p.addr, err)
	}
	elapsed := time.Since(started)
	after, err := p.cpu()
	if err != nil {
		return err
	}
	*cpu = append(*cpu, float64((after-before).Nanoseconds())/1e3/float64(n))
	*rate = append(*rate, float64(n)/elapsed.Seconds())
	return nil
}

// load sends requests over keep-alive connections until the time is up and counts the whole answers.
func (c ServeConfig) load(ctx context.Context, addr string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Duration)
	defer cancel()
	var n atomic.Int64
	var wg sync.WaitGroup
	failures := make(chan error, c.Conns)
	for range c.Conns {
		wg.Go(func() {
			if err := loadConn(ctx, addr, &n); err != nil {
				failures <- err
			}
		})
	}
	wg.Wait()
	close(failures)
	return n.Load(), <-failures
}

func loadConn(ctx context.Context, addr string, n *atomic.Int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	request := browserRequest("bench.pages.localhost")
	r := bufio.NewReaderSize(conn, 64<<10)
	for ctx.Err() == nil {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		if err := discardResponse(r); err != nil {
			return err
		}
		n.Add(1)
	}
	return nil
}

// discardResponse reads one answer to its end; it must be a 200 with a length.
func discardResponse(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(line), "HTTP/1.1 200") {
		return fmt.Errorf("answer %q", line)
	}
	length := int64(-1)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		name, value, ok := strings.Cut(textproto.TrimString(string(line)), ":")
		if !ok {
			break
		}
		if strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.ParseInt(textproto.TrimString(value), 10, 64); err != nil {
				return err
			}
		}
	}
	_, err = io.CopyN(io.Discard, r, length)
	return err
}

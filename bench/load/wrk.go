package load

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"berth/bench/machine"
)

//go:embed wrk.lua
var script []byte

// Wrk runs wrk with what it asks for.
type Wrk struct {
	dir string
	at  machine.Placement
}

// NewWrk keeps its files in dir.
func NewWrk(dir string, at machine.Placement) (*Wrk, error) {
	if _, err := exec.LookPath("wrk"); err != nil {
		return nil, fmt.Errorf("%w: .ci/need wrk installs it", err)
	}
	w := &Wrk{dir: dir, at: at}
	return w, os.WriteFile(w.file("wrk.lua"), script, 0o644)
}

func (w *Wrk) file(name string) string { return filepath.Join(w.dir, name) }

// Job is what to ask for.
type Job struct {
	Addr    string
	Path    string
	Hosts   []string // asked for in an order that looks random, each as often as the others
	Asked   int64    // requests that were sent before: this job goes on in the order behind them
	Headers Headers
	Conns   int
	For     time.Duration
	Spin    bool // Own alone: never sleep
}

// Result is what came of it. A latency is from the sending of a request to the end of its answer, with Conns requests on their
// way at any time: the more a server answers, the less each waits.
type Result struct {
	Requests       int64
	Bytes          int64
	Took           time.Duration
	P50, P99, P999 time.Duration
	Max            time.Duration
	Fault          string        // what was wrong first; wrk does not say
	Errors         int64         // answers that were no 200, and connections that broke
	Used           time.Duration // processor time of the generator
	Worked         time.Duration // that of it in which it did not look in vain for answers
}

// Rate is requests a second.
func (r Result) Rate() float64 { return float64(r.Requests) / r.Took.Seconds() }

// Run sends requests until the time is up.
func (w *Wrk) Run(ctx context.Context, j Job) (Result, error) {
	if err := os.WriteFile(w.file("request"), []byte(j.Headers.template(j.Path)), 0o644); err != nil {
		return Result{}, err
	}
	if err := os.WriteFile(w.file("hosts"), []byte(strings.Join(j.Hosts, "\n")), 0o644); err != nil {
		return Result{}, err
	}
	// wrk takes whole seconds.
	seconds := max(1, int((j.For+time.Second/2)/time.Second))
	cmd := exec.Command("wrk", "-t", "1", "-c", strconv.Itoa(j.Conns), "-d", strconv.Itoa(seconds)+"s", "--timeout", "10s", "-s", w.file("wrk.lua"), "http://"+j.Addr+j.Path)
	cmd.Env = append(os.Environ(), "BERTH_BENCH_REQUEST="+w.file("request"), "BERTH_BENCH_HOSTS="+w.file("hosts"),
		"BERTH_BENCH_STEP="+strconv.Itoa(stride(len(j.Hosts))), "BERTH_BENCH_AT="+strconv.Itoa(j.start()))
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	p, err := machine.Start(cmd, w.at)
	if err != nil {
		return Result{}, err
	}
	stop := context.AfterFunc(ctx, p.Stop)
	defer stop()
	if err := p.Wait(); err != nil {
		return Result{}, fmt.Errorf("wrk: %w\n%s%s", err, out.String(), said.String())
	}
	r, err := readResult(said.Bytes())
	if err != nil {
		return r, fmt.Errorf("wrk: %w\n%s%s", err, out.String(), said.String())
	}
	r.Used = p.Used()
	r.Worked = r.Used
	return r, ctx.Err()
}

// start is the host behind which the order goes on.
func (j Job) start() int {
	n := int64(max(1, len(j.Hosts)))
	return int(j.Asked % n * int64(stride(int(n))) % n)
}

// stride is a step through n things that reaches all of them, and does not go from one to its neighbour.
func stride(n int) int {
	const section = 0.6180339887498949
	for s := max(1, int(float64(n)*section)); ; s++ {
		if gcd(s, n) == 1 {
			return s % max(n, 1)
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func readResult(line []byte) (Result, error) {
	var v struct {
		Requests, Bytes, Micros               int64
		Connect, Read, Write, Status, Timeout int64
		P50, P99, P999, Max                   int64
	}
	if i := bytes.LastIndexByte(bytes.TrimSpace(line), '\n'); i >= 0 {
		line = line[i+1:]
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return Result{}, fmt.Errorf("read its summary: %w", err)
	}
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	r := Result{Requests: v.Requests, Bytes: v.Bytes, Took: us(v.Micros), P50: us(v.P50), P99: us(v.P99), P999: us(v.P999), Max: us(v.Max),
		Errors: v.Connect + v.Read + v.Write + v.Status + v.Timeout}
	if r.Requests == 0 {
		return r, fmt.Errorf("no request was answered; %d errors", r.Errors)
	}
	return r, nil
}

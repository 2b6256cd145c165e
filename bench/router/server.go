package router

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"berth/bench"
	"berth/bench/corpus"
	"berth/migrate/report/plot"
	"berth/router/hostkey"
)

// ServerConfig measures a whole `berth serve` over a corpus: from the start of the process until it says that it serves, with and without
// the database's pages in memory; and its resident memory while it is asked for more and more different hosts.
type ServerConfig struct {
	Berth       string   // the binary
	Args        []string // more of the command line
	Deployments []int    // default 1,000 and 1,000,000
	Dir         string   // where corpora are kept
	Rounds      int      // starts of each kind, default 5
	Requests    int      // of different hosts, default 200,000
	Seed        uint64
}

const (
	serverConns = 8
	memorySteps = 8
)

// ServerReport is the result.
type ServerReport struct {
	Sizes []*ServerSize
}

// ServerSize is that of one size.
type ServerSize struct {
	Deployments int
	Warm, Cold  bench.Sample // seconds to start, of the wall
	WarmCPU     bench.Sample // seconds of the processors
	Asked       []int        // requests of different hosts so far
	Resident    []int64      // bytes then
	Anonymous   []int64      // of those, what is no file's
	Peak        int64
	First       [2]float64 // seconds for a host nobody asked for, the median and 99 % of the last step
}

// Server runs the workload.
func Server(ctx context.Context, c ServerConfig) (_ *ServerReport, err error) {
	if len(c.Deployments) == 0 {
		c.Deployments = []int{1_000, 1_000_000}
	}
	if c.Rounds == 0 {
		c.Rounds = 5
	}
	if c.Requests == 0 {
		c.Requests = 200_000
	}
	dir, done, err := workDir(c.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	scratch, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	rep := &ServerReport{}
	for _, n := range c.Deployments {
		made, err := corpus.OpenOrBuild(ctx, corpusDir(dir, n), corpus.Config{Deployments: n, Seed: c.Seed})
		if err != nil {
			return nil, err
		}
		s := &ServerSize{Deployments: n}
		if err := c.starts(ctx, made, s, scratch); err != nil {
			return nil, fmt.Errorf("start with %d deployments: %w", n, err)
		}
		if err := c.serve(ctx, made, s, scratch); err != nil {
			return nil, fmt.Errorf("serve %d deployments: %w", n, err)
		}
		rep.Sizes = append(rep.Sizes, s)
	}
	return rep, nil
}

func (c ServerConfig) starts(ctx context.Context, made *corpus.Corpus, s *ServerSize, scratch string) error {
	for round := range c.Rounds + 1 {
		for _, cold := range []bool{false, true} {
			prepare := readPages
			if cold {
				prepare = dropPages
			}
			if err := prepare(made.Dir); err != nil {
				return err
			}
			p, err := start(ctx, c.Berth, made.Dir, scratch, c.Args...)
			if err != nil {
				return err
			}
			p.stop()
			switch {
			case round == 0: // a first start makes the administrator's token
			case cold:
				s.Cold = append(s.Cold, p.took.Seconds())
			default:
				s.Warm, s.WarmCPU = append(s.Warm, p.took.Seconds()), append(s.WarmCPU, p.spent.Seconds())
			}
		}
	}
	return nil
}

// serve asks for different hosts, of which there are many, and looks at the memory now and then.
func (c ServerConfig) serve(ctx context.Context, made *corpus.Corpus, s *ServerSize, scratch string) error {
	p, err := start(ctx, c.Berth, made.Dir, scratch, c.Args...)
	if err != nil {
		return err
	}
	defer p.stop()
	order := rand.New(rand.NewPCG(c.Seed, 41)).Perm(made.Deployments)
	total := min(c.Requests, made.Deployments)
	for step := range memorySteps + 1 {
		from, to := total*max(step-1, 0)/memorySteps, total*step/memorySteps
		took, err := request(ctx, made, p.http, order[from:to])
		if err != nil {
			return err
		}
		m, err := p.memory("VmRSS", "RssAnon", "VmHWM")
		if err != nil {
			return err
		}
		s.Asked, s.Resident, s.Anonymous, s.Peak = append(s.Asked, to), append(s.Resident, m[0]), append(s.Anonymous, m[1]), m[2]
		s.First = [2]float64{quantile(took, 0.5), quantile(took, 0.99)}
	}
	return nil
}

// request asks for each of the hosts once and returns how long that took, sorted.
func request(ctx context.Context, made *corpus.Corpus, addr string, which []int) (took []float64, err error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var faults []error
	for n := range serverConns {
		wg.Go(func() {
			var mine []int
			for i := n; i < len(which); i += serverConns {
				mine = append(mine, which[i])
			}
			times, err := requestEach(ctx, made, addr, mine)
			mu.Lock()
			defer mu.Unlock()
			took, faults = append(took, times...), append(faults, err)
		})
	}
	wg.Wait()
	return sorted(took), errors.Join(faults...)
}

func requestEach(ctx context.Context, made *corpus.Corpus, addr string, which []int) (took []float64, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, i := range which {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		began := time.Now()
		if err := get(conn, r, made.Host(i)); err != nil {
			return nil, fmt.Errorf("%s: %w", made.Host(i), err)
		}
		took = append(took, time.Since(began).Seconds())
	}
	return took, nil
}

func get(conn net.Conn, r *bufio.Reader, host hostkey.Host) error {
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+string(host)+"\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// Rows are the measurements.
func (r *ServerReport) Rows() (rows []bench.Row) {
	for _, s := range r.Sizes {
		name := fmt.Sprintf("Server/deployments=%d", s.Deployments)
		for i := range s.Warm {
			rows = append(rows, bench.Measured(name+"/start=warm", 1, bench.In(s.Warm[i]*1e9, "ns/op"), bench.In(s.WarmCPU[i]*1e9, "cpu-ns")))
			rows = append(rows, bench.Measured(name+"/start=cold", 1, bench.In(s.Cold[i]*1e9, "ns/op")))
		}
		for i, asked := range s.Asked {
			rows = append(rows, bench.Measured(fmt.Sprintf("%s/hosts=%d", name, asked), max(asked, 1), bench.In(float64(s.Resident[i]), "B-resident"), bench.In(float64(s.Anonymous[i]), "B-anonymous")))
		}
	}
	return rows
}

func (r *ServerReport) String() string {
	var b strings.Builder
	b.WriteString("A whole server (medians)\n")
	var t bench.Sheet
	t.Add("deployments", "start, warm", "processors", "start, no pages", "resident then", "after", "of hosts", "peak", "first answer of a host", "99 %")
	for _, s := range r.Sizes {
		last := len(s.Asked) - 1
		t.Add(plot.Whole(int64(s.Deployments)), plot.Seconds.Format(s.Warm.Median()), plot.Seconds.Format(s.WarmCPU.Median()), plot.Seconds.Format(s.Cold.Median()),
			plot.Bytes.Format(float64(s.Resident[0])), plot.Bytes.Format(float64(s.Resident[last])), plot.Whole(int64(s.Asked[last])), plot.Bytes.Format(float64(s.Peak)),
			plot.Seconds.Format(s.First[0]), plot.Seconds.Format(s.First[1]))
	}
	b.WriteString(t.String())
	return b.String()
}

// Goals are those of the largest size.
func (r *ServerReport) Goals() []bench.Goal {
	if len(r.Sizes) == 0 {
		return nil
	}
	s := r.Sizes[len(r.Sizes)-1]
	with := " with " + plot.Whole(int64(s.Deployments)) + " hosts"
	return []bench.Goal{
		bench.Reaching("start to ready"+with+", warm", bench.AsTime, 2e9, 0.5e9, nanoseconds(s.Warm)),
		bench.Reaching("start to ready"+with+", page cache dropped", bench.AsTime, 2e9, 0.5e9, nanoseconds(s.Cold)),
		bench.Reaching("resident memory"+with+", at its peak", bench.AsSize, 512<<20, 256<<20, bench.Sample{float64(s.Peak)}).
			Because(plot.Whole(int64(s.Asked[len(s.Asked)-1])) + " of them asked for"),
	}
}

func nanoseconds(seconds bench.Sample) (ns bench.Sample) {
	for _, s := range seconds {
		ns = append(ns, s*1e9)
	}
	return ns
}

// Figures are the memory by hosts asked for, and the start by deployments.
func (r *ServerReport) Figures() []plot.Figure {
	memory := plot.Lines{X: plot.Axis{Label: "Different hosts asked for"}, Y: plot.Axis{Label: "Resident memory", Unit: plot.Bytes}}
	starts := plot.Lines{X: plot.Axis{Label: "Deployments", Log: true}, Y: plot.Axis{Label: "From the start until it serves", Unit: plot.Seconds}}
	warm, cold := plot.Series{Name: "pages in memory", Dots: true}, plot.Series{Name: "no pages", Dots: true, Colour: 1}
	for i, s := range r.Sizes {
		line := plot.Series{Name: plot.Whole(int64(s.Deployments)) + " deployments", Dots: true, Colour: i}
		for k := range s.Asked {
			line.Points = append(line.Points, plot.Point{X: float64(s.Asked[k]), Y: float64(s.Resident[k])})
		}
		memory.Series = append(memory.Series, line)
		warm.Points = append(warm.Points, plot.Point{X: float64(s.Deployments), Y: s.Warm.Median()})
		cold.Points = append(cold.Points, plot.Point{X: float64(s.Deployments), Y: s.Cold.Median()})
	}
	starts.Series = []plot.Series{warm, cold}
	return []plot.Figure{
		{ID: "memory", Title: "Memory of a server", Note: "Each request is for a host nobody asked for before.", Chart: memory},
		{ID: "start", Title: "Start of a server", Chart: starts},
	}
}

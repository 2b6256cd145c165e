package functions

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

const (
	probeEvery  = 3 * time.Second
	probeStart  = 20 * time.Millisecond // between probes of a process that begins
	startTime   = 30 * time.Second      // that a process may take to begin
	suspectTime = 2 * time.Second       // that a process may take to answer when somebody has waited in vain
	firstPause  = 100 * time.Millisecond
	longPause   = 30 * time.Second
	steadyAfter = time.Minute // of a life, after which the next pause is short again
)

// supervise keeps a process alive until ctx ends.
func (r *Runtime) supervise(ctx context.Context) {
	pause := firstPause
	for n := uint64(1); ; n++ {
		began := time.Now()
		err := r.life(ctx, n)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > steadyAfter {
			pause = firstPause
		}
		r.stats.restarts.Add(1)
		r.log.Error("functions: their process is started anew", "err", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, longPause)
	}
}

// life is that of one process. It returns why it ended.
func (r *Runtime) life(ctx context.Context, n uint64) error {
	if err := r.learnVersion(ctx); err != nil {
		return err
	}
	p, err := startProcess(r.opts, "w"+strconv.FormatUint(n, 10)+".sock", r.log)
	if err != nil {
		return err
	}
	defer p.end()
	if err := r.begin(ctx, p); err != nil {
		return err
	}
	r.drainSuspects()
	r.set(p)
	defer r.set(nil) // before the process is killed, so that no call comes too late
	r.log.Info("functions run", "pid", p.pid, "workerd", *r.version.Load())
	return r.watch(ctx, p)
}

// begin waits until a new process answers.
func (r *Runtime) begin(ctx context.Context, p *process) error {
	late := time.Now().Add(startTime)
	tick := time.NewTicker(probeStart)
	defer tick.Stop()
	for {
		err := p.probe(ctx, time.Until(late))
		if err == nil {
			return nil
		}
		select {
		case <-p.gone:
			return p.err
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if time.Now().After(late) {
				return err
			}
		}
	}
}

// watch probes a process until there is a reason to end it.
func (r *Runtime) watch(ctx context.Context, p *process) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		patience := r.opts.Timeout
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.gone:
			return p.err
		case <-r.suspects:
			patience = min(patience, suspectTime)
		case <-tick.C:
		}
		if err := p.probe(ctx, patience); err != nil {
			return err
		}
		if taken, err := residentBytes(p.pid); err == nil && taken > r.opts.Memory {
			return fmt.Errorf("functions: workerd takes %d bytes, more than the %d that it may", taken, r.opts.Memory)
		}
	}
}

// suspect has the process probed at once.
func (r *Runtime) suspect() {
	select {
	case r.suspects <- struct{}{}:
	default:
	}
}

func (r *Runtime) drainSuspects() {
	select {
	case <-r.suspects: // was about the process before
	default:
	}
}

// learnVersion asks the program which date it was made for: later compatibility dates it refuses.
func (r *Runtime) learnVersion(ctx context.Context) error {
	if r.version.Load() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.opts.Command, "--version")
	cmd.Env, cmd.SysProcAttr, cmd.WaitDelay = []string{}, processAttributes(), outputDelay
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("functions: ask %s for its version: %w", r.opts.Command, err)
	}
	date := regexp.MustCompile(`^workerd (\d{4}-\d{2}-\d{2})\s*$`).FindSubmatch(out)
	if date == nil {
		return fmt.Errorf("functions: %s is no workerd: it says that its version is %.80q", r.opts.Command, out)
	}
	version := string(date[1])
	r.version.Store(&version)
	return nil
}

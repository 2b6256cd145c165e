package compress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"berth/assets/httpsem"
)

var (
	// ErrWorker says that a worker process did not do a job, and not that the file cannot be encoded: somebody may have
	// ended the process. A job that fails so again and again had better be given up.
	ErrWorker = errors.New("compress: encode worker failed")
	// ErrTimeout says that a worker was ended because a job took longer than Options.Timeout.
	ErrTimeout = errors.New("compress: encoding took too long")
	// ErrClosed says that the pool is closed.
	ErrClosed = errors.New("compress: pool is closed")
)

// Options of a Pool. All but Command have defaults.
type Options struct {
	// Command runs a program that calls LowerPriority and Serve with its standard input and output. See SelfCommand.
	Command []string
	// Workers is how many jobs are done at a time, each by a process of one core and up to 256 MB. By default half of the
	// cores, at least 1 and at most 4.
	Workers int
	// Idle is how long a process is kept that has nothing to do; by default 30 s.
	Idle time.Duration
	// Timeout is how long a job for size bytes may take. By default 15 minutes and one more for each MiB: on a busy
	// machine a process of the lowest priority does not get on, and that is as it should be.
	Timeout func(size int64) time.Duration
	// Log gets what workers say as they end, and what goes wrong with them beyond what Encode returns. Nil is nowhere.
	Log *slog.Logger
}

// Pool is an Encoder that works in child processes.
//
// They have the lowest priority, so that they take what processor time nobody else wants. Threads of this process could
// be given that too, but the garbage collector stops all threads of a process before it goes on, and one that does not
// get to run would stop every request meanwhile.
//
// A process is started when a job needs one. One that fails in any way is ended and never used again.
type Pool struct {
	o       Options
	slots   chan struct{} // holds one element for each job under way
	closing chan struct{}
	running sync.WaitGroup // jobs and processes

	mu     sync.Mutex // guards what follows; nothing is waited for under it
	closed bool
	idle   []*worker // the last is used next, so that those that are too many become idle for long
}

var (
	_ Encoder = (*Pool)(nil)
	_ Encoder = Local{}
)

// NewPool starts nothing yet.
func NewPool(o Options) (*Pool, error) {
	var faults []error
	if len(o.Command) == 0 || o.Command[0] == "" {
		faults = append(faults, errors.New("compress: a pool needs the command line of its workers"))
	}
	if o.Workers < 0 {
		faults = append(faults, fmt.Errorf("compress: %d workers", o.Workers))
	}
	if o.Idle < 0 {
		faults = append(faults, fmt.Errorf("compress: workers that are idle for %v", o.Idle))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if o.Workers == 0 {
		o.Workers = min(max(runtime.NumCPU()/2, 1), 4)
	}
	if o.Idle == 0 {
		o.Idle = 30 * time.Second
	}
	if o.Timeout == nil {
		o.Timeout = func(size int64) time.Duration { return 15*time.Minute + time.Duration(size>>20)*time.Minute }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Pool{o: o, slots: make(chan struct{}, o.Workers), closing: make(chan struct{})}, nil
}

// Encode waits for a free worker and has it do the job. When ctx ends, when the time for the job is over and when the
// pool is closed, the worker is ended at once; Encode returns when it and src are no longer in use.
func (p *Pool) Encode(ctx context.Context, dst io.Writer, src io.Reader, size int64, e httpsem.Encoding) error {
	if err := check(size, e); err != nil { // the worker would fail, and be lost
		return err
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-p.closing:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("compress: wait for a worker: %w", ctx.Err())
	}
	w, err := p.take()
	if err != nil {
		return err
	}
	defer p.running.Done()
	if err := p.do(ctx, w, dst, src, size, e); err != nil {
		w.kill()
		<-w.gone
		w.closePipes()
		if errors.Is(err, ErrWorker) {
			err = fmt.Errorf("%w: %s", err, w.epitaph())
		}
		return err
	}
	p.put(w)
	return nil
}

// do has a worker do a job. After an error the worker is in no state that is known.
func (p *Pool) do(ctx context.Context, w *worker, dst io.Writer, src io.Reader, size int64, e httpsem.Encoding) error {
	stop := p.watch(ctx, w, p.o.Timeout(size))
	in := &input{ctx: ctx, r: src}
	sent := make(chan error, 1)
	go func() {
		err := sendJob(w.stdin, in, size, e)
		if err != nil {
			w.kill() // it waits for the rest
		}
		sent <- err
	}()
	received := receiveAnswer(dst, w.stdout, encodedLimit(size))
	if received != nil {
		w.kill() // it may not be reading
	}
	sendErr := <-sent
	destination, atDestination := errors.AsType[destinationError](received)
	switch err := stop(); {
	case err != nil:
		return fmt.Errorf("compress: encode in %v: %w", e, err)
	case in.err != nil || errors.Is(sendErr, io.ErrUnexpectedEOF):
		return fmt.Errorf("compress: encode in %v: %w", e, sendErr)
	case atDestination:
		return fmt.Errorf("compress: write the %v: %w", e, destination.error)
	case received != nil || sendErr != nil:
		return fmt.Errorf("%w: %w", ErrWorker, errors.Join(received, sendErr))
	}
	return nil
}

// watch ends the worker when its time is over. The function that it returns ends the watch and says why it did so.
func (p *Pool) watch(ctx context.Context, w *worker, limit time.Duration) (stop func() error) {
	finished, result := make(chan struct{}), make(chan error, 1)
	go func() {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		var err error
		select {
		case <-finished:
		case <-ctx.Done():
			err = ctx.Err()
		case <-timer.C:
			err = fmt.Errorf("%w: %v", ErrTimeout, limit)
		case <-p.closing:
			err = ErrClosed
		}
		if err != nil {
			w.kill()
		}
		result <- err
	}()
	return func() error {
		close(finished)
		return <-result
	}
}

// take is an idle worker, or else a new one. The job for it is counted in running, and the caller has to end it.
func (p *Pool) take() (*worker, error) {
	w, err := p.takeIdle()
	if w != nil || err != nil {
		return w, err
	}
	if w, err = startWorker(p.o.Command, p.ended); err != nil {
		p.running.Add(-2)
		return nil, fmt.Errorf("%w: %w", ErrWorker, err)
	}
	return w, nil
}

// takeIdle is nil if there is no idle worker; then a process is counted in running besides the job.
func (p *Pool) takeIdle() (*worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	for len(p.idle) > 0 {
		w := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		switch {
		case !w.idle.Stop(): // it is being ended
		case w.hasGone():
			w.closePipes()
		default:
			p.running.Add(1)
			return w, nil
		}
	}
	p.running.Add(2)
	return nil, nil
}

// put makes a worker idle.
func (p *Pool) put(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		w.end()
		return
	}
	w.idle = time.AfterFunc(p.o.Idle, func() {
		p.forget(w)
		w.end()
	})
	p.idle = append(p.idle, w)
}

// forget takes a worker out of the idle ones, and says whether it was there.
func (p *Pool) forget(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.idle, w)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	return i >= 0
}

// ended is called when a process has.
func (p *Pool) ended(w *worker) {
	if said := w.said.String(); said != "" {
		p.o.Log.Info("encode worker ended", "said", said)
	}
	if p.forget(w) {
		w.idle.Stop()
		w.closePipes()
	}
	p.running.Done()
}

// Close ends the jobs under way and all processes, and waits for their end. Close may be called more than once.
func (p *Pool) Close() error {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	p.mu.Unlock()
	for _, w := range idle {
		if w.idle.Stop() {
			w.end()
		}
	}
	p.running.Wait()
	return nil
}

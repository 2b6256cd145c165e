package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"runtime"

	"berth/bench/machine"
)

// Own is a generator that does less for each answer than wrk does, on one thread: it looks for the length in the head, and lets the
// kernel throw the body away unread. With a core of its own it never sleeps: a server that has to wake up what asks it pays for
// that, at every answer, which it does not for clients on other machines.
type Own struct {
	Self string // the program that runs Serve when called as `Self bench stand-in generator`
	At   machine.Placement
}

// Run sends requests over Conns connections, the next on each when the one before is answered, until the time is up.
func (o Own) Run(ctx context.Context, j Job) (r Result, err error) {
	if err := o.call(ctx, order{Job: j}, &r); err != nil {
		return r, fmt.Errorf("load %s: %w", j.Addr, err)
	}
	return r, ctx.Err()
}

// Play sends requests at the rates of the phases, whether or not the server keeps up.
func (o Own) Play(ctx context.Context, j Job, phases []Phase) (p Played, err error) {
	if err := o.call(ctx, order{j, phases}, &p); err != nil {
		return p, fmt.Errorf("load %s: %w", j.Addr, err)
	}
	return p, ctx.Err()
}

// order is what the generator is told.
type order struct {
	Job    Job
	Phases []Phase // none: as fast as the answers come
}

// call runs the generator as a process of its own, so that it alone has its core.
func (o Own) call(ctx context.Context, what order, into any) error {
	in, err := json.Marshal(what)
	if err != nil {
		return err
	}
	cmd := exec.Command(o.Self, "bench", "stand-in", "generator")
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &said
	p, err := machine.Start(cmd, o.At)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, p.Stop)
	defer stop()
	if err := p.Wait(); err != nil {
		return fmt.Errorf("generator: %w\n%s", err, said.String())
	}
	return json.Unmarshal(out.Bytes(), into)
}

// Serve reads an order, does it, and writes its result: the other end of Run and Play.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	l, err := newLoop(o.Job)
	if err != nil {
		return err
	}
	defer l.close()
	runtime.LockOSThread()
	var result any
	if len(o.Phases) > 0 {
		result, err = l.play(ctx, o.Phases)
	} else {
		result, err = l.closed(ctx)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}

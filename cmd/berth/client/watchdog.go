package client

import (
	"context"
	"errors"
	"io"
	"time"
)

const (
	// stallTimeout is how long a body may wait for the network to take its next bytes. TCP alone would wait for a quarter
	// of an hour on a connection whose other end has gone without a word.
	stallTimeout = time.Minute
	// answerTimeout is how long an answer may take once the request is sent. Creating a deployment does all of its work
	// before it answers.
	answerTimeout = 5 * time.Minute
)

var (
	errStalled  = errors.New("the network took no byte for a minute")
	errNoAnswer = errors.New("no answer for 5 minutes")
)

// watchdog cancels a call that does not move.
type watchdog struct {
	cancel context.CancelCauseFunc
	stall  *time.Timer // nil: there is no body to watch
	answer *time.Timer // nil: as long as it takes
}

func newWatchdog(ctx context.Context, req Request) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{cancel: cancel}
	if !req.Slow {
		w.answer = time.AfterFunc(answerTimeout, func() { cancel(errNoAnswer) })
	}
	if req.Body != nil {
		w.stall = time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	}
	return ctx, w
}

func (w *watchdog) stop() {
	for _, t := range []*time.Timer{w.stall, w.answer} {
		if t != nil {
			t.Stop()
		}
	}
	w.cancel(nil)
}

func (w *watchdog) wrap(rc io.ReadCloser) io.ReadCloser { return &watched{rc, w} }

// watched is a body: while its bytes are taken, both timers start over; once it ends, only the answer is awaited.
type watched struct {
	io.ReadCloser
	dog *watchdog
}

func (b *watched) Read(p []byte) (int, error) {
	b.dog.stall.Reset(stallTimeout)
	if b.dog.answer != nil {
		b.dog.answer.Reset(answerTimeout)
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.dog.stall.Stop() // all was handed over, or the reader failed
	}
	return n, err
}

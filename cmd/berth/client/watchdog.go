package client

import (
	"context"
	"errors"
	"io"
	"time"
)

// stallTimeout is how long a body may wait for the network to take its next bytes. TCP alone would wait for a quarter
// of an hour on a connection whose other end has gone without a word.
const stallTimeout = time.Minute

var errStalled = errors.New("the network took no byte for a minute")

// watchdog cancels a call whose body stopped moving. Waiting for the answer is the transport's to bound.
type watchdog struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

func newWatchdog(ctx context.Context, hasBody bool) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{cancel: cancel}
	if hasBody {
		w.timer = time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	}
	return ctx, w
}

func (w *watchdog) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel(nil)
}

func (w *watchdog) wrap(rc io.ReadCloser) io.ReadCloser { return &watched{rc, w} }

type watched struct {
	io.ReadCloser
	dog *watchdog
}

func (b *watched) Read(p []byte) (int, error) {
	b.dog.timer.Reset(stallTimeout)
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.dog.timer.Stop() // all was handed over, or the reader failed
	}
	return n, err
}

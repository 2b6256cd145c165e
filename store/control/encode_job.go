package control

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"berth/store"
)

var (
	// errGone ends the work on a deployment that was deleted.
	errGone = errors.New("control: the deployment is gone")
	// errGiveWay ends it because a better one has come.
	errGiveWay = errors.New("control: another deployment goes first")
	// errDamaged ends it because its manifest cannot be read; fsck and the deployment itself tell of that.
	errDamaged = errors.New("control: the manifest is damaged")
)

// laterError ends the work on a deployment some of whose files failed.
type laterError struct{ tries int }

func (*laterError) Error() string { return "control: some files could not be encoded" }

const (
	encodeIdle    = time.Hour // without news; whatever comes wakes it
	minEncodeWait = time.Second
	maxEncodeWait = 5 * time.Minute
)

// run encodes what is wanted until ctx is done. Nothing that goes wrong in it has ever failed a deployment: those are
// live before it hears of them.
func (j *encodings) run(ctx context.Context) {
	if j.on() {
		if err := j.refill(); err != nil && ctx.Err() == nil {
			j.svc.deps.Log.Error("deployments that wait for encoding not listed: they wait for the next start", slog.Any("error", err))
		}
	}
	for ctx.Err() == nil {
		wait, ok := j.step(ctx)
		if !ok {
			j.pause(ctx, wait, j.queue.wake)
		}
	}
}

// step works on one deployment. It says false, and for how long, if there is none.
func (j *encodings) step(ctx context.Context) (wait time.Duration, ok bool) {
	q, wait, ok := j.take()
	if ok {
		j.settle(ctx, q, j.encode(ctx, q))
		return 0, true
	}
	if wait == 0 {
		wait = encodeIdle
	}
	if j.queue.takeSpilled() {
		if err := j.refill(); err == nil {
			return 0, true
		}
		return minEncodeWait, false
	}
	return wait, false
}

// settle decides what becomes of a deployment that was worked on, and waits when nothing can be done for any.
func (j *encodings) settle(ctx context.Context, q queued, err error) {
	later := (*laterError)(nil)
	switch {
	case ctx.Err() != nil:
		return // the store knows
	case errors.Is(err, errGone), errors.Is(err, errDamaged):
	case errors.Is(err, errGiveWay):
		q.due = time.Time{}
		j.queue.push(q)
	case errors.As(err, &later):
		q.due = j.svc.now().Add(encodeRetry(later.tries))
		j.queue.push(q)
	case err != nil:
		j.fail(ctx, q, err)
		return
	default:
		j.stats.deployments.Add(1)
	}
	if j.failing > 0 {
		j.failing = 0
		j.svc.deps.Log.Info("encoding goes on")
	}
}

// fail waits after a failure that the next deployment would meet too: a full disk, a disk error, an encoder that makes
// nothing. It is told once, however long it lasts.
func (j *encodings) fail(ctx context.Context, q queued, err error) {
	if j.failing == 0 {
		j.stats.pauses.Add(1)
		what := "encoding of deployed files pauses"
		if errors.Is(err, store.ErrDiskFull) {
			what = "encoding of deployed files pauses: the disk is full"
		}
		j.svc.deps.Log.Warn(what, slog.Uint64("deployment", uint64(q.no)), slog.Any("error", err))
	}
	j.failing = min(max(2*j.failing, minEncodeWait), maxEncodeWait)
	j.queue.push(q)
	j.pause(ctx, j.failing, nil)
}

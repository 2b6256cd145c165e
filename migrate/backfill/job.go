package backfill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"berth/migrate"
	"berth/migrate/pace"
	"berth/store"
)

// Job copies the tables. Run does the work; the other methods may be called at any time, also while nothing runs.
type Job struct {
	migrate.Operator
	deps    Deps
	opts    Options
	limiter *pace.Limiter
	yielder *pace.Yielder
	commits pace.Average
	changed int           // Updates in a row that found their chunk changed; of Run's goroutine
	wake    chan struct{} // some document of the migration changed, or the caller wants something

	mu   sync.Mutex // guards live
	live live
}

// live is what Status tells beside the documents.
type live struct {
	running bool
	state   Activity
	why     string
	meter   meter
}

// New checks everything and touches nothing.
func New(deps Deps, opts Options) (*Job, error) {
	d, err := deps.withDefaults()
	o, oerr := opts.withDefaults()
	if err := errors.Join(err, oerr); err != nil {
		return nil, err
	}
	j := &Job{deps: d, opts: o, limiter: pace.NewLimiter(d.Clock, o.Rate), wake: make(chan struct{}, 1)}
	j.Operator = migrate.NewOperator(d.Store, d.Clock.Now, checkpointDocument, "backfill", j.nudge)
	j.yielder = pace.NewYielder(
		pace.Signal{Name: "a commit of the store", Most: o.MaxCommit, Value: j.commits.Value},
		pace.Signal{Name: "the edge's p99", Most: o.MaxP99, Value: d.P99},
	)
	return j, nil
}

// Run works until ctx ends: whenever the phase allows it, it goes on from the checkpoint, and then retries what failed. It
// returns nil when ctx has ended, and an error only if the store takes no more writes before a restart.
func (j *Job) Run(ctx context.Context) error {
	j.setRunning(true)
	defer j.setRunning(false)
	defer j.deps.Store.OnCommit(func(c store.Commit) {
		if c.Migration {
			j.nudge()
		}
	})()
	var trouble time.Duration
	for {
		wait, err := j.turn(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errMoved) || errors.Is(err, errChanged):
			continue
		case errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrBroken):
			return fmt.Errorf("backfill: %w", err)
		case err != nil:
			trouble = min(max(2*trouble, time.Second), 30*time.Second)
			wait = trouble
			j.troubled(err)
		default:
			trouble = 0
		}
		if err := j.sleep(ctx, wait, err == nil); err != nil {
			return nil
		}
	}
}

// troubled says why the job waits. A full disk is no fault of the job's: it goes on when there is room.
func (j *Job) troubled(err error) {
	state := Failing
	if errors.Is(err, store.ErrDiskFull) {
		state = NoRoom
	}
	if j.setState(state, err.Error()) {
		j.deps.Log.Warn("the backfill waits", slog.Any("error", err))
	}
}

func (j *Job) nudge() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// sleep waits; a change of some document ends it, unless the job waits because of an error.
func (j *Job) sleep(ctx context.Context, d time.Duration, heed bool) error {
	if !heed {
		return pace.Sleep(ctx, j.deps.Clock, d, nil)
	}
	return pace.Sleep(ctx, j.deps.Clock, d, j.wake)
}

// idle is how long the job waits when only a commit can give it work.
const idle = time.Hour

// turn does what is to be done now, and says how long there is nothing else to do.
func (j *Job) turn(ctx context.Context) (time.Duration, error) {
	s, err := j.situation()
	switch {
	case err != nil:
		return 0, err
	case !works(s.state.Phase):
		j.setState(Waiting, fmt.Sprintf("phase %s", s.state.Phase))
		return idle, nil
	case s.control.Paused:
		j.setState(Paused, fmt.Sprintf("by %s: %s", s.control.Who, s.control.Why))
		return idle, nil
	case !s.begun():
		return 0, j.begin(ctx, s.state.Epoch)
	case s.point.Finished.IsZero():
		return 0, j.pass(ctx, s)
	}
	return j.retryDue(ctx, s)
}

// situation reads the documents, and follows the rate and the bounds that they say.
func (j *Job) situation() (situation, error) {
	snap := j.deps.Store.Snapshot()
	defer snap.Close()
	s, err := readSituation(&snap.Reader)
	if err != nil {
		return s, err
	}
	if rate := s.control.RateOr(j.opts.Rate); rate != j.limiter.Rate() {
		j.limiter.SetRate(rate)
	}
	j.yielder.SetMost(s.control.YieldOr(j.opts.MaxCommit, j.opts.MaxP99))
	return s, nil
}

// goesOn returns errMoved unless s still allows what was begun in an epoch.
func (s *situation) goesOn(epoch store.Epoch) error {
	if s.state.Epoch != epoch || s.control.Paused || !works(s.state.Phase) {
		return errMoved
	}
	return nil
}

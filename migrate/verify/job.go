package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"berth/migrate"
	"berth/migrate/pace"
	"berth/migrate/tables"
	"berth/store"
)

// ErrPhase says that there are not both sides to compare.
var ErrPhase = errors.New("verify: not in this phase")

// errMoved says that an operator, or the migration, has stopped what was going on.
var errMoved = errors.New("verify: the migration has moved on")

// Deps are what a Job works on.
type Deps struct {
	Store  *store.Store
	Tables *tables.Reader
	Clock  pace.Clock           // nil: the machine's
	P99    func() time.Duration // of the edge, now; nil: not known
	Log    *slog.Logger         // nil: discarded
}

// Options of a Job. The zero value of each field means its default.
type Options struct {
	Rate        float64       // entries a second, until an operator says otherwise; 0: as fast as the server bears
	MaxP99      time.Duration // above what the job gives way, until an operator says otherwise; default 100 ms; negative: never
	MaxExamples int           // of each class in a report; default 20
	MaxSites    int           // listed by name; default 10,000
	MaxKeys     int           // of records that are held at once to find extra ones; default 1,000,000; one project may have more
}

// Job verifies when it is told to. Run does the work; the other methods may be called at any time.
type Job struct {
	migrate.Operator
	deps    Deps
	opts    Options
	limiter *pace.Limiter
	yielder *pace.Yielder
	wake    chan struct{}

	mu  sync.Mutex // guards why
	why string     // what the job waits for
}

// New checks everything and touches nothing.
func New(deps Deps, o Options) (*Job, error) {
	var faults []error
	if deps.Store == nil || deps.Tables == nil {
		faults = append(faults, errors.New("verify: a store and a reader of tables are required"))
	}
	if o.Rate < 0 {
		faults = append(faults, fmt.Errorf("verify: Rate is %v; want entries a second, or 0 for no limit", o.Rate))
	}
	for name, n := range map[string]struct {
		at  *int
		def int
	}{"MaxExamples": {&o.MaxExamples, 20}, "MaxSites": {&o.MaxSites, 10_000}, "MaxKeys": {&o.MaxKeys, 1_000_000}} {
		if *n.at < 0 {
			faults = append(faults, fmt.Errorf("verify: %s is %d; want 1 or more, or 0 for %d", name, *n.at, n.def))
		}
		if *n.at == 0 {
			*n.at = n.def
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if o.MaxP99 == 0 {
		o.MaxP99 = 100 * time.Millisecond
	}
	if deps.Clock == nil {
		deps.Clock = pace.System{}
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	j := &Job{deps: deps, opts: o, limiter: pace.NewLimiter(deps.Clock, o.Rate), wake: make(chan struct{}, 1),
		yielder: pace.NewYielder(pace.Signal{Name: "the edge's p99", Most: o.MaxP99, Value: deps.P99})}
	j.Operator = migrate.NewOperator(deps.Store, deps.Clock.Now, reportDocument, "verification", j.nudge)
	return j, nil
}

// situation is all that decides whether a verification goes on.
type situation struct {
	state   migrate.State
	control migrate.Control
	report  Report
}

func readSituation(r *store.Reader) (s situation, err error) {
	if s.state, err = migrate.Load(r); err != nil {
		return s, err
	}
	if s.control, err = migrate.LoadControl(r, reportDocument); err != nil {
		return s, err
	}
	s.report, _, err = Load(r)
	return s, err
}

func bothSides(p migrate.Phase) bool { return p.WritesTables() && p.WritesRecords() }

// goesOn returns errMoved unless the run may go on.
func (s *situation) goesOn(run store.Revision) error {
	if s.report.Run != run || !s.report.Finished.IsZero() || s.control.Paused || !bothSides(s.state.Phase) || s.state.Epoch != s.report.Epoch {
		return errMoved
	}
	return nil
}

// Start begins a verification; one that is under way is given up.
func (j *Job) Start(ctx context.Context, who, why string) error {
	err := j.Change(ctx, who, "verification begun", why, func(tx *store.Tx) error {
		s, err := migrate.Load(&tx.Reader)
		if err != nil {
			return err
		}
		if !bothSides(s.Phase) {
			return fmt.Errorf("%w: in phase %s only one side is written; go to %s first", ErrPhase, s.Phase, migrate.Verify)
		}
		if err := errors.Join(tx.DeleteDocuments(sumPrefix), tx.DeleteDocuments(sitePrefix)); err != nil {
			return err
		}
		return migrate.Put(tx, reportDocument, Report{Version: documentVersion, Epoch: s.Epoch, Run: tx.Revision(), Who: who,
			Started: j.deps.Clock.Now().UTC(), Next: 1, Hosts: map[Class]int64{}, Faults: map[tables.Class]int{}})
	})
	return err
}

// Void takes the result away from a comparison, or ends one that is under way, in the Update that changes what the tables say without changing the
// records with them.
func Void(tx *store.Tx, now time.Time, why string) error {
	r, there, err := Load(&tx.Reader)
	if err != nil || !there || r.Aborted != "" {
		return err
	}
	if r.Finished.IsZero() {
		r.Finished = now.UTC()
	}
	r.Aborted = why
	return errors.Join(tx.DeleteDocuments(sumPrefix), migrate.Put(tx, reportDocument, r))
}

// Status is the report so far, and what the job waits for, "" if for nothing.
func (j *Job) Status() (report Report, there bool, waits string, err error) {
	report, there, err = Load(&j.deps.Store.Reader)
	j.mu.Lock()
	defer j.mu.Unlock()
	return report, there, j.why, err
}

// Pace is how much the job may burden the server: entries a second (0: no limit), and the edge's p99 above which it gives way (0: never).
func (j *Job) Pace() (rate float64, yieldP99 time.Duration, err error) {
	s, err := j.situation()
	_, yieldP99 = s.control.YieldOr(0, j.opts.MaxP99)
	return s.control.RateOr(j.opts.Rate), yieldP99, err
}

func (j *Job) waits(why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.why = why
}

func (j *Job) nudge() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"berth/migrate"
	"berth/migrate/pace"
	"berth/store"
)

const (
	idle     = time.Hour
	batch    = 20_000 // entries that are compared between two commits of the report, about
	mostWait = 30 * time.Second
)

// Run works until ctx ends: it goes on with a verification that is not over. It returns nil when ctx has ended, and an error
// only if the store takes no more writes before a restart.
func (j *Job) Run(ctx context.Context) error {
	defer j.deps.Store.OnCommit(func(c store.Commit) {
		if c.Migration {
			j.nudge()
		}
	})()
	var trouble time.Duration
	for {
		wait, err := j.turn(ctx)
		wake := j.wake
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errMoved):
			continue
		case errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrBroken):
			return fmt.Errorf("verify: %w", err)
		case err != nil:
			trouble = min(max(2*trouble, time.Second), mostWait)
			wait, wake = trouble, nil
			j.waits(err.Error())
			j.deps.Log.Warn("the verification waits", slog.Any("error", err))
		default:
			trouble = 0
		}
		if err := pace.Sleep(ctx, j.deps.Clock, wait, wake); err != nil {
			return nil
		}
	}
}

// turn does what is to be done now.
func (j *Job) turn(ctx context.Context) (time.Duration, error) {
	s, err := j.situation()
	switch {
	case err != nil:
		return 0, err
	case s.report.Version == 0 || !s.report.Finished.IsZero():
		j.waits("")
		return idle, nil
	case s.state.Epoch != s.report.Epoch || !bothSides(s.state.Phase):
		return 0, j.abort(ctx, s.report.Run)
	case s.control.Paused:
		j.waits(fmt.Sprintf("paused by %s: %s", s.control.Who, s.control.Why))
		return idle, nil
	case !s.report.Compared:
		return 0, j.tables(ctx, s)
	}
	return 0, j.records(ctx, s)
}

// situation reads the documents, and follows the rate and the bound that they say.
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
	_, p99 := s.control.YieldOr(0, j.opts.MaxP99)
	j.yielder.SetMost(p99)
	return s, nil
}

// abort ends a run whose records no longer count.
func (j *Job) abort(ctx context.Context, run store.Revision) error {
	_, err := j.deps.Store.Update(ctx, func(tx *store.Tx) error {
		s, err := readSituation(&tx.Reader)
		if err != nil || s.report.Run != run || !s.report.Finished.IsZero() {
			return err
		}
		s.report.Finished = j.deps.Clock.Now().UTC()
		s.report.Aborted = fmt.Sprintf("the migration is in phase %s and epoch %d; the verification began in epoch %d", s.state.Phase, s.state.Epoch, s.report.Epoch)
		if err := tx.DeleteDocuments(sumPrefix); err != nil {
			return err
		}
		return migrate.Put(tx, reportDocument, s.report)
	})
	return err
}

// tables compares some projects and commits what it found.
func (j *Job) tables(ctx context.Context, s situation) error {
	f := newFinding()
	f.runOf = s.report.Run
	f.next = s.report.Next
	last := false
	for f.entries < batch {
		p, err := projectWithTable(&j.deps.Store.Reader, f.next)
		if err != nil {
			return err
		}
		if last = p == 0; last {
			break
		}
		if err := j.compare(ctx, p, s.report.Epoch, f); err != nil {
			return err
		}
		f.next = p + 1
	}
	return j.commit(ctx, f, func(r *Report) { r.Next, r.Compared = f.next, last })
}

// projectWithTable returns the first one from p on, 0 if there is none.
func projectWithTable(r *store.Reader, p store.ProjectNo) (store.ProjectNo, error) {
	if p == 0 {
		return 0, nil
	}
	for t, err := range r.AllTableChunks(p, 0) {
		return t.Project, err
	}
	return 0, nil
}

// records looks for extra ones, and ends the run.
func (j *Job) records(ctx context.Context, s situation) error {
	f := newFinding()
	f.runOf = s.report.Run
	n, err := j.extras(ctx, s, f)
	if err != nil {
		return err
	}
	err = j.commit(ctx, f, func(r *Report) { r.Records, r.Finished = n, j.deps.Clock.Now().UTC() })
	if err == nil {
		j.deps.Log.Info("the verification is over")
	}
	return err
}

// commit adds what was found to the report.
func (j *Job) commit(ctx context.Context, f *finding, change func(*Report)) error {
	_, err := j.deps.Store.Update(ctx, func(tx *store.Tx) error {
		s, err := readSituation(&tx.Reader)
		if err != nil {
			return err
		}
		if err := s.goesOn(f.runOf); err != nil {
			return err
		}
		f.addTo(&s.report, j.opts.MaxExamples)
		change(&s.report)
		for i := range f.sites {
			if err := j.list(tx, &s.report, &f.sites[i]); err != nil {
				return err
			}
		}
		if s.report.Done() {
			err = tx.DeleteDocuments(sumPrefix)
		} else {
			err = f.putSums(tx)
		}
		if err != nil {
			return err
		}
		return migrate.Put(tx, reportDocument, s.report)
	})
	return err
}

// list stores a site under its name, as far as there is room. It may be there already, if it has extra records, too.
func (j *Job) list(tx *store.Tx, r *Report, s *Site) error {
	was, there, err := migrate.Get[Site](&tx.Reader, siteName(s.Project))
	switch {
	case err != nil:
		return err
	case there:
		for c, n := range was.Hosts {
			s.Hosts[c] += n
		}
		s.Examples = append(was.Examples, s.Examples...)
		return migrate.Put(tx, siteName(s.Project), s)
	}
	r.Sites++
	if r.Listed >= j.opts.MaxSites {
		return nil
	}
	r.Listed++
	return migrate.Put(tx, siteName(s.Project), s)
}

func (f *finding) addTo(r *Report, most int) {
	r.Projects += f.projects
	r.Entries += f.entries
	for c, n := range f.faults {
		r.Faults[c] += n
	}
	kept := map[Class]int{}
	for _, d := range r.Examples {
		kept[d.Class]++
	}
	for _, d := range f.examples {
		if kept[d.Class]++; kept[d.Class] <= most {
			r.Examples = append(r.Examples, d)
		}
	}
	for c, n := range f.hosts {
		r.Hosts[c] += n
	}
}

func (f *finding) putSums(tx *store.Tx) error {
	for p, s := range f.sums {
		was, _, err := migrate.Get[sum](&tx.Reader, sumName(p))
		if err != nil {
			return err
		}
		was.Version = documentVersion
		was.merge(s)
		if err := migrate.Put(tx, sumName(p), was); err != nil {
			return err
		}
	}
	return nil
}

// pay waits until so many entries more may be read.
func (j *Job) pay(ctx context.Context, lines int) error {
	j.limiter.Spend(lines)
	wait := j.limiter.Wait()
	why := ""
	if pause := j.yielder.Next(); pause > wait {
		wait, why = pause, j.yielder.Why()
	}
	if wait == 0 {
		return ctx.Err()
	}
	j.waits(why)
	if err := pace.Sleep(ctx, j.deps.Clock, wait, j.wake); err != nil {
		return err
	}
	s, err := j.situation() // it may be paused, or faster
	if err == nil && s.control.Paused {
		return errMoved
	}
	return err
}

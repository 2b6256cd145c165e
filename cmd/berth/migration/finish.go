package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"berth/migrate"
	"berth/migrate/ramp"
	"berth/store"
	"berth/store/control"
)

const (
	finishDocument = "finish"
	// defaultGrace is for how long cutover must have gone well.
	defaultGrace = 24 * time.Hour
)

// Finish asks for the end of the migration.
type Finish struct {
	Why   string  `json:"why"`
	Grace *string `json:"grace,omitempty"` // how long the server must have been in cutover, as time.ParseDuration reads it; default 24h
	Force bool    `json:"force,omitempty"` // although a check of the plan says no
}

// Finished is how far it is.
type Finished struct {
	Version int       `json:"v"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"` // zero: tables are still being deleted

	Tables  Tables          `json:"tables"`  // what there was
	Deleted int             `json:"deleted"` // tables, so far
	Old     int             `json:"old"`     // route records of earlier epochs, likewise
	Before  store.DiskUsage `json:"before"`  // with the tables, compacted
	After   store.DiskUsage `json:"after"`   // without them, compacted
	Hashed  Cache           `json:"hashed_cache"`
	Legacy  Cache           `json:"legacy_cache"` // of the time since the last start of the server
}

// checkFinish wants nobody to need the tables any more.
func (s *Service) checkFinish(r *store.Reader, p *Plan) error {
	d, err := ramp.LoadRollout(r)
	if err != nil {
		return err
	}
	kept := d.Config.Kept()
	p.check("sites on the tables", len(kept) == 0, "%d sites are kept on the tables by name: %s. `berth migrate rollout set --opt-in SITE`, or --unpin SITE, ends that", len(kept), some(kept))
	if len(kept) == 0 {
		p.Checks[len(p.Checks)-1].Detail = "no site is kept on the tables"
	}
	sites, err := failing(r)
	if err != nil {
		return err
	}
	if len(sites) > 0 {
		p.check("failures", false, "entries of %d sites have no record, and would answer no more: %s. `berth migrate failures list` shows them; `berth migrate failures skip` gives them up, `berth migrate rollout set --opt-in SITE` all of a site", len(sites), some(sites))
	}
	if e := s.engine.Load(); e != nil {
		if n := e.rollout.Stats().Fallback.Answered; n > 0 {
			p.check("fallback", false, "since the server's start the tables answered %d requests that the records did not", n)
		}
	}
	return nil
}

func (s *Service) postFinish(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	var f Finish
	if err := readJSON(r, &f); err != nil {
		return nil, err
	}
	if err := checkWhy(f.Why); err != nil {
		return nil, err
	}
	grace := defaultGrace
	if f.Grace != nil {
		var err error
		if grace, err = time.ParseDuration(*f.Grace); err != nil || grace < 0 {
			return nil, bad("grace=%.40q: want a time such as 24h", *f.Grace)
		}
	}
	if err := s.finish(ctx, f, grace, who(p)); err != nil {
		return nil, err
	}
	return s.finished(&s.deps.Store.Reader)
}

// finish enters the last phase. What was asked for twice goes on.
func (s *Service) finish(ctx context.Context, f Finish, grace time.Duration, who string) error {
	state := s.machine.State()
	began, err := s.finished(&s.deps.Store.Reader)
	switch {
	case err != nil:
		return err
	case state.Phase == migrate.Retired && began != nil:
		return nil
	case state.Phase != migrate.Cutover:
		return conflict("the migration is in phase %s; it can be finished in phase %s only", state.Phase, migrate.Cutover)
	}
	held := s.deps.Now().Sub(state.Since)
	switch left := grace - held; {
	case held < 0 && grace > 0:
		return conflict("by the server's clock cutover has not begun: it says %s now, and said %s then. Set it right if it is wrong now; if it was wrong then, --grace 0s finishes at once, and whether cutover has gone well for long enough is for you to say; there is no way back",
			s.deps.Now().Format(time.RFC3339), state.Since.Format(time.RFC3339))
	case held >= 0 && left > 0: // also if it is forced: what --force is for are checks
		return conflict("the server is in phase cutover since %s; with a grace of %v it can be finished in %v. A shorter --grace does it sooner, --force does not; there is no way back",
			state.Since.Format(time.RFC3339), grace, left.Round(time.Second))
	}
	m := Move{From: migrate.Cutover, To: migrate.Retired, Why: f.Why, Force: f.Force}
	if grace < defaultGrace {
		m.Why += fmt.Sprintf(" (after %v in cutover, with a grace of %v instead of %v)", held.Round(time.Second), grace, defaultGrace)
	}
	forced, err := s.checkMove(&m)
	if err != nil {
		return err
	}
	start, err := s.startFinish()
	if err != nil {
		return err
	}
	if _, err = s.machine.MoveWith(ctx, m.From, m.To, who, m.Why, func(tx *store.Tx) error {
		if err := s.checkAgain(tx, &m, forced); err != nil {
			return err
		}
		return start.put(tx)
	}); err != nil {
		return err
	}
	s.nudge()
	return nil
}

// startFinish is what there is before the phase changes. It is kept in the batch that does that, but counted before: reading every table may take
// seconds, for which no other writer is to wait. What was deployed in between is missing in a figure that only people read.
func (s *Service) startFinish() (*Finished, error) {
	tables, err := countTables(&s.deps.Store.Reader)
	if err != nil {
		return nil, err
	}
	f := &Finished{Version: 1, Started: s.deps.Now().UTC(), Tables: tables, Hashed: cacheOf(s.deps.Hashed.Stats())}
	if e := s.engine.Load(); e != nil {
		f.Legacy = cacheOf(e.legacy.Stats().Tables)
	}
	return f, nil
}

func (s *Service) finished(r *store.Reader) (*Finished, error) {
	raw, err := r.Document(finishDocument)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	var f Finished
	if err == nil {
		err = json.Unmarshal(raw, &f)
	}
	if err == nil && f.Version != 1 {
		err = fmt.Errorf("version %d; this berth reads 1", f.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("read how far the end of the migration is: %w", err)
	}
	return &f, nil
}

func (s *Service) putFinished(ctx context.Context, f *Finished) error {
	_, err := s.deps.Store.UpdateFreeing(ctx, f.put)
	return err
}

func (f *Finished) put(tx *store.Tx) error { return migrate.Put(tx, finishDocument, f) }

// nudge has runFinish look whether there is something to delete.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

const finishRetry = 30 * time.Second

// runFinish deletes the tables once the migration is over, until ctx is done. It goes on where an earlier start stopped.
func (s *Service) runFinish(ctx context.Context) {
	for {
		var again <-chan time.Time
		if err := s.clear(ctx); err != nil && ctx.Err() == nil {
			s.deps.Log.Error("the tables are not deleted; trying again", slog.Any("error", err))
			again = time.After(finishRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-again:
		}
	}
}

package migration

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"berth/migrate"
	"berth/migrate/ramp"
	"berth/migrate/shadow"
	"berth/router"
	"berth/router/hashed"
	"berth/router/legacy"
	"berth/router/rollout"
)

// engine is what answers while the tables of the old design are in use.
type engine struct {
	hashed  *hashed.Resolver
	legacy  *legacy.Resolver
	rollout *rollout.Switch
	shadow  *shadow.Shadow
	follow  *ramp.Follower
	guard   *ramp.Guard
	slowest slowest
}

func (s *Service) newEngine() (e *engine, err error) {
	e = &engine{hashed: s.deps.Hashed}
	e.legacy, err = legacy.New(legacy.Deps{Store: s.deps.Store, Log: s.deps.Log},
		legacy.Options{Domain: string(s.opts.Domain), Parse: s.opts.LegacyParse, CacheBytes: s.opts.LegacyCache})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	e.rollout, err = rollout.New(rollout.Deps{
		Hashed: e.hashed, Legacy: e.legacy, Hasher: s.deps.Hasher,
		Missing: func(ctx context.Context, m rollout.Missing) { e.shadow.Found(ctx, m) },
	}, rollout.Options{
		Domain: s.opts.Domain, Datacentre: s.opts.Datacentre,
		Config: rollout.Config{Mode: rollout.ModeHashed, Default: rollout.Legacy},
	})
	if err != nil {
		return nil, err
	}
	diffs, err := shadow.NewDocuments(s.deps.Store, 0)
	if err != nil {
		return nil, err
	}
	e.shadow, err = shadow.New(shadow.Deps{
		Live: e.rollout, Hashed: e.hashed, Legacy: e.legacy, Diffs: diffs, Line: e.line, Now: s.deps.Now, Log: s.deps.Log,
	}, shadow.Options{})
	if err != nil {
		return nil, err
	}
	e.follow, err = ramp.Follow(ramp.FollowDeps{
		Store: s.deps.Store, Switch: e.rollout, Shadow: e.shadow, Sampling: 100 * s.opts.Shadow, Log: s.deps.Log,
	})
	if err != nil {
		return nil, err
	}
	e.guard, err = ramp.NewGuard(ramp.Deps{
		Keep: ramp.NewDocuments(s.deps.Store, s.deps.Now), Health: ramp.HealthOf(e.rollout, e.shadow),
		Picked: ramp.SitesOnHashed(s.deps.Store, e.rollout), Now: s.deps.Now, Log: s.deps.Log,
	})
	return e, err
}

// line is the entry of a table that answers a question, for people.
func (e *engine) line(ctx context.Context, q *router.Query) (string, error) {
	t, err := e.legacy.Explain(ctx, q)
	if err != nil || t.Line.Pattern == "" {
		return "", err
	}
	return fmt.Sprintf("stored piece %d, entry %d of it: %s -> %s", t.Line.Piece, t.Line.Index, t.Line.Pattern, t.Line.ScriptHash), nil
}

// run does the background work until ctx is done.
func (e *engine) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { e.rollout.Run(ctx) })
	wg.Go(func() { e.shadow.Run(ctx) })
	wg.Go(func() { e.guard.Run(ctx) })
	wg.Wait()
}

func (e *engine) close() {
	if e.follow != nil {
		e.follow.Close()
	}
	e.legacy.Close()
}

// resolver is what the edge asks in a phase.
func (e *engine) resolver(phase migrate.Phase, complete bool) router.Resolver {
	switch {
	case phase == migrate.Retired:
		return e.hashed
	case phase == migrate.Legacy && !complete:
		return unfilled{e.rollout, e.hashed}
	}
	return e.shadow
}

// unfilled answers while an import is under way: hosts that only Berth knew have no entries yet, but records of before it began. Those
// that change meanwhile get entries.
type unfilled struct{ tables, records router.Resolver }

func (u unfilled) Resolve(ctx context.Context, q *router.Query) (router.Decision, error) {
	d, err := u.tables.Resolve(ctx, q)
	if errors.Is(err, router.ErrNoRoute) {
		return u.records.Resolve(ctx, q)
	}
	return d, err
}

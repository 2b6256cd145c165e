package migration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"berth/migrate"
	"berth/migrate/backfill"
	"berth/migrate/dualwrite"
	"berth/migrate/load"
	"berth/migrate/tables"
	"berth/migrate/verify"
	"berth/router"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

// Deps are the parts of the server that a migration works on.
type Deps struct {
	Store  *store.Store
	Hasher *hostkey.Hasher
	Hashed *hashed.Resolver
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
}

// Options are what the server's operator says at its start.
type Options struct {
	Domain      hostkey.Host
	Datacentre  string
	LegacyCache int64        // bytes of tables that are kept in memory; 0: the default of router/legacy
	LegacyParse legacy.Parse // when tables are parsed
	Shadow      float64      // share of the requests that the other side is asked too, 0 to 1
	Prepared    func()       // is told once, when tables may be kept in memory from then on; nil: nobody wants to know
}

// Service is the migration of one server. It is safe for concurrent use.
type Service struct {
	deps     Deps
	opts     Options
	machine  *migrate.Machine
	front    *front
	writer   *dualwrite.Writer
	tables   *tables.Reader
	backfill *backfill.Job
	verify   *verify.Job
	history  *historian
	hosts    load.Hosts // of the control plane; set by Mount
	unhook   func()

	// building is held while an engine is made, so that there is only one.
	building sync.Mutex
	engine   atomic.Pointer[engine] // nil: the server has not needed one since its start
	built    chan *engine           // tells Run of it, once
	wake     chan struct{}          // tells runFinish to look

	// following is held while a phase is read and put in force, so that what was read first is not put in force last.
	following sync.Mutex
}

// New wires a migration over an open store. Nothing of it runs yet, but changes of phase are followed.
func New(deps Deps, o Options) (*Service, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s := &Service{deps: deps, opts: o, front: newFront(deps.Hashed), built: make(chan *engine, 1), wake: make(chan struct{}, 1)}
	s.history = newHistorian(s)
	var err error
	if s.writer, err = dualwrite.New(control.RecordWriter(deps.Hasher), deps.Hasher, string(o.Domain)); err != nil {
		return nil, err
	}
	if s.tables, err = tables.New(tables.Config{Domain: string(o.Domain), Hasher: deps.Hasher}); err != nil {
		return nil, err
	}
	if s.backfill, err = backfill.New(backfill.Deps{Store: deps.Store, Tables: s.tables, P99: s.p99, Log: deps.Log}, backfill.Options{}); err != nil {
		return nil, err
	}
	if s.verify, err = verify.New(verify.Deps{Store: deps.Store, Tables: s.tables, P99: s.p99, Log: deps.Log}, verify.Options{}); err != nil {
		return nil, err
	}
	if s.machine, err = migrate.New(deps.Store, deps.Now, deps.Log); err != nil {
		return nil, err
	}
	s.unhook = deps.Store.OnCommit(s.committed) // behind the machine's own, so that its state is the commit's
	if s.machine.State().Phase != migrate.Retired {
		if err := s.prepare(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Resolver is what the edge asks, for as long as the server runs.
func (s *Service) Resolver() router.Resolver { return s.front }

// Routes is what the control plane writes route changes with.
func (s *Service) Routes() control.RouteWriter { return s.writer }

// RoutesSet says how far fsck can rely on the route records.
func (s *Service) RoutesSet(r *store.Reader) control.RouteState {
	state, err := migrate.Load(r)
	switch {
	case err != nil:
		return control.RoutesPartial
	case state.Phase == migrate.Retired:
		return control.RoutesWhole
	case !state.Phase.WritesRecords():
		return control.RoutesStale
	}
	if finished, failures, err := backfill.Finished(r); err == nil && finished && failures == 0 {
		return control.RoutesWhole
	}
	return control.RoutesPartial
}

// prepare makes the engine, if there is none, and puts in force what the phase says.
func (s *Service) prepare() error {
	s.building.Lock()
	defer s.building.Unlock()
	if s.engine.Load() != nil {
		return nil
	}
	e, err := s.newEngine()
	if err != nil {
		return fmt.Errorf("prepare the migration: %w", err)
	}
	s.engine.Store(e)
	if s.opts.Prepared != nil {
		s.opts.Prepared()
	}
	s.follow(e)
	s.built <- e
	return nil
}

// committed is the commit hook: the commit can be read, and its writer does not know of it yet.
func (s *Service) committed(c store.Commit) {
	if e := s.engine.Load(); e != nil && c.Migration {
		s.follow(e)
	}
}

// follow has the edge ask what the phase wants. What the rollout says is followed by the engine itself.
func (s *Service) follow(e *engine) {
	s.following.Lock()
	defer s.following.Unlock()
	complete, err := load.Complete(&s.deps.Store.Reader)
	if err != nil {
		s.deps.Log.Error("whether the import is complete cannot be read; what was before stays", slog.Any("error", err))
		return
	}
	s.front.set(e.resolver(s.machine.State().Phase, complete))
}

// Run does the background work of the migration until ctx is done, and returns when all of it has ended.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	var copying, comparing error
	wg.Go(func() { copying = s.backfill.Run(ctx) })
	wg.Go(func() { comparing = s.verify.Run(ctx) })
	wg.Go(func() { s.runFinish(ctx) })
	wg.Go(func() { s.runIndex(ctx) })
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case e := <-s.built:
			wg.Go(func() { s.history.run(ctx, e) })
			e.run(ctx)
		}
	})
	wg.Wait()
	return errors.Join(copying, comparing)
}

// Close stops following the store. Run must have returned.
func (s *Service) Close() error {
	if s.unhook != nil {
		s.unhook()
	}
	if s.machine != nil {
		s.machine.Close()
	}
	if e := s.engine.Load(); e != nil {
		e.close()
	}
	return nil
}

package ramp

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"sync"

	"berth/migrate"
	"berth/router/rollout"
	"berth/store"
)

// Switch is what a Follower keeps up to date; *rollout.Switch is one.
type Switch interface {
	Set(rollout.Config) error
	Forget()
	Index() *rollout.Index
}

// Sampler is the other; *shadow.Shadow is one.
type Sampler interface{ SetPercent(float64) error }

// FollowDeps are what a Follower works on.
type FollowDeps struct {
	Store    *store.Store
	Switch   Switch
	Shadow   Sampler // nil: there is none
	Sampling float64 // percent of the requests, until an operator says otherwise
	Log      *slog.Logger
}

// Follower puts what is stored in force: the configuration with the phase's mode, the share of shadow reads, and the custom hosts of
// each site.
type Follower struct {
	deps FollowDeps
	stop func()

	// mu guards all below, and makes Follow's first look and the commit hook one at a time. The hook holds it, so
	// commits wait for that first look.
	mu      sync.Mutex
	indexed bool                       // the index is kept: a migration is on
	names   map[store.ProjectNo]string // of projects with custom hosts: a deleted project has no name any more
}

// Follow puts what is stored in force and follows the commits until Close.
//
// A configuration that cannot be read leaves the last one in force. If there is none yet, at the start, everything is left on the
// tables, which are complete in every phase that has any: a damaged document takes no site down.
func Follow(deps FollowDeps) (*Follower, error) {
	if deps.Store == nil || deps.Switch == nil {
		return nil, errors.New("ramp: a follower needs a store and a switch")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	f := &Follower{deps: deps, names: map[store.ProjectNo]string{}}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop = deps.Store.OnCommit(f.committed)
	state, err := migrate.Load(&deps.Store.Reader)
	if err == nil {
		err = f.index(state)
	}
	if err != nil {
		f.stop()
		return nil, fmt.Errorf("follow the rollout: %w", err)
	}
	if err := f.configure(state); err != nil {
		deps.Log.Error("the rollout cannot be read; everything is left on the tables", slog.Any("error", err))
		mode := rollout.ModeLegacy
		if state.Phase == migrate.Retired {
			mode = rollout.ModeHashed
		}
		return f, deps.Switch.Set(rollout.Config{Mode: mode})
	}
	return f, nil
}

// Close stops following.
func (f *Follower) Close() { f.stop() }

// committed is the commit hook: the commit can be read, and its writer does not know of it yet.
func (f *Follower) committed(c store.Commit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(c.Tables) > 0 {
		f.deps.Switch.Forget()
	}
	if c.Migration {
		f.reload()
	}
	if !f.indexed {
		return
	}
	for _, p := range c.Projects {
		if err := f.update(p); err != nil {
			f.deps.Log.Error("custom hosts not read; those known before stay", slog.Uint64("project", uint64(p)), slog.Any("error", err))
		}
	}
}

func (f *Follower) reload() {
	state, err := migrate.Load(&f.deps.Store.Reader)
	if err == nil {
		err = errors.Join(f.index(state), f.configure(state))
	}
	if err != nil {
		f.deps.Log.Error("the rollout cannot be read; the last one known is kept", slog.Any("error", err))
	}
}

func (f *Follower) configure(state migrate.State) error {
	d, err := loadRollout(&f.deps.Store.Reader, state)
	if err == nil {
		err = f.deps.Switch.Set(d.Config)
	}
	return errors.Join(err, f.sample(state))
}

func (f *Follower) sample(state migrate.State) error {
	if f.deps.Shadow == nil {
		return nil
	}
	percent, set, err := LoadSampling(&f.deps.Store.Reader)
	if err != nil {
		return err
	}
	if !set {
		percent = f.deps.Sampling
	}
	if !samples(state.Phase) {
		percent = 0
	}
	return f.deps.Shadow.SetPercent(percent)
}

// index fills the index when a migration begins, and empties it when it is over: nobody asks it then.
func (f *Follower) index(state migrate.State) error {
	wanted := state.Phase != migrate.Retired
	switch {
	case wanted == f.indexed:
		return nil
	case !wanted:
		f.deps.Switch.Index().Fill(maps.All(map[string][]string{}))
		clear(f.names)
	default:
		sites, err := f.sites()
		if err != nil {
			return err
		}
		f.deps.Switch.Index().Fill(sites)
	}
	f.indexed = wanted
	return nil
}

func (f *Follower) sites() (iter.Seq2[string, []string], error) {
	all := map[string][]string{}
	for p, err := range f.deps.Store.Projects() {
		if err != nil {
			return nil, fmt.Errorf("list projects: %w", err)
		}
		hosts, err := f.hosts(p.No)
		if err != nil {
			return nil, err
		}
		if len(hosts) > 0 {
			all[p.Name], f.names[p.No] = hosts, p.Name
		}
	}
	return maps.All(all), nil
}

// hosts are the custom hosts that a project holds. Those that wait for their proof may be another's.
func (f *Follower) hosts(p store.ProjectNo) ([]string, error) {
	var hosts []string
	for d, err := range f.deps.Store.Domains(p) {
		if err != nil {
			return nil, fmt.Errorf("list the domains of project %d: %w", p, err)
		}
		if d.Status == store.DomainActive {
			hosts = append(hosts, d.Host)
		}
	}
	return hosts, nil
}

func (f *Follower) update(no store.ProjectNo) error {
	p, err := f.deps.Store.Project(no)
	if errors.Is(err, store.ErrNotFound) {
		if name, had := f.names[no]; had {
			f.deps.Switch.Index().Update(name, nil)
			delete(f.names, no)
		}
		return nil
	}
	if err != nil {
		return err
	}
	hosts, err := f.hosts(no)
	if err != nil {
		return err
	}
	if _, had := f.names[no]; !had && len(hosts) == 0 {
		return nil
	}
	f.names[no] = p.Name
	f.deps.Switch.Index().Update(p.Name, hosts)
	return nil
}

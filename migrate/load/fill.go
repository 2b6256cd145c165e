package load

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

// Hosts yields the hosts that Berth serves; control.Service.Hosts is one.
type Hosts func(*store.Reader) iter.Seq2[control.HostRoute, error]

// FillReport is what became of the hosts that Berth serves.
type FillReport struct {
	Hosts int `json:"hosts"` // that Berth serves, wildcards included
	Added int `json:"added"` // entries that were made for them
	Had   int `json:"had"`   // that had an entry
	Gone  int `json:"gone"`  // that Berth stopped serving meanwhile
}

// Fill gives every host that Berth serves, and that no table has, an entry: those that it served before it began to migrate. It comes after
// Tables, whose entries stay as they are: what they answer, for all paths or some, Berth answers so from now on. When it returns without an error, Complete is true. It may be repeated.
func Fill(ctx context.Context, s *store.Store, m *migrate.Machine, hosts Hosts, o Options) (FillReport, error) {
	l, err := newLoader(s, m, o)
	if err != nil {
		return FillReport{}, err
	}
	f := &filler{loader: l}
	snap := s.Snapshot()
	defer snap.Close()
	for h, err := range hosts(&snap.Reader) {
		if err == nil {
			err = f.host(ctx, &snap.Reader, h)
		}
		if err != nil {
			return f.report, fmt.Errorf("load: fill the tables: %w", err)
		}
	}
	if err := f.flush(ctx); err != nil {
		return f.report, fmt.Errorf("load: fill the tables: %w", err)
	}
	_, err = s.Update(ctx, func(tx *store.Tx) error {
		if err := l.inPhase(tx); err != nil {
			return err
		}
		sum, err := sumProjects(&tx.Reader)
		if err != nil {
			return err
		}
		sum.Complete = true
		return putState(tx, sum)
	})
	return f.report, err
}

type filler struct {
	*loader
	report  FillReport
	pending []control.HostRoute // all of one project
}

func (f *filler) host(ctx context.Context, r *store.Reader, h control.HostRoute) error {
	f.report.Hosts++
	_, err := r.TableHost(h.Route.Project, name(h.Host, h.Wildcard))
	if err == nil {
		f.report.Had++
		return nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if len(f.pending) == f.opts.Batch || len(f.pending) > 0 && f.pending[0].Route.Project != h.Route.Project {
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
	f.pending = append(f.pending, h)
	return ctx.Err()
}

// flush makes entries. What a host serves is read anew: it may have moved since the hosts were listed, and whoever moved it wrote an entry
// only if the migration had begun.
func (f *filler) flush(ctx context.Context) error {
	if len(f.pending) == 0 {
		return nil
	}
	before := f.report
	_, err := f.store.Update(ctx, func(tx *store.Tx) error {
		if err := f.loads(tx); err != nil {
			return err
		}
		p, err := tx.Project(f.pending[0].Route.Project)
		if errors.Is(err, store.ErrNotFound) {
			f.report.Gone += len(f.pending)
			return nil
		}
		if err != nil {
			return err
		}
		e := f.editor(tx, p.No)
		for _, h := range f.pending {
			if err := f.add(tx, e, p, h); err != nil {
				return fmt.Errorf("%s: %w", name(h.Host, h.Wildcard), err)
			}
		}
		return e.Flush()
	})
	if err != nil {
		f.report = before
	}
	f.pending = f.pending[:0]
	return err
}

func (f *filler) add(tx *store.Tx, e *dualwrite.Editor, p store.Project, h control.HostRoute) error {
	_, has, err := e.Get(h.Host, h.Wildcard)
	if err != nil {
		return err
	}
	if !has {
		has, err = f.has(tx, p.No, dualwrite.BuriedName(h.Host, h.Wildcard)) // it leads somewhere, else the import had left the host out
	}
	if err != nil {
		return err
	}
	if has {
		f.report.Had++
		return nil
	}
	no, err := serves(tx, f.opts.Domain, p, h.Host, h.Wildcard)
	if err != nil {
		return err
	}
	if no == 0 {
		f.report.Gone++
		return nil
	}
	d, err := tx.Deployment(no)
	if err != nil {
		return err
	}
	f.report.Added++
	part, err := f.has(tx, p.No, dualwrite.PartName(h.Host, h.Wildcard))
	if err != nil {
		return err
	}
	if part && !h.Wildcard {
		return e.SetBehind(h.Host, legacy.ScriptHash(d.UUID))
	}
	return e.Set(h.Host, h.Wildcard, legacy.ScriptHash(d.UUID))
}

func (f *filler) has(tx *store.Tx, p store.ProjectNo, name string) (bool, error) {
	_, err := tx.TableHost(p, name)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// serves is the deployment that a host has by the control plane's own records; 0 is none.
func serves(tx *store.Tx, domain string, p store.Project, h hostkey.Host, wildcard bool) (store.DeploymentNo, error) {
	no, err := func() (store.DeploymentNo, error) {
		label, ok := strings.CutSuffix(string(h), p.Name+"."+domain)
		switch {
		case !ok:
			return servesDomain(tx, p, name(h, wildcard))
		case label == "":
			return p.Live, nil
		}
		label = strings.TrimSuffix(label, ".")
		if d, err := tx.DeploymentByLabel(p.No, label); err == nil || !errors.Is(err, store.ErrNotFound) {
			return d.No, err
		}
		b, err := tx.BranchByLabel(p.No, label)
		return b.Latest, err
	}()
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return no, err
}

func servesDomain(tx *store.Tx, p store.Project, host string) (store.DeploymentNo, error) {
	d, err := tx.Domain(p.No, host)
	if err != nil || d.Status != store.DomainActive {
		return 0, err
	}
	if d.Branch == "" {
		return p.Live, nil
	}
	b, err := tx.Branch(p.No, d.Branch)
	return b.Latest, err
}

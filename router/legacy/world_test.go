package legacy

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

const domain = "pages.localhost"

// world is a store with projects, and a resolver of each kind over it.
type world struct {
	t    testing.TB
	s    *store.Store
	each *Resolver
	once *Resolver
}

func newWorld(t testing.TB, o Options) *world {
	t.Helper()
	s, err := store.OpenFS(vfs.NewMem(), "db", store.Options{MinFreeBytes: -1, CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, s: s}
	o.Domain = domain
	for parse, r := range map[Parse]**Resolver{Each: &w.each, Once: &w.once} {
		o.Parse = parse
		if *r, err = New(Deps{Store: s}, o); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		w.each.Close()
		w.once.Close()
		_ = s.Close()
	})
	return w
}

func (w *world) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if _, err := w.s.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// project makes a project with so many deployments, whose UUIDs begin with their place in the list.
func (w *world) project(name string, deployments int) (p store.Project, ds []store.Deployment) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		p, ds = store.Project{Account: 1, Name: name, ProductionBranch: "main", State: store.ProjectActive}, nil
		var err error
		if p.No, err = tx.NextProject(); err != nil {
			return err
		}
		if err := tx.PutProject(p); err != nil {
			return err
		}
		for i := range deployments {
			d := store.Deployment{Project: p.No, Environment: store.Preview, Status: store.StatusSuccess, Branch: "b"}
			if d.No, err = tx.NextDeployment(); err != nil {
				return err
			}
			d.UUID = store.UUID{byte(i >> 8), byte(i), 0xaa, 0xbb, byte(p.No), byte(p.No >> 8), 6: 0x40, 8: 0x80}
			if err := tx.PutDeployment(d, nil); err != nil {
				return err
			}
			ds = append(ds, d)
		}
		return nil
	})
	return p, ds
}

// table replaces the table of a project by pieces of the given filters.
func (w *world) table(p store.ProjectNo, pieces ...[]Filter) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		if err := tx.DeleteTable(p); err != nil {
			return err
		}
		for i, fs := range pieces {
			if err := tx.PutTableChunk(store.TableChunk{Project: p, No: uint32(i + 1), JSON: AppendChunk(nil, fs)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) claim(host string, p store.ProjectNo, branch string) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		return errors.Join(tx.ClaimHost(host, store.HostOwner{Account: 1, Project: p}),
			tx.PutDomain(store.Domain{Project: p, UUID: store.UUID{1}, Host: host, Branch: branch, Status: store.DomainActive}))
	})
}

// ask asks both resolvers, which must agree; "" is no route.
func (w *world) ask(authority, path string) string {
	w.t.Helper()
	h, err := hostkey.Canonical(authority)
	if err != nil {
		w.t.Fatal(err)
	}
	q := &router.Query{Host: h, Path: path}
	if i := len(h); len(authority) > i && authority[0] != '[' {
		q.Port = authority[i+1:]
	}
	a, b := w.answer(w.each, q), w.answer(w.once, q)
	if a != b {
		w.t.Errorf("%s%s: parsed each time %q, parsed once %q", authority, path, a, b)
	}
	return a
}

func (w *world) answer(r *Resolver, q *router.Query) string {
	d, err := r.Resolve(w.t.Context(), q)
	switch {
	case errors.Is(err, router.ErrNoRoute):
		return ""
	case err != nil:
		return "error: " + err.Error()
	}
	return fmt.Sprintf("project %d, deployment %d, class %d, flags %d", d.Project, d.Deployment, d.Class, d.Flags)
}

func says(p store.Project, d store.Deployment, class store.Class, flags store.RouteFlags) string {
	return fmt.Sprintf("project %d, deployment %d, class %d, flags %d", p.No, d.No, class, flags)
}

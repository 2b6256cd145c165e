package dualwrite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/router"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

const domain = "pages.localhost"

var hasher = hostkey.NewHasher(hostkey.Secret{1})

// failer is what testing.TB and rapid.T have in common here.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// world is a store in a phase, with a writer, and both resolvers.
type world struct {
	t      failer
	s      *store.Store
	writer *Writer
	old    *legacy.Resolver
	new    *hashed.Resolver
	p      store.Project
	ds     []store.Deployment
}

func newWorld(t failer, deployments int, phases ...migrate.Phase) (*world, func()) {
	t.Helper()
	s, err := store.OpenFS(vfs.NewMem(), "db", store.Options{MinFreeBytes: -1, CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, s: s}
	if w.writer, err = New(control.RecordWriter(hasher), hasher, domain); err != nil {
		t.Fatal(err)
	}
	if w.old, err = legacy.New(legacy.Deps{Store: s}, legacy.Options{Domain: domain, Parse: legacy.Once}); err != nil {
		t.Fatal(err)
	}
	if w.new, err = hashed.New(s, hasher, hashed.Options{}); err != nil {
		t.Fatal(err)
	}
	w.project(deployments)
	w.phases(phases)
	return w, func() {
		w.old.Close()
		w.new.Close()
		_ = s.Close()
	}
}

func (w *world) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if _, err := w.s.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) project(deployments int) {
	w.update(func(tx *store.Tx) (err error) {
		w.p, w.ds = store.Project{Account: 1, Name: "docs", ProductionBranch: "main", State: store.ProjectActive}, nil
		if w.p.No, err = tx.NextProject(); err != nil {
			return err
		}
		if err := tx.PutProject(w.p); err != nil {
			return err
		}
		for i := range deployments {
			d := store.Deployment{Project: w.p.No, Environment: store.Preview, Status: store.StatusSuccess, Branch: "b"}
			d.UUID = store.UUID{byte(i >> 8), byte(i), 0xaa, 0xbb, 6: 0x40, 8: 0x80}
			if d.No, err = tx.NextDeployment(); err != nil {
				return err
			}
			if err := tx.PutDeployment(d, nil); err != nil {
				return err
			}
			w.ds = append(w.ds, d)
		}
		return nil
	})
}

// phases moves the migration through the given phases; none is a server that never migrated.
func (w *world) phases(phases []migrate.Phase) {
	w.t.Helper()
	if len(phases) == 0 {
		return
	}
	m, err := migrate.New(w.s, time.Now, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer m.Close()
	w.update(func(tx *store.Tx) error { return m.Begin(tx, "test", "") })
	for _, to := range phases {
		if from := m.State().Phase; from != to {
			if _, err := m.Move(context.Background(), from, to, "test", ""); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

func (w *world) claim(host, branch string) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		return errors.Join(tx.ClaimHost(host, store.HostOwner{Account: 1, Project: w.p.No}),
			tx.PutDomain(store.Domain{Project: w.p.No, UUID: store.UUID{1}, Host: host, Branch: branch, Status: store.DomainActive}))
	})
}

// route is the change that the control plane makes for a host; d nil deletes it.
func (w *world) route(h hostkey.Host, wildcard bool, d *store.Deployment) control.RouteChange {
	c := control.RouteChange{Host: h, Wildcard: wildcard}
	if d != nil {
		r, err := legacy.RouteFor(&w.s.Reader, domain, w.p, h, wildcard, *d)
		if err != nil {
			w.t.Fatal(err)
		}
		c.Route = &r
	}
	return c
}

func (w *world) apply(rs ...control.RouteChange) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		return w.writer.Apply(context.Background(), tx, control.Change{Project: w.p.No, Routes: rs})
	})
}

// resolve answers which deployment serves a host; 0 is none.
func (w *world) resolve(r router.Resolver, h hostkey.Host) (router.Decision, store.DeploymentNo) {
	w.t.Helper()
	d, err := r.Resolve(context.Background(), &router.Query{Host: h, Path: "/"})
	if err != nil && !errors.Is(err, router.ErrNoRoute) {
		w.t.Fatal(err)
	}
	return d, d.Deployment
}

// table reads all of it.
func (w *world) table() (filters []legacy.Filter, sizes []int) {
	w.t.Helper()
	for c, err := range w.s.TableChunks(w.p.No) {
		if err != nil {
			w.t.Fatal(err)
		}
		fs, err := legacy.ParseChunk(c.JSON)
		if err != nil {
			w.t.Fatal(err)
		}
		filters, sizes = append(filters, fs...), append(sizes, len(fs))
	}
	return filters, sizes
}

// check compares the index with the pieces: each host that it names is answered there, and no piece is empty or too large.
func (w *world) check() {
	w.t.Helper()
	_, sizes := w.table()
	for _, n := range sizes {
		if n == 0 || n > MaxFilters {
			w.t.Fatalf("a piece has %d entries", n)
		}
	}
	w.update(func(tx *store.Tx) error {
		e := w.writer.Edit(tx, w.p.No)
		for name, err := range tx.TableHosts(w.p.No) {
			if err != nil {
				return err
			}
			h, wild := splitName(name)
			if _, _, _, err := e.locate(h, wild); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
}

package migration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/migrate/load"
	"berth/router"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

const domain = "pages.localhost"

// world is a store with a migration over it, and what the control plane would say of its hosts.
type world struct {
	t      testing.TB
	s      *store.Store
	hashed *hashed.Resolver
	svc    *Service
	hosts  []control.HostRoute
	now    time.Time
}

func newWorld(t testing.TB) *world { return newWorldOn(t, vfs.NewMem()) }

func openStore(fs vfs.FS) (*store.Store, error) {
	return store.OpenFS(fs, "db", store.Options{MinFreeBytes: -1, CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
}

func newWorldOn(t testing.TB, fs vfs.FS) *world {
	t.Helper()
	s, err := openStore(fs)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, s: s, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	w.open()
	t.Cleanup(func() {
		w.close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

var hasher = hostkey.NewHasher(hostkey.Secret{1})

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.hashed, err = hashed.New(w.s, hasher, hashed.Options{}); err != nil {
		w.t.Fatal(err)
	}
	w.svc, err = New(Deps{Store: w.s, Hasher: hasher, Hashed: w.hashed, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now }},
		Options{Domain: domain, Datacentre: "fra", LegacyParse: legacy.Once})
	if err != nil {
		w.t.Fatal(err)
	}
	w.svc.hosts = w.listed
}

func (w *world) listed(*store.Reader) iter.Seq2[control.HostRoute, error] {
	return func(yield func(control.HostRoute, error) bool) {
		for _, h := range w.hosts {
			if !yield(h, nil) {
				return
			}
		}
	}
}

func (w *world) close() {
	if err := w.svc.Close(); err != nil {
		w.t.Error(err)
	}
	w.hashed.Close()
}

// run works in the background until the function that it returns is called.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.svc.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// project makes a project with a production deployment, and the record of its host, as the control plane does.
func (w *world) project(name string) (p store.Project, d store.Deployment) {
	w.t.Helper()
	h := hostkey.Host(name + "." + domain)
	_, err := w.s.Update(context.Background(), func(tx *store.Tx) (err error) {
		p = store.Project{Account: 1, Name: name, ProductionBranch: "main", State: store.ProjectActive}
		if p.No, err = tx.NextProject(); err != nil {
			return err
		}
		d = store.Deployment{Project: p.No, Environment: store.Production, Status: store.StatusSuccess, Branch: "main"}
		if d.No, err = tx.NextDeployment(); err != nil {
			return err
		}
		d.UUID = store.UUID{byte(d.No), 1, 0xaa, 0xbb, 6: 0x40, 8: 0x80}
		p.Live, p.Latest = d.No, d.No
		route := store.Route{Kind: store.RouteSite, Class: store.ClassProduction, Project: p.No, Deployment: d.No}
		w.hosts = append(w.hosts, control.HostRoute{Host: h, Route: route})
		return errors.Join(tx.PutProject(p), tx.PutDeployment(d, nil),
			w.svc.Routes().Apply(context.Background(), tx, control.Change{Project: p.No, Routes: []control.RouteChange{{Host: h, Route: &route}}}))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p, d
}

func (w *world) ask(host string) (store.DeploymentNo, error) {
	d, err := w.svc.Resolver().Resolve(w.t.Context(), &router.Query{Host: hostkey.Host(host), Path: "/"})
	return d.Deployment, err
}

func (w *world) wantAnswer(host string, want store.DeploymentNo) {
	w.t.Helper()
	if got, err := w.ask(host); err != nil || got != want {
		w.t.Errorf("%s: deployment %d, %v; want %d", host, got, err, want)
	}
}

// behind is the type of what answers.
func (w *world) behind() string { return fmt.Sprintf("%T", *w.svc.front.behind.Load()) }

// tables imports lines of tables.
func (w *world) tables(lines ...string) load.Report {
	w.t.Helper()
	r, err := w.svc.ImportTables(w.t.Context(), load.NDJSON("test", strings.NewReader(strings.Join(lines, "\n")), 1<<20), load.Options{Who: "ada"})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) complete() {
	w.t.Helper()
	if _, err := w.svc.CompleteImport(w.t.Context(), load.Options{Who: "ada"}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) move(to migrate.Phase, force bool) (Moved, error) {
	return w.svc.move(w.t.Context(), Move{From: w.svc.machine.State().Phase, To: to, Why: "test", Force: force}, "ada")
}

func (w *world) mustMove(to migrate.Phase) Moved {
	w.t.Helper()
	m, err := w.move(to, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// until polls what the background work does.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatal(what + ": not within two minutes")
		}
	}
}

func (w *world) log() string {
	var b strings.Builder
	for e, err := range migrate.Log(&w.s.Reader) {
		if err != nil {
			w.t.Fatal(err)
		}
		_, _ = io.WriteString(&b, e.Who+": "+e.What+" ("+e.Why+")\n")
	}
	return b.String()
}

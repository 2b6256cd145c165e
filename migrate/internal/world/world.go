// Package world is a small server in the middle of a migration, for tests: a store with projects and imported tables, changes
// that go through dual-write, and an authority that says what every host must be answered by.
package world

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/migrate/tables"
	"berth/router"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

// Domain is the server's.
const Domain = "pages.example"

// Day is when everything happens.
var Day = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// World is a server. Its authority is kept in the store, a document for each host, in the batch of the change: what a crash
// loses, it loses there, too.
type World struct {
	Store   *store.Store
	Hasher  *hostkey.Hasher
	Tables  *tables.Reader
	Writer  *dualwrite.Writer
	Machine *migrate.Machine
}

// Open opens a store that may have been there before.
func Open(fs vfs.FS, dir string, o store.Options) (*World, error) {
	s, err := store.OpenFS(fs, dir, o)
	if err != nil {
		return nil, err
	}
	w := &World{Store: s, Hasher: hasher()}
	var errs [3]error
	w.Tables, errs[0] = tables.New(tables.Config{Domain: Domain, Hasher: w.Hasher})
	w.Writer, errs[1] = dualwrite.New(control.RecordWriter(w.Hasher), w.Hasher, Domain)
	w.Machine, errs[2] = migrate.New(s, func() time.Time { return Day }, slog.New(slog.DiscardHandler))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return w, nil
}

// New is Open for a test that closes it at its end.
func New(t testing.TB, fs vfs.FS) *World {
	t.Helper()
	w, err := Open(fs, "/db", store.Options{MinFreeBytes: -1, MemTableBytes: 256 << 10, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// Close closes the store.
func (w *World) Close() error {
	w.Machine.Close()
	return w.Store.Close()
}

// Update is Store.Update for what must succeed.
func (w *World) Update(t testing.TB, fn func(*store.Tx) error) {
	t.Helper()
	if _, err := w.Store.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// Enter moves to a phase, one at a time if forward.
func (w *World) Enter(to migrate.Phase) error {
	if w.Machine.State().Since.IsZero() {
		if _, err := w.Store.Update(context.Background(), func(tx *store.Tx) error { return w.Machine.Begin(tx, "test", "begin") }); err != nil {
			return err
		}
	}
	for w.Machine.State().Phase != to {
		from := w.Machine.State().Phase
		next := from.Next()
		if to.Before(from) {
			next = to
		}
		if _, err := w.Machine.Move(context.Background(), from, next, "test", "test"); err != nil {
			return err
		}
	}
	return nil
}

// ProjectName is a project's.
func ProjectName(p store.ProjectNo) string { return fmt.Sprintf("site-%d", p) }

// UUID is the i-th deployment's of a project.
func UUID(p store.ProjectNo, i int) (id store.UUID) {
	binary.BigEndian.PutUint32(id[:], uint32(i)*2654435761+uint32(p))
	binary.BigEndian.PutUint32(id[4:], uint32(p))
	binary.BigEndian.PutUint32(id[8:], uint32(i))
	return id
}

// Label is a host below a project's.
func Label(p store.ProjectNo, label string) string {
	return label + "." + ProjectName(p) + "." + Domain
}

// PutProject makes a project.
func PutProject(tx *store.Tx, p store.ProjectNo) error {
	return tx.PutProject(store.Project{No: p, Account: 1, Name: ProjectName(p), ProductionBranch: "main", State: store.ProjectActive, Created: Day})
}

// PutDeployment makes the i-th deployment of a project.
func PutDeployment(tx *store.Tx, p store.ProjectNo, i int) (store.Deployment, error) {
	no, err := tx.NextDeployment()
	if err != nil {
		return store.Deployment{}, err
	}
	d := store.Deployment{No: no, Project: p, UUID: UUID(p, i), Environment: store.Preview, Status: store.StatusSuccess, Branch: "b", Created: Day}
	return d, tx.PutDeployment(d, nil)
}

// Table collects the entries of an imported table, and knows what each host of it is answered by.
type Table struct {
	project store.ProjectNo
	filters []legacy.Filter
	hosts   []owned
}

type owned struct {
	name  string
	piece int
	d     store.DeploymentNo
}

// Begin begins the table of a project.
func Begin(p store.ProjectNo) *Table { return &Table{project: p} }

// Add adds an entry for hosts ("*.…" for wildcards) that no entry before it answers.
func (t *Table) Add(pattern, scriptHash string, d store.DeploymentNo, names ...string) {
	for _, n := range names {
		t.hosts = append(t.hosts, owned{n, len(t.filters), d})
	}
	t.filters = append(t.filters, legacy.Filter{Pattern: pattern, ScriptHash: scriptHash})
}

// Write stores the table in pieces of so many entries, with its index and, unless it is too much, its authority.
func (t *Table) Write(tx *store.Tx, each int, authority bool) error {
	for i := 0; i*each < len(t.filters); i++ {
		fs := t.filters[i*each : min((i+1)*each, len(t.filters))]
		if err := tx.PutTableChunk(store.TableChunk{Project: t.project, No: dualwrite.Imported + uint32(i), JSON: legacy.AppendChunk(nil, fs)}); err != nil {
			return err
		}
	}
	for _, h := range t.hosts {
		if err := tx.SetTableHost(t.project, h.name, dualwrite.Imported+uint32(h.piece/each)); err != nil {
			return err
		}
		if err := pointed(tx, t.project, h.name, h.d); err != nil {
			return err
		}
		if authority {
			if err := decide(tx, h.name, routeTo(t.project, h.name, h.d)); err != nil {
				return err
			}
		}
	}
	return nil
}

// routeTo is what control writes for a host.
func routeTo(p store.ProjectNo, name string, d store.DeploymentNo) store.Route {
	r := store.Route{Kind: store.RouteSite, Class: store.ClassCustom, Project: p, Deployment: d}
	own := ProjectName(p) + "." + Domain
	label, below := strings.CutSuffix(name, "."+own)
	switch {
	case name == own:
		r.Class = store.ClassProduction
	case below && len(label) == 8 && strings.Trim(label, "0123456789abcdef") == "":
		r.Class, r.Flags = store.ClassDeployment, store.FlagNoIndex
	case below:
		r.Class, r.Flags = store.ClassBranch, store.FlagNoIndex
	}
	return r
}

// pointed notes that a host leads to a deployment, as whoever imports does; of a deployment's own host the control plane knows.
func pointed(tx *store.Tx, p store.ProjectNo, name string, d store.DeploymentNo) error {
	if d == 0 {
		return nil
	}
	x, err := tx.Deployment(d)
	if err != nil || name == Label(p, fmt.Sprintf("%x", x.UUID[:4])) {
		return err
	}
	host, wildcard := strings.CutPrefix(name, "*.")
	return tx.PutImportedHost(store.ImportedHost{
		Deployment: d, Key: hasher().Key(hostkey.Host(host)), Wildcard: wildcard, Class: routeTo(p, name, d).Class, Host: host,
	})
}

func hasher() *hostkey.Hasher { return hostkey.NewHasher(hostkey.Secret{1}) }

// claim gives a project a custom domain, which follows production.
func claim(tx *store.Tx, p store.ProjectNo, name string) error {
	return errors.Join(tx.ClaimHost(name, store.HostOwner{Account: 1, Project: p}),
		tx.PutDomain(store.Domain{Project: p, Host: name, Status: store.DomainActive, Created: Day}))
}

const authority = "test/"

// decide writes what a host must be answered by; a deployment of 0 is nothing.
func decide(tx *store.Tx, name string, r store.Route) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.PutDocument(authority+name, raw)
}

// decided is what a host must be answered by; the zero value is nothing.
func decided(r *store.Reader, name string) (route store.Route, err error) {
	raw, err := r.Document(authority + name)
	if errors.Is(err, store.ErrNotFound) {
		return route, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &route)
	}
	return route, err
}

// Point makes a host, or a wildcard, of a project lead to a deployment, through dual-write; 0 frees it.
func (w *World) Point(tx *store.Tx, p store.ProjectNo, name string, d store.DeploymentNo) error {
	if !strings.HasSuffix(name, "."+Domain) {
		if err := claim(tx, p, name); err != nil {
			return err
		}
	}
	r := routeTo(p, name, d)
	host, wildcard := strings.CutPrefix(name, "*.")
	c := control.RouteChange{Host: hostkey.Host(host), Wildcard: wildcard}
	if d != 0 {
		c.Route = &r
	}
	if err := w.Writer.Apply(context.Background(), tx, control.Change{Project: p, Routes: []control.RouteChange{c}}); err != nil {
		return err
	}
	return errors.Join(pointed(tx, p, name, d), decide(tx, name, r))
}

// Check compares what both sides answer with the authority, for every host that ever was. Hosts of a wildcard are asked for by one
// made-up label.
func (w *World) Check(records bool) error {
	l, err := legacy.New(legacy.Deps{Store: w.Store}, legacy.Options{Domain: Domain, Parse: legacy.Once})
	if err != nil {
		return err
	}
	defer l.Close()
	h, err := hashed.New(w.Store, w.Hasher, hashed.Options{})
	if err != nil {
		return err
	}
	defer h.Close()
	var faults []error
	for doc, err := range w.Store.Documents(authority, "") {
		if err != nil {
			return err
		}
		var r store.Route
		if err := json.Unmarshal(doc.Value, &r); err != nil {
			return err
		}
		name := strings.TrimPrefix(doc.Name, authority)
		if _, err := w.Store.Deployment(r.Deployment); r.Deployment != 0 && err != nil {
			faults = append(faults, fmt.Errorf("%s leads to deployment %d: %w", name, r.Deployment, err))
		}
		faults = append(faults, ask("legacy", l, name, r))
		if records {
			faults = append(faults, ask("hashed", h, name, r))
		}
	}
	return errors.Join(faults...)
}

func ask(side string, r router.Resolver, name string, want store.Route) error {
	host := strings.Replace(name, "*.", "made-up.", 1)
	d, err := r.Resolve(context.Background(), &router.Query{Host: hostkey.Host(host), Path: "/"})
	if want.Deployment == 0 {
		if !errors.Is(err, router.ErrNoRoute) {
			return fmt.Errorf("%s: %s is answered by %+v, %v; it has nothing", side, host, d, err)
		}
		return nil
	}
	is := router.Decision{Kind: want.Kind, Project: want.Project, Deployment: want.Deployment, Class: want.Class, Flags: want.Flags}
	if err != nil || d != is {
		return fmt.Errorf("%s: %s is answered by %+v, %v; want %+v", side, host, d, err, is)
	}
	return nil
}

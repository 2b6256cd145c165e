package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/migrate"
	"berth/router"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

const domain = "pages.localhost"

var hasher = hostkey.NewHasher(hostkey.Secret{1})

type world struct {
	t   testing.TB
	s   *store.Store
	m   *migrate.Machine
	old *legacy.Resolver
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s, err := store.OpenFS(vfs.NewMem(), "db", store.Options{MinFreeBytes: -1, CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, s: s}
	if w.m, err = migrate.New(s, time.Now, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if w.old, err = legacy.New(legacy.Deps{Store: s}, legacy.Options{Domain: domain, Parse: legacy.Once}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.old.Close()
		w.m.Close()
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

// project makes a project of an account with deployments of branch main; the last one is its production.
func (w *world) project(account store.AccountNo, name string, deployments int) (p store.Project, ds []store.Deployment) {
	w.t.Helper()
	w.update(func(tx *store.Tx) (err error) {
		p, ds = store.Project{Account: account, Name: name, ProductionBranch: "main", State: store.ProjectActive}, nil
		if p.No, err = tx.NextProject(); err != nil {
			return err
		}
		for i := range deployments {
			d := store.Deployment{Project: p.No, Environment: store.Production, Status: store.StatusSuccess, Branch: "main"}
			d.UUID = store.UUID{byte(p.No), byte(i >> 8), byte(i), 0xbb, 6: 0x40, 8: 0x80}
			if d.No, err = tx.NextDeployment(); err != nil {
				return err
			}
			p.Live, p.Latest = d.No, d.No
			if err := errors.Join(tx.PutDeployment(d, nil), tx.PutBranch(store.Branch{Project: p.No, Name: "main", Latest: d.No, Exact: "main"})); err != nil {
				return err
			}
			ds = append(ds, d)
		}
		return tx.PutProject(p)
	})
	return p, ds
}

// ask answers which deployment the tables give a host; 0 is none.
func (w *world) ask(h hostkey.Host) store.DeploymentNo {
	w.t.Helper()
	d, err := w.old.Resolve(w.t.Context(), &router.Query{Host: h, Path: "/"})
	if err != nil && !errors.Is(err, router.ErrNoRoute) {
		w.t.Fatal(err)
	}
	return d.Deployment
}

func (w *world) load(src Source, o Options) Report {
	w.t.Helper()
	o.Domain, o.Hasher, o.Who = domain, hasher, "test"
	r, err := Tables(w.t.Context(), w.s, w.m, src, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// entry is a line of a table.
func entry(pattern, hash string) string {
	return string(legacy.AppendChunk(nil, []legacy.Filter{{Pattern: pattern, ScriptHash: hash}}))[len(`{"filters":[`) : len(`{"filters":[`)+len(legacy.AppendChunk(nil, []legacy.Filter{{Pattern: pattern, ScriptHash: hash}}))-len(`{"filters":[],"v":1}`)]
}

func table(entries ...string) string {
	return `{"filters":[` + strings.Join(entries, ",") + `],"v":1}`
}

func dir(files map[string]string) Source {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Dir(fsys)
}

// problems are "class: text" of all that a report has.
func problems(r Report) (ps []string) {
	for _, p := range r.With {
		for _, x := range p.Problems {
			ps = append(ps, fmt.Sprintf("%s: %s", x.Class, x))
		}
	}
	return ps
}

func wantProblem(t testing.TB, r Report, parts ...string) {
	t.Helper()
	for _, p := range problems(r) {
		has := true
		for _, part := range parts {
			has = has && strings.Contains(p, part)
		}
		if has {
			return
		}
	}
	t.Errorf("no problem with %q; there are %q", parts, problems(r))
}

func (w *world) revision() store.Revision {
	sn := w.s.Snapshot()
	defer sn.Close()
	return sn.Revision()
}

// served yields fixed hosts.
func served(hs ...control.HostRoute) Hosts {
	return func(*store.Reader) iter.Seq2[control.HostRoute, error] {
		return func(yield func(control.HostRoute, error) bool) {
			for _, h := range hs {
				if !yield(h, nil) {
					return
				}
			}
		}
	}
}

var errDisk = errors.New("the disk is gone")

// failing is a reader that ends with an error.
func failing(text string) io.Reader {
	return io.MultiReader(strings.NewReader(text), brokenReader{})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errDisk }

package edge

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/assets/blob"
	"berth/assets/catalog"
	"berth/assets/kept"
	"berth/assets/manifest"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/store"
)

// live is a server over a real store, catalog, router and blob directory, with a clock of its own. It has one project:
// docs.example is its production, www.example a custom domain, main.docs.example an alias, and N.docs.example deployment N.
type live struct {
	*running
	t       testing.TB
	store   *store.Store
	blobs   *blob.Dir
	hasher  *hostkey.Hasher
	clock   atomic.Int64 // Unix seconds
	project store.ProjectNo
}

const (
	productionHost = "docs.example"
	customHost     = "www.example"
	branchHost     = "main.docs.example"
)

func newLive(t testing.TB, settings store.SiteSettings, opts Options) *live {
	t.Helper()
	return newLiveOn(t, &blob.NewMem(blob.Options{}).Dir, settings, opts)
}

func newLiveOn(t testing.TB, blobs *blob.Dir, settings store.SiteSettings, opts Options) *live {
	t.Helper()
	l := &live{t: t, blobs: blobs, hasher: hostkey.NewHasher(hostkey.Secret{1})}
	l.clock.Store(1_700_000_000)
	var err error
	if l.store, err = store.OpenFS(vfs.NewMem(), "/db", store.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.store.Close() })
	resolver, err := hashed.New(l.store, l.hasher, hashed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resolver.Close)
	log := new(logBuffer)
	logger := slog.New(slog.NewTextHandler(log, nil))
	sites, err := catalog.New(catalog.Deps{Store: l.store, Blobs: l.blobs, Log: logger}, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sites.Close)
	l.update(func(tx *store.Tx) (err error) {
		if l.project, err = tx.NextProject(); err != nil {
			return err
		}
		return tx.PutProject(store.Project{No: l.project, Account: 1, Name: "docs", State: store.ProjectActive, Site: settings})
	})
	srv, err := New(Deps{Resolver: resolver, Sites: sites, Blobs: l.blobs, CookieSecret: [32]byte{7}, Log: logger}, opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.now = func() time.Time { return time.Unix(l.clock.Load(), 0) }
	l.running = listen(t, srv, log)
	return l
}

func (l *live) update(fn func(tx *store.Tx) error) {
	l.t.Helper()
	if _, err := l.store.Update(l.t.Context(), fn); err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) put(data string) store.FileRef {
	l.t.Helper()
	g, size, err := l.blobs.Put(strings.NewReader(data))
	if err != nil {
		l.t.Fatal(err)
	}
	return store.FileRef{Digest: g, Size: size}
}

// files are of a deployment; _headers and _redirects are its rule files.
type files map[string]string

// upload makes a deployment that no moving host serves.
func (l *live) upload(f files, own store.SiteSettings) (no store.DeploymentNo) {
	l.t.Helper()
	d := store.Deployment{Project: l.project, Environment: store.Production, Status: store.StatusSuccess, Branch: "main", Site: own}
	var entries []manifest.Entry
	for path, content := range f {
		ref := l.put(content)
		switch path {
		case "_headers":
			d.Headers = ref
		case "_redirects":
			d.Redirects = ref
		default:
			entries = append(entries, manifest.Entry{Path: path, Digest: ref.Digest, Size: ref.Size, Key: manifest.AssetKey(ref.Digest[:16])})
		}
	}
	raw, err := manifest.Encode(entries)
	if err != nil {
		l.t.Fatal(err)
	}
	d.Manifest = l.put(string(raw))
	l.update(func(tx *store.Tx) (err error) {
		if no, err = tx.NextDeployment(); err != nil {
			return err
		}
		d.No, d.UUID = no, liveUUID(no)
		host := hostkey.Host(liveUUID(no).String()[:8] + ".docs.example")
		return errors.Join(tx.PutDeployment(d, nil), tx.SetRoute(l.hasher.Key(host), l.route(no, store.ClassDeployment)))
	})
	return no
}

func liveUUID(no store.DeploymentNo) store.UUID {
	return store.UUID{0xab, 0xcd, 0, byte(no), 4: 0x12, 15: byte(no)}
}

func (l *live) route(no store.DeploymentNo, class store.Class) store.Route {
	return store.Route{Kind: store.RouteSite, Class: class, Project: l.project, Deployment: no}
}

// move makes every moving host serve a deployment, as the control plane does.
func (l *live) move(to store.DeploymentNo) {
	l.t.Helper()
	l.update(func(tx *store.Tx) error {
		for _, branch := range []string{"", "main"} {
			if err := l.moveTarget(tx, branch, to); err != nil {
				return err
			}
		}
		for host, class := range map[hostkey.Host]store.Class{
			productionHost: store.ClassProduction, customHost: store.ClassCustom, branchHost: store.ClassBranch,
		} {
			if err := tx.SetRoute(l.hasher.Key(host), l.route(to, class)); err != nil {
				return err
			}
		}
		p, err := tx.Project(l.project)
		if err != nil {
			return err
		}
		p.Live = to
		return errors.Join(tx.PutProject(p), tx.TouchDeployment(to))
	})
}

func (l *live) moveTarget(tx *store.Tx, branch string, to store.DeploymentNo) error {
	p, err := tx.Project(l.project)
	if err != nil || p.Live == 0 || p.Live == to {
		return err
	}
	target, err := tx.Target(l.project, branch)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	past := []store.Past{{Deployment: p.Live, Left: time.Unix(l.clock.Load(), 0)}}
	for _, old := range target.Past {
		if old.Deployment != p.Live && old.Deployment != to {
			past = append(past, old)
		}
	}
	move := kept.Move{
		From: l.listing(tx, p.Live), FromNo: uint64(p.Live), To: l.listing(tx, to), Now: l.clock.Load(), Keep: 7 * 24 * time.Hour, Max: 1000,
	}
	if target.Kept != (store.FileRef{}) {
		if move.Previous, err = l.blobs.ReadAll(target.Kept.Digest, target.Kept.Size); err != nil {
			return err
		}
	}
	raw, report, err := kept.Next(move)
	if err != nil {
		return err
	}
	target = store.Target{Project: l.project, Branch: branch, Past: past, KeptFiles: uint32(report.Files)}
	if raw != nil {
		g, size, err := l.blobs.Put(bytes.NewReader(raw))
		if err != nil {
			return err
		}
		target.Kept = store.FileRef{Digest: g, Size: size}
	}
	return tx.PutTarget(target)
}

func (l *live) listing(tx *store.Tx, no store.DeploymentNo) *manifest.Manifest {
	d, err := tx.Deployment(no)
	if err != nil {
		l.t.Fatal(err)
	}
	raw, err := l.blobs.ReadAll(d.Manifest.Digest, d.Manifest.Size)
	if err != nil {
		l.t.Fatal(err)
	}
	m, err := manifest.Open(raw)
	if err != nil {
		l.t.Fatal(err)
	}
	return m
}

// deploy uploads and moves.
func (l *live) deploy(f files, own store.SiteSettings) store.DeploymentNo {
	l.t.Helper()
	no := l.upload(f, own)
	l.move(no)
	return no
}

// ask sends a GET with fields, each "Name: value", over a connection of its own.
func (l *live) ask(host, target string, fields ...string) reply {
	l.t.Helper()
	c := l.dial(l.t)
	defer c.Close()
	return c.ask(host, target, fields...)
}

func (c *client) ask(host, target string, fields ...string) reply {
	c.t.Helper()
	lines := append([]string{"GET " + target + " HTTP/1.1", "Host: " + host}, fields...)
	return c.send(strings.Join(lines, "\r\n") + "\r\n\r\n").mustRead()
}

// all are the values of every line of a field.
func (r reply) all(name string) string {
	var values []string
	for _, f := range r.fields {
		if n, v, _ := strings.Cut(f, ": "); strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return strings.Join(values, " | ")
}

package corpus

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets/blob"
	"berth/assets/catalog"
	"berth/router"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/store"
	"berth/store/control"
)

// world is what a server opens.
type world struct {
	data     *store.DataDir
	blobs    *blob.Dir
	resolver *hashed.Resolver
	control  *control.Service
	hasher   *hostkey.Hasher
}

func openWorld(t *testing.T, c *Corpus) *world {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := &world{}
	var err error
	w.data, err = store.OpenDataDir(c.Dir, store.Options{})
	check(err)
	t.Cleanup(func() { check(w.data.Close()) })
	w.hasher = hostkey.NewHasher(w.data.Secrets.HostnameHash)
	w.blobs, err = blob.OpenDir(filepath.Join(c.Dir, "blobs"), blob.Options{})
	check(err)
	t.Cleanup(func() { check(w.blobs.Close()) })
	w.resolver, err = hashed.New(w.data.Store, w.hasher, hashed.Options{})
	check(err)
	t.Cleanup(w.resolver.Close)
	w.control, err = control.New(control.Deps{
		Store: w.data.Store, Blobs: w.blobs, Hasher: w.hasher, Log: slog.New(slog.DiscardHandler),
		SealingKey: w.data.Secrets.Sealing, UploadKey: w.data.Secrets.UploadToken,
	}, control.Options{Domain: c.Domain, PublicURL: "http", DataDir: c.Dir, CompressWorkers: -1})
	check(err)
	return w
}

func TestCorpusIsWhatAServerHas(t *testing.T) {
	c, err := Build(t.Context(), filepath.Join(t.TempDir(), "data"), Config{Deployments: 700, Projects: 9, Sites: 4, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	w := openWorld(t, c)
	report, err := w.control.Fsck(t.Context(), control.FsckOptions{}, func(p control.Problem) { t.Errorf("fsck: %v", p) })
	if err != nil || report.Deployments != 700 || report.Routes != c.Hosts() || report.Projects != 9 {
		t.Errorf("%+v, %v", report, err)
	}
	for i := range c.Deployments {
		d, err := w.resolver.Resolve(t.Context(), &router.Query{Host: c.Host(i), Path: "/"})
		if err != nil || d.Deployment != store.DeploymentNo(i+1) || d.Project != store.ProjectNo(c.ProjectOf(i)+1) {
			t.Fatalf("%s: %+v, %v", c.Host(i), d, err)
		}
		if _, err := w.resolver.Resolve(t.Context(), &router.Query{Host: c.Unknown(i), Path: "/"}); !errors.Is(err, router.ErrNoRoute) {
			t.Fatalf("%s: %v", c.Unknown(i), err)
		}
		if canonical, err := hostkey.Canonical(string(c.Host(i))); err != nil || canonical != c.Host(i) {
			t.Fatalf("%s is not canonical: %v", c.Host(i), err)
		}
	}
	if d, err := w.resolver.Resolve(t.Context(), &router.Query{Host: c.Production(8), Path: "/"}); err != nil || d.Deployment != 700 {
		t.Errorf("production: %+v, %v", d, err)
	}
	sites, err := catalog.New(catalog.Deps{Store: w.data.Store, Blobs: w.blobs}, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sites.Close()
	if d, err := sites.Deployment(t.Context(), 5); err != nil || d.Site == nil {
		t.Errorf("site of a deployment: %+v, %v", d, err)
	}
}

func TestOpenOrBuild(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	made, err := OpenOrBuild(t.Context(), dir, Config{Deployments: 10, Projects: 2})
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenOrBuild(t.Context(), dir, Config{Deployments: 10, Projects: 2})
	if diff := cmp.Diff(made, again); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := OpenOrBuild(t.Context(), dir, Config{Deployments: 11}); err == nil || !strings.Contains(err.Error(), "another one") {
		t.Errorf("another corpus: %v", err)
	}
	if _, err := Build(t.Context(), dir, Config{}); err == nil {
		t.Error("built over another")
	}
	for _, c := range []Config{{Deployments: -1}, {Deployments: 2, Projects: 3}, {Sites: -1}, {Files: 30_000}, {FileBytes: 1}} {
		if _, err := Build(t.Context(), t.TempDir(), c); err == nil {
			t.Errorf("built %+v", c)
		}
	}
}

package cold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/catalog"
	"berth/assets/manifest"
	"berth/router"
	"berth/router/hashed"
	"berth/store"
)

// The steps of a first request.
const (
	stepRoute    = "route record"
	stepRecords  = "deployment's records"
	stepRead     = "manifest and what is large, opened; rule files and what is small, read and checked"
	stepCompile  = "made into a site"
	stepSettings = "project's settings"
	stepPlan     = "plan"
	stepBody     = "body, opened and read"
)

// asked is what answers, opened anew.
type asked struct {
	data     *store.DataDir
	blobs    *blob.Dir
	resolver *hashed.Resolver
	catalog  *catalog.Catalog
	watch    *watch
	dir      string
	buffer   []byte
}

// watch times what a catalog asks for.
type watch struct {
	*store.Store
	blobs         *blob.Dir
	records, read span
}

func (w *watch) Deployment(no store.DeploymentNo) (store.Deployment, error) {
	defer w.records.run()()
	return w.Store.Deployment(no)
}

func (w *watch) Variants(no store.DeploymentNo) (store.FileRef, error) {
	defer w.records.run()()
	return w.Store.Variants(no)
}

func (w *watch) ReadVerified(g manifest.Digest, size int64) ([]byte, error) {
	defer w.read.run()()
	return w.blobs.ReadVerified(g, size)
}

func (w *watch) Open(g manifest.Digest, size int64) (blob.File, error) {
	defer w.read.run()()
	return w.blobs.Open(g, size)
}

// span is the time from the beginning of the first of several to the end of the last.
type span struct {
	mu    sync.Mutex // guards what follows
	began time.Time
	took  time.Duration
}

func (s *span) run() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() {
		s.began = time.Now()
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.took = time.Since(s.began)
	}
}

// take ends the span.
func (s *span) take() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	took := s.took
	s.began, s.took = time.Time{}, 0
	return took
}

func (c Config) openServer() (s *asked, err error) {
	s = &asked{dir: c.Data}
	if s.data, err = store.OpenDataDir(c.Data, store.Options{}); err != nil {
		return nil, err
	}
	if s.blobs, err = blob.OpenDir(filepath.Join(c.Data, "blobs"), blob.Options{}); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.resolver, err = hashed.New(s.data.Store, hasherOf(s.data), hashed.Options{}); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.watch = &watch{Store: s.data.Store, blobs: s.blobs}
	if s.catalog, err = catalog.New(catalog.Deps{Store: s.watch, Blobs: s.watch}, catalog.Options{SiteCache: siteCache}); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *asked) close() (err error) {
	if s.catalog != nil {
		s.catalog.Close()
	}
	if s.resolver != nil {
		s.resolver.Close()
	}
	if s.blobs != nil {
		err = s.blobs.Close()
	}
	return errors.Join(err, s.data.Close())
}

// filled waits until the filter of host keys is in use: to fill it, all routes are read.
func (s *asked) filled(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		m, err := s.data.Store.Metrics()
		if err != nil || m.KeyFilterKeys > 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// bySteps asks for the first half of the sites.
func (c Config) bySteps(ctx context.Context, sites []site, k *Kind) (err error) {
	s, err := c.openServer()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.filled(ctx); err != nil {
		return err
	}
	for _, name := range []string{stepRoute, stepRecords, stepRead, stepCompile, stepSettings, stepPlan, stepBody} {
		k.Steps = append(k.Steps, Step{Name: name})
	}
	for n, site := range sites[:filled+c.Rounds] {
		if err := dropPages(c.Data); err != nil {
			return err
		}
		took, err := s.ask(ctx, site)
		if err != nil {
			return fmt.Errorf("ask for %s: %w", site.host, err)
		}
		s.catalog.Settle()
		total := 0.0
		for i := range k.Steps {
			total += took[i].Seconds()
			if n >= filled {
				k.Steps[i].Took = append(k.Steps[i].Took, took[i].Seconds())
			}
		}
		if n < filled {
			k.Fresh = append(k.Fresh, total)
			continue
		}
		k.Total = append(k.Total, total)
		if err := s.bare(site, k); err != nil {
			return fmt.Errorf("read the manifest of %s: %w", site.host, err)
		}
	}
	return nil
}

// bare reads a site's manifest once more, from a disk that must bring it, and does nothing with it: no first request can be faster that
// looks at all of it.
func (s *asked) bare(site site, k *Kind) error {
	d, err := s.data.Store.Deployment(site.no)
	if err != nil {
		return err
	}
	f, err := s.blobs.Open(d.Manifest.Digest, d.Manifest.Size)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	if err := dropPages(s.dir); err != nil {
		return err
	}
	b := s.room(f.Size())
	began := time.Now()
	_, err = f.ReadAt(b, 0)
	k.Bare, k.Bytes = append(k.Bare, time.Since(began).Seconds()), f.Size()
	return err
}

// room is memory that was used before.
func (s *asked) room(n int64) []byte {
	if int64(len(s.buffer)) < n {
		s.buffer = bytes.Repeat([]byte{1}, int(n))
	}
	return s.buffer[:n]
}

// ask is what the edge does, with a look at the clock between the steps.
func (s *asked) ask(ctx context.Context, site site) (took []time.Duration, err error) {
	clock := time.Now()
	lap := func() time.Duration {
		d := time.Since(clock)
		clock = time.Now()
		return d
	}
	route, err := s.resolver.Resolve(ctx, &router.Query{Host: site.host, Path: "/"})
	if err != nil {
		return nil, err
	}
	took = append(took, lap())
	d, err := s.catalog.Deployment(ctx, route.Deployment)
	if err != nil {
		return nil, err
	}
	all, records, read := lap(), s.watch.records.take(), s.watch.read.take()
	took = append(took, records, read, all-records-read)
	if _, err := s.catalog.Settings(ctx, route.Project); err != nil {
		return nil, err
	}
	took = append(took, lap())
	var plan assets.Plan
	d.Site.Plan(&plan, &assets.Request{Method: "GET", Target: "/", Host: string(site.host), Scheme: "http"})
	if plan.Status != 200 || plan.Body.Kind != assets.BodyBlob {
		return nil, fmt.Errorf("status %d", plan.Status)
	}
	took = append(took, lap())
	_, err = s.blobs.ReadAll(plan.Body.Blob, plan.Body.BlobSize)
	return append(took, lap()), err
}

// dropPages takes the files below dir out of the page cache, after writing what is dirty. The kernel keeps what it knows of
// directories and names.
func dropPages(dir string) error {
	unix.Sync()
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the server removed it meanwhile
		}
		if err != nil {
			return err
		}
		defer f.Close() // only read
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

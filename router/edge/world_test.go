package edge

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/catalog"
	"berth/assets/manifest"
	"berth/router"
	"berth/store"
)

// planFunc is a site.
type planFunc func(dst *assets.Plan, req *assets.Request)

func (f planFunc) Plan(dst *assets.Plan, req *assets.Request) { f(dst, req) }

// world is everything a Server asks, held in maps. Set it up before the server runs.
type world struct {
	hosts map[string]router.Decision
	sites map[store.DeploymentNo]planner
	blobs *memBlobs
	disk  Blobs // instead of blobs

	skewed  map[store.DeploymentNo]store.UUID      // deployments with skew protection, and their IDs
	targets map[store.DeploymentNo]*catalog.Target // what was served before them

	functions Functions                                 // that run the code of deployments
	code      map[store.DeploymentNo]*catalog.Functions // of deployments that have any

	resolve func(q *router.Query) (router.Decision, error) // instead of hosts
	load    func(no store.DeploymentNo) (planner, error)   // instead of sites
}

func (w *world) deps(log *slog.Logger) Deps {
	d := Deps{Resolver: w, Blobs: w.blobs, CookieSecret: [32]byte{1}, Functions: w.functions, Log: log}
	if w.disk != nil {
		d.Blobs = w.disk
	}
	return d
}

var errTest = errors.New("made by the test")

func newWorld() *world {
	return &world{hosts: map[string]router.Decision{}, sites: map[store.DeploymentNo]planner{}, blobs: newMemBlobs()}
}

// add makes host lead to a site of its own.
func (w *world) add(host string, p planner) store.DeploymentNo {
	no := store.DeploymentNo(len(w.hosts) + 1)
	w.hosts[host] = router.Decision{Kind: store.RouteSite, Project: 7, Deployment: no, Class: store.ClassProduction}
	w.sites[no] = p
	return no
}

func (w *world) Resolve(_ context.Context, q *router.Query) (router.Decision, error) {
	if w.resolve != nil {
		return w.resolve(q)
	}
	if d, ok := w.hosts[string(q.Host)]; ok {
		return d, nil
	}
	return router.Decision{}, router.ErrNoRoute
}

func (w *world) deployment(_ context.Context, no store.DeploymentNo) (deployment, error) {
	if w.load != nil {
		p, err := w.load(no)
		return deployment{planner: p, no: no, content: catalog.Content{No: no}}, err
	}
	if p, ok := w.sites[no]; ok {
		d := deployment{planner: p, no: no, project: 7, content: catalog.Content{No: no}, functions: w.code[no]}
		if id, ok := w.skewed[no]; ok {
			d.uuid, d.settings.Skew = id, store.On
		}
		d.part, _ = p.(*assets.Site)
		return d, nil
	}
	return deployment{}, errTest
}

func (w *world) settings(context.Context, store.ProjectNo) (*store.SiteSettings, error) {
	return &noSettings, nil
}

func (w *world) target(_ context.Context, no store.DeploymentNo, _ bool) (*catalog.Target, error) {
	if t, ok := w.targets[no]; ok {
		return t, nil
	}
	return &noTarget, nil
}

var (
	noSettings store.SiteSettings
	noTarget   catalog.Target
)

// memBlobs is a blob store in memory that can be told to fail.
type memBlobs struct {
	mu     sync.Mutex
	data   map[manifest.Digest][]byte
	short  bool // files end early
	opened int
	closed int
	reads  int
}

func newMemBlobs() *memBlobs { return &memBlobs{data: map[manifest.Digest][]byte{}} }

func (m *memBlobs) put(data []byte) manifest.Digest {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := manifest.Digest{byte(len(m.data)), byte(len(m.data) >> 8), 0xb1, 0x0b}
	m.data[g] = data
	return g
}

func (m *memBlobs) ReadAll(g manifest.Digest, size int64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	data, ok := m.data[g]
	if !ok {
		return nil, blob.ErrNotFound
	}
	if size >= 0 && int64(len(data)) != size {
		return nil, blob.ErrCorrupt
	}
	return data, nil
}

func (m *memBlobs) Open(g manifest.Digest, size int64) (blob.File, error) {
	data, err := m.ReadAll(g, size)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened++
	if m.short {
		data = data[:len(data)/2]
	}
	return &memFile{Reader: bytes.NewReader(data), owner: m}, nil
}

type memFile struct {
	*bytes.Reader
	owner *memBlobs
}

func (f *memFile) Close() error {
	f.owner.mu.Lock()
	defer f.owner.mu.Unlock()
	f.owner.closed++
	return nil
}

// text is a site that answers every request with a short page.
func text(body string) planner {
	return planFunc(func(dst *assets.Plan, req *assets.Request) {
		dst.Status = 200
		dst.Head = req.Method == "HEAD"
		dst.Fields = append(dst.Fields[:0], assets.Field{Name: "Content-Type", Value: []byte("text/plain")})
		dst.Body = assets.Body{Kind: assets.BodyInline, Inline: []byte(body), Length: int64(len(body))}
	})
}

// checkFiles makes sure that files are held open by nobody but the cache of open files, and that opened of them were; -1: any number.
func (r *running) checkFiles(t *testing.T, w *world, opened int) {
	t.Helper()
	r.files.cache.DropAll()
	w.blobs.mu.Lock()
	defer w.blobs.mu.Unlock()
	if w.blobs.opened != w.blobs.closed || opened >= 0 && w.blobs.opened != opened {
		t.Errorf("%d files opened, %d closed", w.blobs.opened, w.blobs.closed)
	}
}

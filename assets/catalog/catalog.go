// Package catalog turns numbers into what a request is answered from, and keeps what is asked for, bounded by bytes:
// compiled sites of deployments, settings of projects, and what moving targets served before.
package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
	"unsafe"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/assets/rules"
	"berth/store"
	"berth/store/cache"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

// ErrCorrupt says that a deployment exists and that its stored listing is missing or not what its name says. Only
// restoring the blob helps; `berth fsck` finds all such deployments.
var ErrCorrupt = errors.New("catalog: corrupt deployment")

// Store is what the catalog needs of the store.
type Store interface {
	Deployments
	Projects
}

// Deployments are records of deployments, and news of all records.
type Deployments interface {
	// Deployment returns store.ErrNotFound (wrapped) when there is no such record.
	Deployment(no store.DeploymentNo) (store.Deployment, error)
	// Variants returns store.ErrNotFound (wrapped) or the zero FileRef when no file has an encoded form yet.
	Variants(no store.DeploymentNo) (store.FileRef, error)
	// OnCommit's hook runs after the commit can be read and before its writer is told.
	OnCommit(fn func(store.Commit)) (cancel func())
}

// Projects are records of projects. Both methods return store.ErrNotFound (wrapped) when there is no such record. A commit
// that sets or deletes a project, a target or a deployment of it names the project.
type Projects interface {
	Project(no store.ProjectNo) (store.Project, error)
	Target(no store.ProjectNo, branch string) (store.Target, error)
}

// Blobs is what it needs of the blob directory: all bytes of a blob of a known size, checked to be those of its name.
// blob.ErrNotFound and blob.ErrCorrupt (wrapped) say that they cannot be had.
type Blobs interface {
	ReadVerified(g manifest.Digest, size int64) ([]byte, error)
	// Open is for those who read parts of a blob, which are not checked.
	Open(g manifest.Digest, size int64) (blob.File, error)
}

// Deps are the catalog's neighbours.
type Deps struct {
	Store   Store                 // required
	Blobs   Blobs                 // required
	Log     *slog.Logger          // nil: slog.Default
	Metrics prometheus.Registerer // nil: counted, but not exported
}

// Options of a Catalog; the zero value works.
type Options struct {
	SiteCache    int64         // bytes of compiled sites to keep; 0: 256 MiB
	ProjectCache int64         // bytes of settings of projects to keep, about 160 each; 0: 32 MiB
	TargetCache  int64         // bytes of indexes of moving targets to keep; 0: 64 MiB
	Limits       rules.Options // of rule files; they should be those that deployments are checked with
}

const (
	defaultSiteCache    = 256 << 20
	defaultProjectCache = 32 << 20
	defaultTargetCache  = 64 << 20

	// What a site costs beside its Weight, and all that a project does, in bytes.
	deploymentCost = int64(unsafe.Sizeof(Deployment{})+unsafe.Sizeof(entry{})) + cache.EntryCost
	projectCost    = int64(unsafe.Sizeof(project{})) + cache.EntryCost

	// Sites that are being loaded are in no cache's bound, so a restart under load would read every manifest at once.
	loadBudget = 64 << 20

	// A corrupt deployment is read again after so long: often enough for whoever restores the blob, and no way to keep
	// the disk busy.
	corruptRetry = 30 * time.Second
	corruptKept  = 4096

	// What is served without a damaged part is read anew after so long. It may be large, and it serves.
	partialRetry = 5 * time.Minute
)

// Catalog answers from memory where it can. It is safe for concurrent use.
type Catalog struct {
	store    Store
	blobs    Blobs
	log      *slog.Logger
	cache    *cache.Cache[store.DeploymentNo, *entry]
	projects *cache.Cache[store.ProjectNo, *project]
	targets  *cache.Cache[targetKey, *Target]
	loading  *semaphore.Weighted
	versions atomic.Uint64 // of projects that were read
	damaged  atomic.Uint64 // contents that lack something
	corrupt  atomic.Uint64
	partial  atomic.Uint64
	noIndex  atomic.Uint64
	parts    atomic.Uint64
	whole    wholes
	capacity int64 // of cache
	room     int64 // of targets
	limits   rules.Options
	unhook   func()
	metrics  *metrics
}

// Deployment is a deployment that can serve. It is shared and must not be changed.
type Deployment struct {
	Site     *assets.Site
	No       store.DeploymentNo
	Project  store.ProjectNo
	UUID     store.UUID
	Branch   string
	Settings store.SiteSettings // its own; Effective says what holds
	Content  Content
	// Functions says which requests its code answers; nil: it has none.
	Functions *Functions
	// Part says that Site reads what a request needs of its listings while the whole is read. A plan of it counts only if Site.Err is nil
	// after it, and Content is zero.
	Part bool
}

// Content names what a deployment answers: two with the same one answer alike, in one process. It is the same again when
// a deployment that had to make room is loaded anew. The zero Content is one of a part, which nothing may be kept of.
type Content struct {
	No   store.DeploymentNo
	Form uint64 // of what may change of a deployment: its encoded forms, and what of it cannot be read
}

// entry is a deployment, or the finding that it cannot be had.
type entry struct {
	deployment *Deployment
	err        error // of a corrupt deployment
	retry
	whole atomic.Pointer[entry] // what stands in for a part once all of it was read; nil: it is whole itself, or that takes a moment
}

// best is the whole, if it is there.
func (e *entry) best() *entry {
	if w := e.whole.Load(); w != nil {
		return w
	}
	return e
}

// retry says when something that could not be read in full is read again.
type retry struct {
	again time.Time   // zero: never
	taken atomic.Bool // somebody does
}

// due says so once, or each who saw the old value would undo the load of the one before.
func (r *retry) due() bool {
	return !r.again.IsZero() && !time.Now().Before(r.again) && r.taken.CompareAndSwap(false, true)
}

// New makes an empty catalog that follows the store's commits until Close.
func New(d Deps, o Options) (*Catalog, error) {
	o.SiteCache = cmp.Or(o.SiteCache, defaultSiteCache)
	o.ProjectCache = cmp.Or(o.ProjectCache, defaultProjectCache)
	o.TargetCache = cmp.Or(o.TargetCache, defaultTargetCache)
	if d.Log == nil {
		d.Log = slog.Default()
	}
	if err := validate(d, o); err != nil {
		return nil, err
	}
	c := &Catalog{
		store: d.Store, blobs: d.Blobs, log: d.Log, loading: semaphore.NewWeighted(loadBudget),
		capacity: o.SiteCache, room: o.TargetCache, limits: o.Limits,
	}
	err := c.makeCaches(o.ProjectCache)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	if c.metrics, err = newMetrics(d.Metrics, c); err != nil {
		return nil, fmt.Errorf("catalog: register metrics: %w", err)
	}
	c.unhook = d.Store.OnCommit(c.follow)
	return c, nil
}

func (c *Catalog) makeCaches(projects int64) (err error) {
	c.cache, err = cache.New(cache.Options[store.DeploymentNo, *entry]{
		Hash:          func(no store.DeploymentNo) uint64 { return uint64(no) },
		Weight:        c.weight,
		Capacity:      c.capacity,
		Aside:         func(e *entry) bool { return e.deployment == nil },
		AsideCapacity: corruptKept,
	})
	if err != nil {
		return err
	}
	c.projects, err = cache.New(cache.Options[store.ProjectNo, *project]{
		Hash:     func(no store.ProjectNo) uint64 { return uint64(no) },
		Weight:   func(store.ProjectNo, *project) int64 { return projectCost },
		Capacity: projects,
	})
	if err != nil {
		return err
	}
	c.targets, err = cache.New(cache.Options[targetKey, *Target]{
		Hash:     targetKey.hash,
		Weight:   func(_ targetKey, t *Target) int64 { return min(t.weight(), c.room) },
		Capacity: c.room,
	})
	return err
}

func validate(d Deps, o Options) error {
	var faults []error
	if d.Store == nil {
		faults = append(faults, errors.New("catalog: Deps.Store is required"))
	}
	if d.Blobs == nil {
		faults = append(faults, errors.New("catalog: Deps.Blobs is required"))
	}
	if o.SiteCache < 0 {
		faults = append(faults, fmt.Errorf("catalog: Options.SiteCache is %d, must not be negative", o.SiteCache))
	}
	if o.ProjectCache < projectCost {
		faults = append(faults, fmt.Errorf("catalog: Options.ProjectCache is %d, must be at least %d", o.ProjectCache, projectCost))
	}
	if o.TargetCache < 0 {
		faults = append(faults, fmt.Errorf("catalog: Options.TargetCache is %d, must not be negative", o.TargetCache))
	}
	return errors.Join(faults...)
}

// weight never exceeds the capacity: a site larger than the cache is then kept alone, where the cache would otherwise
// refuse it and every request for it would read it anew.
func (c *Catalog) weight(_ store.DeploymentNo, e *entry) int64 {
	if e.deployment == nil {
		return 1
	}
	return min(e.deployment.Site.Weight()+e.deployment.Functions.weight()+deploymentCost+int64(len(e.deployment.Branch)), c.capacity)
}

// follow drops what a commit changed, so that no answer outlives a deployment or a setting. What belongs to a target goes
// with its project.
func (c *Catalog) follow(commit store.Commit) {
	for _, no := range commit.Deployments {
		c.cache.Drop(no)
	}
	for _, no := range commit.Projects {
		c.projects.Drop(no)
	}
}

// Site returns the compiled site of a deployment, as Deployment does.
func (c *Catalog) Site(ctx context.Context, no store.DeploymentNo) (*assets.Site, error) {
	d, err := c.Deployment(ctx, no)
	if err != nil {
		return nil, err
	}
	return d.Site, nil
}

// Deployment returns a deployment and its compiled site: without a lock or an allocation if it is at hand, else loading
// it once however many wait. The error wraps store.ErrNotFound if there is no such deployment or it has no files to
// serve, and ErrCorrupt if it cannot be read. One whose early hints or encoded forms cannot be read is served without.
func (c *Catalog) Deployment(ctx context.Context, no store.DeploymentNo) (*Deployment, error) {
	e, ok := c.cache.Get(no)
	if ok {
		e = e.best()
	}
	if ok && e.again.IsZero() {
		return e.deployment, nil
	}
	if ok && e.due() {
		c.cache.Drop(no)
	}
	return c.loadDeployment(ctx, no)
}

// loadDeployment is apart so that its closure costs a hit nothing.
func (c *Catalog) loadDeployment(ctx context.Context, no store.DeploymentNo) (*Deployment, error) {
	e, err := c.cache.Load(ctx, no, func(ctx context.Context) (*entry, error) { return c.load(ctx, no) })
	if err != nil {
		return nil, fmt.Errorf("site of deployment %d: %w", no, err)
	}
	e = e.best()
	return e.deployment, e.err
}

// Settle waits until no site is answered from parts any more.
func (c *Catalog) Settle() { c.whole.wait(false) }

// Close lets go of the store and the metrics.
func (c *Catalog) Close() {
	c.whole.wait(true)
	c.unhook()
	c.metrics.unregister()
}

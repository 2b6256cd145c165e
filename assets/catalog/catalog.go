// Package catalog turns deployment numbers into compiled sites and keeps those that are asked for, by bytes.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"berth/assets"
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

// Deployments is what the catalog needs of the store.
type Deployments interface {
	// Deployment returns store.ErrNotFound (wrapped) when there is no such record.
	Deployment(no store.DeploymentNo) (store.Deployment, error)
	// OnCommit's hook runs after the commit can be read and before its writer is told.
	OnCommit(fn func(store.Commit)) (cancel func())
}

// Blobs is what it needs of the blob directory: all bytes of a blob of a known size.
type Blobs interface {
	ReadAll(g manifest.Digest, size int64) ([]byte, error)
}

// Deps are the catalog's neighbours.
type Deps struct {
	Store   Deployments           // required
	Blobs   Blobs                 // required
	Metrics prometheus.Registerer // nil: counted, but not exported
}

// Options of a Catalog; the zero value works.
type Options struct {
	SiteCache int64         // bytes of compiled sites to keep; 0: 256 MiB
	Limits    rules.Options // of rule files; they should be those that deployments are checked with
}

const (
	defaultSiteCache = 256 << 20

	// Sites that are being loaded are in no cache's bound, so a restart under load would read every manifest at once.
	loadBudget = 64 << 20

	// A corrupt deployment is read again after so long: often enough for whoever restores the blob, and no way to keep
	// the disk busy.
	corruptRetry = 30 * time.Second
	corruptKept  = 4096
)

// Catalog maps deployment numbers to compiled sites. It is safe for concurrent use.
type Catalog struct {
	store    Deployments
	blobs    Blobs
	cache    *cache.Cache[store.DeploymentNo, *entry]
	loading  *semaphore.Weighted
	corrupt  atomic.Uint64
	capacity int64
	limits   rules.Options
	unhook   func()
	metrics  *metrics
}

// entry is a site, or the finding that there can be none.
type entry struct {
	site  *assets.Site
	err   error       // of a corrupt deployment
	again time.Time   // when to look at it again
	taken atomic.Bool // somebody does
}

// New makes an empty catalog that follows the store's commits until Close.
func New(d Deps, o Options) (*Catalog, error) {
	if o.SiteCache == 0 {
		o.SiteCache = defaultSiteCache
	}
	if err := validate(d, o); err != nil {
		return nil, err
	}
	c := &Catalog{store: d.Store, blobs: d.Blobs, loading: semaphore.NewWeighted(loadBudget), capacity: o.SiteCache, limits: o.Limits}
	var err error
	c.cache, err = cache.New(cache.Options[store.DeploymentNo, *entry]{
		Hash:          func(no store.DeploymentNo) uint64 { return uint64(no) },
		Weight:        c.weight,
		Capacity:      o.SiteCache,
		Aside:         func(e *entry) bool { return e.site == nil },
		AsideCapacity: corruptKept,
	})
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	if c.metrics, err = newMetrics(d.Metrics, c); err != nil {
		return nil, fmt.Errorf("catalog: register metrics: %w", err)
	}
	c.unhook = d.Store.OnCommit(c.follow)
	return c, nil
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
	return errors.Join(faults...)
}

// weight never exceeds the capacity: a site larger than the cache is then kept alone, where the cache would otherwise
// refuse it and every request for it would read it anew.
func (c *Catalog) weight(_ store.DeploymentNo, e *entry) int64 {
	if e.site == nil {
		return 1
	}
	return min(e.site.Weight(), c.capacity)
}

// follow drops what a commit created or deleted, so that no answer outlives a deployment.
func (c *Catalog) follow(commit store.Commit) {
	for _, no := range commit.Deployments {
		c.cache.Drop(no)
	}
}

// Site returns the compiled site of a deployment: without a lock or an allocation if it is at hand, else loading it
// once however many wait. The error wraps store.ErrNotFound if there is no such deployment or it has no files to
// serve, and ErrCorrupt if it cannot be read.
func (c *Catalog) Site(ctx context.Context, no store.DeploymentNo) (*assets.Site, error) {
	e, ok := c.cache.Get(no)
	if ok && e.site != nil {
		return e.site, nil
	}
	if ok && !time.Now().Before(e.again) && e.taken.CompareAndSwap(false, true) {
		c.cache.Drop(no) // once, or each who saw e would undo the load of the one before
	}
	e, err := c.cache.Load(ctx, no, func(ctx context.Context) (*entry, error) { return c.load(ctx, no) })
	if err != nil {
		return nil, fmt.Errorf("site of deployment %d: %w", no, err)
	}
	return e.site, e.err
}

// Close lets go of the store and the metrics.
func (c *Catalog) Close() {
	c.unhook()
	c.metrics.unregister()
}

// Stats tells how the catalog does.
type Stats struct {
	Cache   cache.Stats
	Corrupt uint64 // loads that ended in ErrCorrupt
}

// Stats returns the counters since New.
func (c *Catalog) Stats() Stats { return Stats{Cache: c.cache.Stats(), Corrupt: c.corrupt.Load()} }

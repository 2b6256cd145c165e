package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"berth/assets/blob"
	"berth/assets/catalog"
	"berth/assets/compress"
	"berth/cmd/berth/explain"
	"berth/cmd/berth/migration"
	"berth/router"
	"berth/router/edge"
	"berth/router/functions"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/store"
	"berth/store/control"
)

// node is every part of a server, wired. Nothing of it serves yet.
type node struct {
	data      *store.DataDir
	blobs     *blob.Dir
	hashed    *hashed.Resolver
	migration *migration.Service
	catalog   *catalog.Catalog
	control   *control.Service
	functions *functions.Runtime // nil: none run
	edge      *edge.Server
	encoder   *compress.Pool // nil: files are not encoded
	metrics   *prometheus.Registry
}

// open opens the data directory and wires the parts over it. The end of ctx ends a start that a long log or a hung disk
// holds up.
func (c *checked) open(ctx context.Context, log *slog.Logger, publicURL string) (*node, error) {
	data, err := store.OpenDataDirContext(ctx, c.Data, store.Options{CacheBytes: c.StoreCache, KeyFilterBytes: c.KeyFilter, Log: log})
	if err != nil {
		return nil, explainOpen(c.Data, err)
	}
	c.Data = data.Dir
	n := &node{data: data}
	if c.storedDomain {
		if domain, err := data.Store.BaseDomain(); err != nil {
			return nil, errors.Join(err, n.close())
		} else if domain != "" {
			c.Domain = domain
		}
	}
	if err := n.wire(c, log, publicURL); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) wire(c *checked, log *slog.Logger, publicURL string) (err error) {
	hasher := hostkey.NewHasher(n.data.Secrets.HostnameHash)
	if n.blobs, err = blob.OpenDir(filepath.Join(c.Data, "blobs"), blob.Options{}); err != nil {
		return explainOpen(c.Data, err)
	}
	if n.hashed, err = hashed.New(n.data.Store, hasher, hashed.Options{RouteCache: c.RouteCache, UnknownCache: c.UnknownCache}); err != nil {
		return fmt.Errorf("start the router: %w", err)
	}
	if n.migration, err = migration.New(migration.Deps{Store: n.data.Store, Hasher: hasher, Hashed: n.hashed, Log: log}, c.migrationOptions()); err != nil {
		return fmt.Errorf("start the migration: %w", err)
	}
	n.metrics = n.newMetrics()
	if n.catalog, err = catalog.New(catalog.Deps{Store: n.data.Store, Blobs: n.blobs, Log: log, Metrics: n.metrics}, catalog.Options{
		SiteCache: c.SiteCache, ProjectCache: c.ProjectCache, TargetCache: c.TargetCache, Limits: c.Control.Rules,
	}); err != nil {
		return fmt.Errorf("start the catalog: %w", err)
	}
	if err := n.wireEdge(c, log); err != nil {
		return err
	}
	dns := ""
	if c.Resolver != "" {
		if dns, err = resolverAddress(c.Resolver); err != nil {
			return err
		}
	}
	deps := control.Deps{
		Store: n.data.Store, Blobs: n.blobs, Hasher: hasher, Routes: n.migration.Routes(), RoutesSet: n.migration.RoutesSet, Resolver: newResolver(dns), Log: log,
		SealingKey: n.data.Secrets.Sealing, UploadKey: n.data.Secrets.UploadToken,
	}
	if n.encoder, err = c.newEncoder(log); err != nil {
		return fmt.Errorf("start encoding: %w", err)
	}
	if n.encoder != nil {
		deps.Encoder = n.encoder
	}
	n.control, err = control.New(deps, c.controlOptions(publicURL))
	if err != nil {
		return fmt.Errorf("start the control plane: %w", err)
	}
	why := explain.Deps{Store: n.data.Store, Hasher: hasher, Resolver: n.migration.Resolver(), Sites: n.catalog, Datacentre: c.Datacentre, Who: n.migration.Who, Skew: n.edge.Skew, RunsFunctions: n.functions != nil, KeepAssets: c.Control.KeepAssets}
	n.control.Extra(explain.Pattern, control.NeedAnyToken, why.Handle)
	n.migration.Mount(n.control)
	return nil
}

// wireEdge makes the edge, and what runs functions for it.
func (n *node) wireEdge(c *checked, log *slog.Logger) (err error) {
	deps := edge.Deps{Resolver: n.migration.Resolver(), Sites: n.catalog, Blobs: n.blobs, CookieSecret: n.data.Secrets.Cookie, Log: log}
	if c.Functions.Command != "" {
		source := &functions.Stored{Store: n.data.Store, Blobs: n.blobs, Settings: n.runSettings}
		if n.functions, err = functions.New(functions.Deps{Source: source, Log: log}, c.functionOptions()); err != nil {
			return fmt.Errorf("start functions: %w", err)
		}
		deps.Functions = n.functions
	}
	if n.edge, err = edge.New(deps, c.edgeOptions()); err != nil {
		return fmt.Errorf("start the edge: %w", err)
	}
	if n.functions != nil {
		n.functions.Start(n.edge)
	}
	return nil
}

// runSettings is asked when the control plane is there: nobody has a deployment run before the edge serves.
func (n *node) runSettings(p store.Project, e store.Environment) (functions.Settings, error) {
	s, err := n.control.RunSettings(p, e)
	return functions.Settings(s), err
}

// newEncoder makes the processes that encode files; it starts none yet.
func (c *checked) newEncoder(log *slog.Logger) (*compress.Pool, error) {
	if len(c.EncodeCommand) == 0 || c.Control.CompressWorkers < 0 {
		return nil, nil
	}
	return compress.NewPool(compress.Options{Command: c.EncodeCommand, Workers: c.Control.Workers(), Log: log})
}

// close closes what is open, the store last.
func (n *node) close() error {
	var err error
	if n.functions != nil {
		err = n.functions.Close()
	}
	if n.catalog != nil {
		n.catalog.Close()
	}
	if n.migration != nil {
		err = errors.Join(err, n.migration.Close())
	}
	if n.hashed != nil {
		n.hashed.Close()
	}
	if n.encoder != nil {
		err = errors.Join(err, n.encoder.Close())
	}
	if n.blobs != nil {
		err = errors.Join(err, n.blobs.Close())
	}
	if closeErr := n.data.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close the store: %w", closeErr))
	}
	return err
}

// standIn takes the place of what limits are not checked against.
type standIn struct{}

func (standIn) Resolve(context.Context, *router.Query) (router.Decision, error) {
	return router.Decision{}, router.ErrNoRoute
}

func (standIn) Deployment(context.Context, store.DeploymentNo) (*catalog.Deployment, error) {
	return nil, store.ErrNotFound
}

func (standIn) Settings(context.Context, store.ProjectNo) (*store.SiteSettings, error) {
	return nil, store.ErrNotFound
}

func (standIn) Target(context.Context, store.DeploymentNo, bool) (*catalog.Target, error) {
	return nil, store.ErrNotFound
}

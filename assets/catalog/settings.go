package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth/store"
)

// project is what is known of one. Its version changes whenever it is read anew, which every commit that touches it
// brings about.
type project struct {
	settings store.SiteSettings
	version  uint64
}

// Settings returns a project's settings, to be read only: without a lock or an allocation if they are at hand. Those of a
// project that is gone are all unset.
func (c *Catalog) Settings(ctx context.Context, no store.ProjectNo) (*store.SiteSettings, error) {
	p, err := c.project(ctx, no)
	if err != nil {
		return nil, err
	}
	return &p.settings, nil
}

// Effective are the settings that hold for a deployment of a project: its own, and the project's where one is unset.
func Effective(own, project store.SiteSettings) store.SiteSettings {
	if own.CORS == store.Unset {
		own.CORS = project.CORS
	}
	if own.Skew == store.Unset {
		own.Skew = project.Skew
	}
	if own.KeepAssets == 0 {
		own.KeepAssets = project.KeepAssets
	}
	return own
}

// Keep is how long files of earlier deployments are answered, by the server's time and the site's: the shorter of those that
// are given. 0: neither is; negative: not at all.
func Keep(server, site time.Duration) time.Duration {
	if server < 0 || site < 0 {
		return -1
	}
	if site == 0 || server > 0 && server < site {
		return server
	}
	return site
}

func (c *Catalog) project(ctx context.Context, no store.ProjectNo) (*project, error) {
	if p, ok := c.projects.Get(no); ok {
		return p, nil
	}
	return c.loadProject(ctx, no)
}

// loadProject is apart so that its closure costs a hit nothing.
func (c *Catalog) loadProject(ctx context.Context, no store.ProjectNo) (*project, error) {
	return c.projects.Load(ctx, no, func(context.Context) (*project, error) {
		p, err := c.store.Project(no)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("settings of project %d: %w", no, err)
		}
		return &project{settings: p.Site, version: c.versions.Add(1)}, nil
	})
}

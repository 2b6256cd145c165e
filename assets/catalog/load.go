package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

// load reads and compiles a deployment. What is corrupt becomes an entry, so that it is remembered for a while; other
// errors (a disk that cannot be read just now) are not.
func (c *Catalog) load(ctx context.Context, no store.DeploymentNo) (*entry, error) {
	d, err := c.store.Deployment(no)
	if err != nil {
		return nil, err
	}
	if d.Manifest == (store.FileRef{}) {
		return nil, fmt.Errorf("it has no files: %w", store.ErrNotFound)
	}
	site, err := c.compile(ctx, d.Manifest)
	switch {
	case err == nil:
		return &entry{site: site}, nil
	case !errors.Is(err, ErrCorrupt):
		return nil, err
	}
	// A deletion may have come between the record and the blob, which is no corruption.
	if _, gone := c.store.Deployment(no); errors.Is(gone, store.ErrNotFound) {
		return nil, gone
	}
	c.corrupt.Add(1)
	return &entry{err: fmt.Errorf("site of deployment %d: %w", no, err), again: time.Now().Add(corruptRetry)}, nil
}

func (c *Catalog) compile(ctx context.Context, ref store.FileRef) (*assets.Site, error) {
	weight := min(max(ref.Size, 0), loadBudget)
	if err := c.loading.Acquire(ctx, weight); err != nil {
		return nil, fmt.Errorf("wait for other loads: %w", err)
	}
	defer c.loading.Release(weight)
	raw, err := c.blobs.ReadAll(ref.Digest, ref.Size)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrCorrupt):
		return nil, fmt.Errorf("%w: read manifest %s: %w", ErrCorrupt, ref.Digest, err)
	case err != nil:
		return nil, fmt.Errorf("read manifest %s: %w", ref.Digest, err)
	}
	if got := manifest.DigestOf(raw); got != ref.Digest {
		return nil, fmt.Errorf("%w: the bytes of manifest %s hash to %s", ErrCorrupt, ref.Digest, got)
	}
	site, err := assets.Compile(assets.Input{Manifest: raw})
	if err != nil {
		return nil, fmt.Errorf("%w: manifest %s: %w", ErrCorrupt, ref.Digest, err)
	}
	return site, nil
}

package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/assets/rules"
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
	site, err := c.compile(ctx, d)
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

// compile reads a deployment's manifest and rule files. A rule file that is gone or damaged makes the deployment corrupt:
// without its rules a site may show what it should not.
func (c *Catalog) compile(ctx context.Context, d store.Deployment) (*assets.Site, error) {
	weight := min(max(d.Manifest.Size, 0)+max(d.Headers.Size, 0)+max(d.Redirects.Size, 0), loadBudget)
	if err := c.loading.Acquire(ctx, weight); err != nil {
		return nil, fmt.Errorf("wait for other loads: %w", err)
	}
	defer c.loading.Release(weight)
	in := assets.Input{Limits: c.limits}
	for _, part := range []struct {
		name string
		ref  store.FileRef
		into *[]byte
	}{{"manifest", d.Manifest, &in.Manifest}, {rules.HeadersFile, d.Headers, &in.Headers}, {rules.RedirectsFile, d.Redirects, &in.Redirects}} {
		var err error
		if *part.into, err = c.read(part.name, part.ref); err != nil {
			return nil, err
		}
	}
	site, err := assets.Compile(in)
	if err != nil {
		return nil, fmt.Errorf("%w: manifest %s: %w", ErrCorrupt, d.Manifest.Digest, err)
	}
	return site, nil
}

// read returns the bytes of a file that a deployment's record names, after checking that they are those; none for the
// zero FileRef.
func (c *Catalog) read(name string, ref store.FileRef) ([]byte, error) {
	if ref == (store.FileRef{}) {
		return nil, nil
	}
	raw, err := c.blobs.ReadAll(ref.Digest, ref.Size)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrCorrupt):
		return nil, fmt.Errorf("%w: read %s %s: %w", ErrCorrupt, name, ref.Digest, err)
	case err != nil:
		return nil, fmt.Errorf("read %s %s: %w", name, ref.Digest, err)
	case int64(len(raw)) != ref.Size:
		return nil, fmt.Errorf("%w: %s %s has %d bytes, want %d", ErrCorrupt, name, ref.Digest, len(raw), ref.Size)
	}
	if got := manifest.DigestOf(raw); got != ref.Digest {
		return nil, fmt.Errorf("%w: the bytes of %s %s hash to %s", ErrCorrupt, name, ref.Digest, got)
	}
	return raw, nil
}

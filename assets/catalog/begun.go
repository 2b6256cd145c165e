package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/assets/rules"
	"berth/assets/sparse"
	"berth/assets/variants"
	"berth/store"
)

// partFrom is how large a listing is of which the first requests read what they need: some 2,000 files. Less is read as fast as opened.
const partFrom = 256 << 10

// begun is a deployment that answers before all of its listings were read. What it reads of them is not checked against the name of the blob,
// no more than the bodies of files are; the whole is, some milliseconds later.
type begun struct {
	compiled
	manifest *sparse.Bytes
	variants *sparse.Bytes // nil: there are none, or few
	few      []byte        // those
	mu       sync.Mutex    // guards open
	open     []blob.File
}

// begin has a large deployment answer at once, and reads the whole meanwhile. It returns nil if the whole must be there first: the deployment
// is small, something is wrong with it, or too much else is being read.
func (c *Catalog) begin(d store.Deployment, v variantsRef) *entry {
	if d.Manifest.Size < partFrom || v.err != nil {
		return nil
	}
	weight := weightOf([]store.FileRef{d.Manifest, d.Headers, d.Redirects, d.Routes, d.Hints, v.ref})
	if !c.loading.TryAcquire(weight) {
		return nil
	}
	b := new(begun)
	if err := c.openBegun(b, d, v.ref); err != nil { // whoever reads the whole says so
		b.close()
		c.loading.Release(weight)
		return nil
	}
	c.parts.Add(1)
	e := &entry{deployment: deploymentOf(d, b.compiled)}
	e.deployment.Part = true
	c.whole.Go(func() {
		whole := c.complete(b, d, v.ref)
		b.close()
		c.loading.Release(weight)
		if whole == nil {
			whole = c.completeAnew(d, v)
		}
		e.whole.Store(whole)
	})
	return e
}

// openBegun reads what is small while it opens what is large.
func (c *Catalog) openBegun(b *begun, d store.Deployment, coded store.FileRef) error {
	in := assets.Input{Limits: c.limits}
	var routes []byte
	parts := []part{
		{name: rules.HeadersFile, ref: d.Headers, into: &in.Headers},
		{name: rules.RedirectsFile, ref: d.Redirects, into: &in.Redirects},
		{name: rules.RoutesFile, ref: d.Routes, into: &routes},
		{name: "early hints", ref: d.Hints, into: &in.Hints},
	}
	if coded.Size < partFrom {
		parts = append(parts, part{name: "encoded forms", ref: coded, into: &b.few})
	}
	var small sync.WaitGroup
	small.Go(func() { c.readParts(parts) })
	files, forms, err := c.openLarge(b, d.Manifest, coded)
	small.Wait()
	for _, p := range parts {
		err = errors.Join(err, p.err)
	}
	if err == nil && len(b.few) > 0 {
		forms, err = variants.Open(b.few, files.Len())
	}
	if err != nil {
		return err
	}
	if b.site, err = assets.CompilePart(files, forms, in); err != nil {
		return err
	}
	b.functions, err = compileFunctions(d, routes, c.limits)
	return err
}

// openLarge opens the listings. The first look at each is the disk's to answer: both are asked at once.
func (c *Catalog) openLarge(b *begun, listing, coded store.FileRef) (files *manifest.Manifest, forms *variants.Listing, err error) {
	var other sync.WaitGroup
	var otherErr error
	if coded.Size >= partFrom {
		other.Go(func() {
			if b.variants, otherErr = c.sparse(b, coded); otherErr == nil {
				b.variants.At(0, 1)
			}
		})
	}
	if b.manifest, err = c.sparse(b, listing); err == nil {
		files, err = manifest.OpenPart(b.manifest)
	}
	other.Wait()
	if err = errors.Join(err, otherErr); err == nil && b.variants != nil {
		forms, err = variants.OpenPart(b.variants, files.Len())
	}
	return files, forms, err
}

func (c *Catalog) sparse(b *begun, ref store.FileRef) (*sparse.Bytes, error) {
	f, err := c.blobs.Open(ref.Digest, ref.Size)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, f)
	return sparse.New(f, f.Size()), nil
}

func (b *begun) close() {
	for _, f := range b.open {
		_ = f.Close() // only read
	}
}

// complete reads and checks the whole; nil: something is wrong with it.
func (c *Catalog) complete(b *begun, d store.Deployment, coded store.FileRef) *entry {
	listing, err := fill(b.manifest, d.Manifest)
	if err != nil {
		return nil
	}
	forms := b.few
	if b.variants != nil {
		if forms, err = fill(b.variants, coded); err != nil {
			return nil
		}
	}
	site, err := b.site.Complete(listing, forms)
	if err != nil {
		return nil
	}
	return c.found(d, coded, compiled{site, b.functions}, nil)
}

func fill(b *sparse.Bytes, ref store.FileRef) ([]byte, error) {
	raw, err := b.Fill()
	if err == nil && manifest.DigestOf(raw) != ref.Digest {
		err = fmt.Errorf("%w: blob %s", ErrCorrupt, ref.Digest)
	}
	return raw, err
}

// completeAnew reads everything again, to find out what is wrong. What cannot be read just now is tried again with the next request.
func (c *Catalog) completeAnew(d store.Deployment, v variantsRef) *entry {
	e, err := c.loadWhole(context.Background(), d.No, d, v)
	if err != nil {
		return &entry{err: fmt.Errorf("site of deployment %d: %w", d.No, err), retry: retry{again: time.Now()}}
	}
	return e
}

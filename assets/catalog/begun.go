package catalog

import (
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

// headStart is what the first request gets of disk and processors before the whole is read.
const headStart = 10 * time.Millisecond

// begun is a deployment that answers before all of its listings were read. What it reads of them is not checked against the name of the blob,
// no more than the bodies of files are; the whole is, some milliseconds later.
type begun struct {
	compiled
	manifest *sparse.Bytes
	variants *sparse.Bytes // nil: there are none, or few
	few      []byte        // those
	release  func()        // what it takes of the budget
	mu       sync.Mutex    // guards open
	open     []blob.File
}

func (b *begun) close() {
	for _, f := range b.open {
		_ = f.Close() // only read
	}
	b.release()
}

// begin has a large deployment answer at once, and reads the whole meanwhile. It returns nil if the whole must be there first: the deployment
// is small, something is or was wrong with it, or too much else is being read.
func (c *Catalog) begin(no store.DeploymentNo, d store.Deployment, v variantsRef) (e *entry) {
	if d.Manifest.Size < partFrom || v.err != nil || !c.whole.begin(no) {
		return nil
	}
	weight := weightOf([]store.FileRef{d.Manifest, d.Headers, d.Redirects, d.Routes, d.Hints, v.ref})
	if !c.loading.TryAcquire(weight) {
		c.whole.end()
		return nil
	}
	b := &begun{release: func() { c.loading.Release(weight) }}
	defer func() {
		if e == nil { // also in a panic
			b.close()
			c.whole.end()
		}
	}()
	if err := c.openBegun(b, d, v.ref); err != nil { // whoever reads the whole says so
		return nil
	}
	c.parts.Add(1)
	e = &entry{deployment: deploymentOf(d, b.compiled)}
	e.deployment.Part = true
	go func() {
		defer c.whole.end()
		defer b.close()
		time.Sleep(headStart)
		whole, err := c.complete(b, d, v.ref)
		if err != nil { // now the part is not to be believed either, and the next request reads the whole, and says what is wrong
			c.whole.distrust(no)
			b.manifest.Fail(err)
			c.cache.Drop(no)
			return
		}
		e.whole.Store(whole)
	}()
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
	var failed error
	small.Go(func() {
		defer func() {
			if p := recover(); p != nil { // whoever reads the whole compiles them in the cache's care
				failed = fmt.Errorf("panic: %v", p)
			}
		}()
		c.readParts(parts)
		in.Rules = assets.CompileRules(in.Headers, in.Redirects, in.Limits) // while the disk looks for what is large
	})
	files, forms, err := c.openLarge(b, d.Manifest, coded)
	small.Wait()
	err = errors.Join(err, failed)
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

// complete reads and checks the whole.
func (c *Catalog) complete(b *begun, d store.Deployment, coded store.FileRef) (e *entry, err error) {
	defer func() {
		if p := recover(); p != nil { // in a fill the cache does so
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	listing, err := fill(b.manifest, d.Manifest)
	if err != nil {
		return nil, err
	}
	forms := b.few
	if b.variants != nil {
		if forms, err = fill(b.variants, coded); err != nil {
			return nil, err
		}
	}
	site, err := b.site.Complete(listing, forms)
	if err != nil {
		return nil, err
	}
	return c.found(d, coded, compiled{site, b.functions}, nil), nil
}

func fill(b *sparse.Bytes, ref store.FileRef) ([]byte, error) {
	raw, err := b.Fill()
	if err == nil && manifest.DigestOf(raw) != ref.Digest {
		err = fmt.Errorf("%w: blob %s", ErrCorrupt, ref.Digest)
	}
	return raw, err
}

// wholes counts those that are being read while parts answer, and knows of which deployments that failed. The zero value has none.
type wholes struct {
	mu      sync.Mutex // guards what follows
	reading int
	idle    chan struct{} // closed when reading comes to 0; nil: nobody waits
	closed  bool
	failed  map[store.DeploymentNo]struct{} // at most corruptKept
}

// begin says whether a part of a deployment may answer; if it may, end must be called.
func (w *wholes) begin(no store.DeploymentNo) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, failed := w.failed[no]; failed || w.closed {
		return false
	}
	w.reading++
	return true
}

func (w *wholes) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reading--; w.reading == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// distrust has the deployment answered by the whole alone, until trust.
func (w *wholes) distrust(no store.DeploymentNo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil || len(w.failed) >= corruptKept {
		w.failed = map[store.DeploymentNo]struct{}{}
	}
	w.failed[no] = struct{}{}
}

func (w *wholes) trust(no store.DeploymentNo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.failed, no)
}

// wait waits until none is being read. After one that closes, none is begun.
func (w *wholes) wait(closes bool) {
	w.mu.Lock()
	w.closed = w.closed || closes
	if w.reading == 0 {
		w.mu.Unlock()
		return
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	<-idle
}

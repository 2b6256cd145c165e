package catalog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/rules"
	"berth/store"
)

// load reads and compiles a deployment. What is corrupt becomes an entry, so that it is remembered for a while; other
// errors (a disk that cannot be read just now) are not.
func (c *Catalog) load(ctx context.Context, no store.DeploymentNo) (*entry, error) {
	d, variants, err := c.records(no)
	if err != nil {
		return nil, err
	}
	if d.Manifest == (store.FileRef{}) {
		return nil, fmt.Errorf("it has no files: %w", store.ErrNotFound)
	}
	if e := c.begin(no, d, variants); e != nil {
		return e, nil
	}
	e, err := c.loadWhole(ctx, no, d, variants)
	if err == nil && e.deployment != nil {
		c.whole.trust(no)
	}
	return e, err
}

// loadWhole reads all of a deployment's files before it answers from any.
func (c *Catalog) loadWhole(ctx context.Context, no store.DeploymentNo, d store.Deployment, variants variantsRef) (*entry, error) {
	compiled, lacking, err := c.compile(ctx, d, variants)
	switch {
	case err == nil:
		return c.found(d, variants.ref, compiled, lacking), nil
	case !errors.Is(err, ErrCorrupt):
		return nil, err
	}
	// A deletion may have come between the record and the blob, which is no corruption.
	if _, gone := c.store.Deployment(no); errors.Is(gone, store.ErrNotFound) {
		return nil, gone
	}
	c.corrupt.Add(1)
	return &entry{err: fmt.Errorf("site of deployment %d: %w", no, err), retry: retry{again: time.Now().Add(corruptRetry)}}, nil
}

// variantsRef is where a deployment's encoded forms are listed, or why that is not known.
type variantsRef struct {
	ref store.FileRef
	err error
}

// records reads both of a deployment's at once: in a large store each may be a read of the disk.
func (c *Catalog) records(no store.DeploymentNo) (d store.Deployment, v variantsRef, err error) {
	var reading sync.WaitGroup
	reading.Go(func() { v.ref, v.err = c.store.Variants(no) })
	d, err = c.store.Deployment(no)
	reading.Wait()
	if errors.Is(v.err, store.ErrNotFound) {
		v.err = nil
	}
	return d, v, err
}

// found makes the entry of a site, and reports what it has to do without.
func (c *Catalog) found(d store.Deployment, variants store.FileRef, compiled compiled, lacking error) *entry {
	content := Content{d.No, binary.LittleEndian.Uint64(variants.Digest[:]) >> 1}
	if lacking != nil {
		content.Form = 1<<63 | c.damaged.Add(1)
	}
	e := &entry{deployment: deploymentOf(d, compiled)}
	e.deployment.Content = content
	if lacking != nil {
		c.partial.Add(1)
		c.log.Error("deployment is served without its early hints or encoded forms", "deployment", d.No, "err", lacking)
		e.again = time.Now().Add(partialRetry)
	}
	return e
}

func deploymentOf(d store.Deployment, c compiled) *Deployment {
	return &Deployment{Site: c.site, Functions: c.functions, No: d.No, Project: d.Project, UUID: d.UUID, Branch: d.Branch, Settings: d.Site}
}

// compiled is what comes of a deployment's files.
type compiled struct {
	site      *assets.Site
	functions *Functions
}

// part is a file that a deployment's record names, and what was read of it.
type part struct {
	name  string
	ref   store.FileRef
	into  *[]byte
	spare bool // the site serves without
	err   error
}

// compile reads a deployment's manifest and rule files. A rule file that is gone or damaged makes the deployment corrupt:
// without its rules a site may show what it should not. Early hints and encoded forms only make it faster; lacking says
// what is wrong with those, and the site is without.
func (c *Catalog) compile(ctx context.Context, d store.Deployment, variants variantsRef) (done compiled, lacking, err error) {
	release, err := c.reserve(ctx, d.Manifest, d.Headers, d.Redirects, d.Routes, d.Hints, variants.ref)
	if err != nil {
		return done, nil, err
	}
	defer release()
	lacking = variants.err
	in := assets.Input{Limits: c.limits}
	var routes []byte
	parts := []part{
		{name: "manifest", ref: d.Manifest, into: &in.Manifest},
		{name: rules.HeadersFile, ref: d.Headers, into: &in.Headers},
		{name: rules.RedirectsFile, ref: d.Redirects, into: &in.Redirects},
		{name: rules.RoutesFile, ref: d.Routes, into: &routes},
		{name: "early hints", ref: d.Hints, into: &in.Hints, spare: true},
		{name: "encoded forms", ref: variants.ref, into: &in.Variants, spare: true},
	}
	c.readParts(parts)
	for _, p := range parts {
		switch {
		case p.err != nil && p.spare:
			lacking = errors.Join(lacking, p.err)
		case p.err != nil:
			return done, nil, p.err
		}
	}
	var damaged error
	if done.site, damaged, err = compileSparing(in); err != nil {
		return done, nil, fmt.Errorf("%w: manifest %s: %w", ErrCorrupt, d.Manifest.Digest, err)
	}
	done.functions, err = compileFunctions(d, routes, c.limits)
	return done, errors.Join(lacking, damaged), err
}

// readParts reads all at once: on a disk that is slow to answer they take as long as the longest, and while one comes
// another is checked.
func (c *Catalog) readParts(parts []part) {
	var reading sync.WaitGroup
	for i := range parts {
		p := &parts[i]
		if p.ref == (store.FileRef{}) {
			continue
		}
		reading.Go(func() { *p.into, p.err = c.read(p.name, p.ref) })
	}
	reading.Wait()
}

// compileSparing leaves out early hints and encoded forms that are not what they should be, as few as will do.
func compileSparing(in assets.Input) (site *assets.Site, damaged, err error) {
	site, err = assets.Compile(in)
	if err == nil {
		return site, nil, nil
	}
	noVariants, noHints, neither := in, in, in
	noVariants.Variants, noHints.Hints, neither.Variants, neither.Hints = nil, nil, nil, nil
	for _, less := range []assets.Input{noVariants, noHints, neither} {
		if site, again := assets.Compile(less); again == nil {
			return site, err, nil
		}
	}
	return nil, nil, err
}

// reserve waits until the files may be in memory beside those of other loads.
func (c *Catalog) reserve(ctx context.Context, files ...store.FileRef) (release func(), err error) {
	weight := weightOf(files)
	if err := c.loading.Acquire(ctx, weight); err != nil {
		return nil, fmt.Errorf("wait for other loads: %w", err)
	}
	return func() { c.loading.Release(weight) }, nil
}

func weightOf(files []store.FileRef) (weight int64) {
	for _, f := range files {
		weight = min(weight+min(max(f.Size, 0), loadBudget), loadBudget)
	}
	return weight
}

// read returns the bytes of a file that a deployment's record names, and that they are; none for the zero FileRef.
func (c *Catalog) read(name string, ref store.FileRef) ([]byte, error) {
	if ref == (store.FileRef{}) {
		return nil, nil
	}
	raw, err := c.blobs.ReadVerified(ref.Digest, ref.Size)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrCorrupt):
		return nil, fmt.Errorf("%w: read %s %s: %w", ErrCorrupt, name, ref.Digest, err)
	case err != nil:
		return nil, fmt.Errorf("read %s %s: %w", name, ref.Digest, err)
	}
	return raw, nil
}

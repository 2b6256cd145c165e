package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"berth/assets/kept"
	"berth/store"
	"berth/store/cache"
)

// maxPast bounds the deployments that are remembered of a target, newest first: they are looked through one by one.
const maxPast = 512

// Target is what a moving target (production of a project, or a branch of it) served before the deployment that it
// serves now. It is shared and must not be changed.
type Target struct {
	Kept *kept.Index // files of Past that are still answered; nil: none
	Past []Served    // newest first; only deployments that still exist
	// MovedOn says that the target has moved on from the deployment that it was asked for by, since the caller learnt what
	// it serves. It serves one that may be in neither, so whoever needs them has to ask the router again.
	MovedOn bool
	retry
}

// Served is a deployment that a target has moved on from.
type Served struct {
	No   store.DeploymentNo
	UUID store.UUID
	Left time.Time
}

// Find returns the newest of Past that is the one.
func (t *Target) Find(is func(store.DeploymentNo, store.UUID) bool) (Served, bool) {
	for _, p := range t.Past {
		if is(p.No, p.UUID) {
			return p, true
		}
	}
	return Served{}, false
}

// Expired says that a file of an earlier deployment is past its time by what holds now: the index says how long it was to be
// kept when the target moved on, and that may have been shortened since. Zero shortens nothing.
func (t *Target) Expired(source store.DeploymentNo, now time.Time, keep time.Duration) bool {
	if keep == 0 {
		return false
	}
	s, ok := t.Find(func(no store.DeploymentNo, _ store.UUID) bool { return no == source })
	return ok && now.Sub(s.Left) >= keep
}

func (t *Target) weight() int64 {
	return cache.EntryCost + int64(unsafe.Sizeof(*t)) + int64(len(t.Past))*int64(unsafe.Sizeof(Served{})) + t.Kept.Weight()
}

// targetKey names a target by what it serves now. The version is the project's: a commit that moves the target, changes its
// index or deletes a deployment that it served makes a new one, after which what was read before is found by nobody, even if
// it is being read just then.
type targetKey struct {
	no         store.DeploymentNo
	production bool
	version    uint64
}

func (k targetKey) hash() uint64 {
	h := uint64(k.no)<<1 ^ k.version<<40
	if k.production {
		h |= 1
	}
	return h
}

// Target returns what was served before deployment no by the target that serves it now: production of its project, or its
// branch. A hit takes no lock and allocates nothing. A damaged index of kept files is counted, logged, and does without.
func (c *Catalog) Target(ctx context.Context, no store.DeploymentNo, production bool) (*Target, error) {
	d, err := c.Deployment(ctx, no)
	if err != nil {
		return nil, err
	}
	p, err := c.project(ctx, d.Project)
	if err != nil {
		return nil, err
	}
	key := targetKey{no: no, production: production, version: p.version}
	t, ok := c.targets.Get(key)
	if ok && t.again.IsZero() {
		return t, nil
	}
	if ok && t.due() {
		c.targets.Drop(key)
	}
	branch := d.Branch
	if production {
		branch = ""
	}
	return c.loadTarget(ctx, key, d.Project, branch)
}

// loadTarget is apart so that its closure costs a hit nothing.
func (c *Catalog) loadTarget(ctx context.Context, key targetKey, p store.ProjectNo, branch string) (*Target, error) {
	return c.targets.Load(ctx, key, func(ctx context.Context) (*Target, error) {
		t, err := c.readTarget(ctx, key.no, p, branch)
		if err != nil {
			return nil, fmt.Errorf("target %q of project %d: %w", branch, p, err)
		}
		return t, nil
	})
}

func (c *Catalog) readTarget(ctx context.Context, no store.DeploymentNo, p store.ProjectNo, branch string) (*Target, error) {
	stored, err := c.store.Target(p, branch)
	if errors.Is(err, store.ErrNotFound) {
		return new(Target), nil
	}
	if err != nil {
		return nil, err
	}
	t := new(Target)
	for _, past := range stored.Past[:min(len(stored.Past), maxPast)] {
		if past.Deployment == no {
			t.MovedOn = true
			continue
		}
		d, err := c.store.Deployment(past.Deployment)
		switch {
		case err == nil && d.Project == p:
			t.Past = append(t.Past, Served{No: past.Deployment, UUID: d.UUID, Left: past.Left})
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	if t.Kept, err = c.readKept(ctx, p, stored.Kept); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		c.noIndex.Add(1)
		c.log.Error("files of earlier deployments are not answered", "project", p, "branch", branch, "err", err)
		t.again = time.Now().Add(corruptRetry)
	}
	return t, nil
}

func (c *Catalog) readKept(ctx context.Context, p store.ProjectNo, ref store.FileRef) (*kept.Index, error) {
	release, err := c.reserve(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer release()
	raw, err := c.read("index of kept files", ref)
	if err != nil || len(raw) == 0 {
		return nil, err
	}
	var unknown error
	index, err := kept.Open(raw, func(source uint64) bool {
		d, err := c.store.Deployment(store.DeploymentNo(source))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			unknown = err
		}
		return err == nil && d.Project == p
	})
	if err == nil {
		err = unknown
	}
	if err != nil {
		return nil, fmt.Errorf("index of kept files %s: %w", ref.Digest, err)
	}
	return index, nil
}

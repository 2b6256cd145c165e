package control

import (
	"context"
	"errors"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

func (f *fsck) deployments(ctx context.Context) error {
	var p store.Project
	seen := newSeenSet()
	return walk(ctx, f, "deployment", f.rd.Deployments(), func(d store.Deployment) {
		f.sum.Deployments++
		name := "deployment " + d.UUID.String()
		if p.No != d.Project {
			var err error
			if p, err = f.rd.Project(d.Project); err != nil {
				f.problem(ProblemIndex, name, "its project, number %d: %v", d.Project, err)
				p = store.Project{}
				return
			}
		}
		f.indexes(name, p, d)
		f.expect(f.svc.deploymentHost(p, d), false, hostRoute("", store.ClassDeployment, p.No, d.No).Route)
		for _, r := range namedFileRefs(d) {
			f.blob(name+": "+r.Name, r.Ref.Digest, r.Ref.Size)
		}
		f.hints(name, d)
		f.manifest(name, d, seen)
	})
}

func (f *fsck) indexes(name string, p store.Project, d store.Deployment) {
	if got, err := f.rd.Deployment(d.No); err != nil || got.UUID != d.UUID {
		f.problem(ProblemIndex, name, "its number %d leads to deployment %s (%v)", d.No, got.UUID.String(), err)
	}
	if got, err := f.rd.DeploymentByUUID(d.UUID); err != nil || got.No != d.No {
		f.problem(ProblemIndex, name, "its ID leads to number %d, not %d (%v)", got.No, d.No, err)
	}
	if got, err := f.rd.DeploymentByLabel(p.No, shortID(d.UUID)); err != nil || got.No != d.No {
		f.problem(ProblemIndex, name, "its label leads to number %d, not %d (%v)", got.No, d.No, err)
	}
	if p.State == store.ProjectDeleting {
		return // its branches go first
	}
	// With the check that a branch's newest is one of its own, this says that it is the newest.
	if b, err := f.rd.Branch(p.No, d.Branch); err != nil || b.Latest < d.No {
		f.problem(ProblemIndex, name, "is number %d of branch %q, whose newest is %d (%v)", d.No, d.Branch, b.Latest, err)
	}
}

// manifest decodes a manifest and looks for every file in it. The same manifest in a row is decoded once.
func (f *fsck) manifest(name string, d store.Deployment, seen *seenSet) {
	if seen.has(d.Manifest.Digest) {
		return
	}
	b, err := f.svc.deps.Blobs.ReadAll(d.Manifest.Digest, d.Manifest.Size)
	if err != nil {
		return // told as a blob
	}
	if manifest.DigestOf(b) != d.Manifest.Digest {
		f.problem(ProblemManifest, name, "its manifest's bytes are not those of %s", d.Manifest.Digest)
		return
	}
	m, err := manifest.Open(b)
	if err != nil {
		f.problem(ProblemManifest, name, "%v", err)
		return
	}
	f.sum.Manifests++
	var bytes uint64
	for i := range m.Len() {
		e := m.At(i)
		bytes += uint64(e.Size)
		f.blob(name+": "+e.Path, e.Digest, e.Size)
	}
	if m.Len() != int(d.Files) || bytes != d.Bytes {
		f.problem(ProblemManifest, name, "its manifest has %d files and %d bytes; its record says %d and %d", m.Len(), bytes, d.Files, d.Bytes)
		return
	}
	seen.add(d.Manifest.Digest)
}

// blob checks that a blob is there with its size. Its content is checked once for all who name it.
func (f *fsck) blob(object string, d manifest.Digest, size int64) {
	if f.sizes.has(d, size) {
		return
	}
	info, err := f.svc.deps.Blobs.Stat(d)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		f.problem(ProblemBlob, object, "blob %s is missing", d)
	case err != nil:
		f.problem(ProblemBlob, object, "blob %s: %v", d, err)
	case info.Size != size:
		f.problem(ProblemBlob, object, "blob %s has %d bytes; %d are expected", d, info.Size, size)
	default:
		f.sizes.add(d, size)
	}
}

// blobs reads every blob, referenced or not: the next upload of its bytes would rely on it.
func (f *fsck) blobs(ctx context.Context) error {
	if f.opts.SkipContent {
		return nil
	}
	return walk(ctx, f, "blob", f.svc.deps.Blobs.All(), func(info blob.Info) {
		err := f.svc.deps.Blobs.Verify(info.Digest)
		switch {
		case errors.Is(err, blob.ErrNotFound): // an upload that failed meanwhile
			return
		case err != nil:
			f.problem(ProblemBlob, "blob "+info.Digest.String(), "%v", err)
		}
		f.sum.Blobs++
		f.sum.BlobBytes += info.Size
	})
}

package control

import (
	"context"
	"errors"

	"berth/assets/blob"
	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
	"berth/store"
)

// encodings checks that each listing of encoded forms is one of its deployment's manifest and names what is there; and,
// when contents are read, that each form decodes to its file.
func (f *fsck) encodings(ctx context.Context) error {
	seen, decoded := newSeenSet(), newSeenSet()
	return walk(ctx, f, "encoded forms of a deployment", f.rd.AllVariants(), func(v store.Variants) {
		if v.Listing == (store.FileRef{}) {
			return
		}
		d, err := f.rd.Deployment(v.Deployment)
		if err != nil {
			return // told with the indexes
		}
		f.sum.Listings++
		name := "deployment " + d.UUID.String() + ": encoded forms"
		f.blob(name, v.Listing.Digest, v.Listing.Size)
		if seen.add(manifest.DigestOf(append(v.Listing.Digest[:], d.Manifest.Digest[:]...))) {
			return
		}
		f.listing(ctx, name, d, v.Listing, decoded)
	})
}

func (f *fsck) listing(ctx context.Context, name string, d store.Deployment, ref store.FileRef, decoded *seenSet) {
	raw, err := f.svc.deps.Blobs.ReadAll(ref.Digest, ref.Size)
	if err != nil {
		return // told as a blob
	}
	m, err := openManifest(f.svc.deps.Blobs, d.Manifest)
	if err != nil {
		return // told with the deployment
	}
	l, err := variants.Open(raw, m.Len())
	if err != nil {
		f.problem(ProblemEncoding, name, "%v", err)
		return
	}
	for v := range l.All() {
		if ctx.Err() != nil {
			return
		}
		e := m.At(v.Entry)
		object := name + ": " + e.Path + " in " + v.Encoding.String()
		f.sum.Variants++
		f.blob(object, v.Blob, v.Size)
		f.decodes(ctx, object, store.FileRef{Digest: v.Blob, Size: v.Size}, v.Encoding, store.FileRef{Digest: e.Digest, Size: e.Size}, decoded)
	}
}

// decodes checks one form, once for all who name it.
func (f *fsck) decodes(ctx context.Context, object string, coded store.FileRef, e httpsem.Encoding, identity store.FileRef, done *seenSet) {
	if f.opts.SkipContent || done.add(manifest.DigestOf(append(append(coded.Digest[:], identity.Digest[:]...), byte(e)))) {
		return
	}
	same, err := decodes(ctx, f.svc.deps.Blobs, coded, e, identity)
	switch {
	case ctx.Err() != nil, errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrCorrupt): // told as blobs
	case err != nil:
		f.problem(ProblemEncoding, object, "%v", err)
	case !same:
		f.problem(ProblemEncoding, object, "blob %s does not decode to blob %s", coded.Digest, identity.Digest)
	}
}

// encoded checks what was remembered of blobs. A form that is gone is no problem: a sweep takes the blob first.
func (f *fsck) encoded(ctx context.Context) error {
	return walk(ctx, f, "encoded forms", f.rd.AllEncoded(), func(x store.Encoded) {
		f.sum.Encoded++
		for _, e := range codings {
			if r := formIn(&x, e); stored(*r) {
				f.held("form of blob "+x.Blob.String()+" in "+e.String(), *r)
			}
		}
	})
}

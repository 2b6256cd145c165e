package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/assets/variants"
	"berth/store"
)

// markListings marks what the listings of encoded forms name, and themselves. A damaged one serves nobody: it names
// nothing, and is made again. What else keeps one from being read ends the sweep, as it does for a manifest.
func (w *sweep) markListings(ctx context.Context, snap *store.Snapshot) error {
	seen := newSeenSet()
	for v, err := range snap.AllVariants() {
		if err != nil {
			return fmt.Errorf("list encoded forms: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if v.Listing == (store.FileRef{}) || seen.add(v.Listing.Digest) {
			continue
		}
		d, err := snap.Deployment(v.Deployment)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil {
			err = w.markListing(v.Listing, int(d.Files))
		}
		switch {
		case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrCorrupt), errors.Is(err, variants.ErrCorrupt):
			w.spoilt = append(w.spoilt, v)
		case err != nil:
			return fmt.Errorf("encoded forms of deployment %d: %w", v.Deployment, err)
		}
	}
	return nil
}

func (w *sweep) markListing(ref store.FileRef, entries int) error {
	w.svc.upkeep.mark(ref.Digest)
	raw, err := w.svc.deps.Blobs.ReadAll(ref.Digest, ref.Size)
	if err != nil {
		return err
	}
	l, err := variants.Open(raw, entries)
	if err != nil {
		return err
	}
	ds := make([]manifest.Digest, 0, min(l.Len(), markBatch))
	for v := range l.All() {
		if ds = append(ds, v.Blob); len(ds) == markBatch {
			w.svc.upkeep.mark(ds...)
			ds = ds[:0]
		}
	}
	w.svc.upkeep.mark(ds...)
	return nil
}

// mendListings has damaged listings made again.
func (w *sweep) mendListings(ctx context.Context) error {
	for _, v := range w.spoilt {
		w.svc.deps.Log.Error("a listing of encoded forms is damaged and will be made again", slog.Uint64("deployment", uint64(v.Deployment)))
		var q queued
		_, err := w.svc.deps.Store.Update(ctx, func(tx *store.Tx) error {
			now, err := tx.Variants(v.Deployment)
			if errors.Is(err, store.ErrNotFound) || err == nil && now != v.Listing {
				return nil
			}
			if err != nil {
				return err
			}
			d, err := tx.Deployment(v.Deployment)
			if err != nil {
				return err
			}
			q = queued{no: d.No, rank: rankOf(d.Environment)}
			return errors.Join(tx.SetVariants(d.No, store.FileRef{}), tx.WantVariants(d.No))
		})
		if err != nil {
			return fmt.Errorf("listing of deployment %d: %w", v.Deployment, err)
		}
		if q.no != 0 && w.svc.encodings.on() {
			w.svc.encodings.queue.push(q)
		}
	}
	return nil
}

// dropEncoded forgets forms whose bytes are gone, and blobs that are. Each is looked at again inside its Update: the job
// may have made it again meanwhile.
func (w *sweep) dropEncoded(ctx context.Context) error {
	drop := func(tx *store.Tx, x store.Encoded) error {
		now, err := tx.Encoded(x.Blob)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		left, changed, err := w.leftOf(now)
		if err != nil || !changed {
			return err
		}
		w.report.Encoded++
		if left.Blob == (manifest.Digest{}) {
			return tx.DeleteEncoded(now.Blob)
		}
		return tx.PutEncoded(left)
	}
	rd := &w.svc.deps.Store.Reader
	want := func(x store.Encoded) (bool, error) {
		_, changed, err := w.leftOf(x)
		return changed, err
	}
	return inChunks(ctx, w.svc.deps.Store, rd.AllEncoded(), want, drop)
}

// leftOf is the record without the forms that are gone; the zero value if nothing is worth remembering.
func (w *sweep) leftOf(x store.Encoded) (left store.Encoded, changed bool, err error) {
	gone, err := w.gone(x.Blob)
	if err != nil || gone {
		return store.Encoded{}, gone, err
	}
	known := false
	for _, e := range codings {
		r := formIn(&x, e)
		if stored(*r) {
			if gone, err = w.gone(r.Digest); err != nil {
				return x, false, err
			}
			if gone {
				*r, changed = notMade(x.Blob), true
			}
		}
		known = known || *r != notMade(x.Blob)
	}
	if changed && !known {
		return store.Encoded{}, true, nil
	}
	return x, changed, nil
}

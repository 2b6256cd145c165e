package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

// claimTTL is how long an upload that no deployment proved is remembered. Its blob goes earlier, after the grace.
const claimTTL = 7 * 24 * time.Hour

// SweepOptions of one sweep.
type SweepOptions struct {
	Grace  time.Duration // blobs stored or asked for within it stay, referenced or not
	DryRun bool          // count, and remove nothing
}

// SweepReport says what a sweep found.
type SweepReport struct {
	Blobs        int   `json:"blobs"`         // looked at
	Removed      int   `json:"removed"`       // or would be
	RemovedBytes int64 `json:"removed_bytes"` //
	Young        int   `json:"young"`         // within the grace: not looked at further
	InUse        int   `json:"in_use"`        // wanted by somebody while it was being removed
	Claims       int   `json:"claims"`        // dropped: blob or project gone, or too old
	Proofs       int   `json:"proofs"`        // dropped: blob gone
	Encoded      int   `json:"encoded"`       // changed or dropped: blob or its encoded forms gone
	DryRun       bool  `json:"dry_run"`
}

// Sweep removes blobs that no deployment refers to, and then what the store says of blobs that are not there. In this
// order: a proof or claim without its blob is treated as absent by everybody, while a blob whose proof was taken away
// under a client that was told "present" would fail that client's deployment.
//
// It marks from a frozen view in memory that is bounded by the number of blobs, and never removes what a publication
// relies on, whatever the grace; see upkeep. A sweep that cannot read a manifest removes nothing.
func (s *Service) Sweep(ctx context.Context, o SweepOptions) (SweepReport, error) {
	release, err := s.upkeep.busy.acquire(ctx)
	if err != nil {
		return SweepReport{}, err
	}
	defer release()
	w := &sweep{svc: s, opts: o, cutoff: s.now().Add(-o.Grace), report: SweepReport{DryRun: o.DryRun}}
	if err := w.run(ctx); err != nil {
		return w.report, fmt.Errorf("sweep: %w", err)
	}
	return w.report, nil
}

type sweep struct {
	svc    *Service
	opts   SweepOptions
	cutoff time.Time
	report SweepReport
	spoilt []store.Variants // listings that cannot be read
}

func (w *sweep) run(ctx context.Context) error {
	n := 0
	for _, err := range w.svc.deps.Blobs.All() {
		if err != nil {
			return err
		}
		n++
	}
	end := w.svc.upkeep.startSweep(newBloom(n))
	defer end()
	if err := w.mark(ctx); err != nil {
		return err
	}
	if err := w.removeBlobs(ctx); err != nil || w.opts.DryRun {
		return err
	}
	err := w.dropClaims(ctx)
	if err == nil {
		err = w.dropProofs(ctx)
	}
	if err == nil {
		err = w.dropEncoded(ctx)
	}
	if err == nil {
		err = w.mendListings(ctx)
	}
	// On a disk that was full the room which the blobs had is what is wanted; what the store says of them can wait.
	if errors.Is(err, store.ErrDiskFull) {
		w.svc.deps.Log.Warn("the disk is full: a later sweep drops the records of the blobs that this one removed", slog.Any("error", err))
		return nil
	}
	return err
}

// mark goes through every deployment. Many share a manifest: what was just read is not read again.
func (w *sweep) mark(ctx context.Context) error {
	snap := w.svc.deps.Store.Snapshot()
	defer snap.Close()
	// The files that an index names are those of deployments that exist.
	for t, err := range snap.AllTargets() {
		if err != nil {
			return fmt.Errorf("list what hosts served: %w", err)
		}
		if t.Kept != (store.FileRef{}) {
			w.svc.upkeep.mark(t.Kept.Digest)
		}
	}
	seen := newSeenSet()
	for d, err := range snap.Deployments() {
		if err != nil {
			return fmt.Errorf("list deployments: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		w.svc.upkeep.mark(fileRefs(d)...)
		if seen.add(d.Manifest.Digest) {
			continue
		}
		if err := w.markManifest(d.Manifest); err != nil {
			return fmt.Errorf("manifest of deployment %s: %w", d.UUID.String(), err)
		}
	}
	return w.markListings(ctx, snap)
}

const markBatch = 1024 // digests marked under one lock

func (w *sweep) markManifest(ref store.FileRef) error {
	m, err := openManifest(w.svc.deps.Blobs, ref)
	if err != nil {
		return err
	}
	ds := make([]manifest.Digest, 0, min(m.Len(), markBatch))
	for i := range m.Len() {
		if ds = append(ds, m.At(i).Digest); len(ds) == markBatch {
			w.svc.upkeep.mark(ds...)
			ds = ds[:0]
		}
	}
	w.svc.upkeep.mark(ds...)
	return nil
}

func openManifest(blobs *blob.Dir, ref store.FileRef) (*manifest.Manifest, error) {
	b, err := blobs.ReadAll(ref.Digest, ref.Size)
	if err != nil {
		return nil, err
	}
	return manifest.Open(b)
}

func (w *sweep) removeBlobs(ctx context.Context) error {
	for info, err := range w.svc.deps.Blobs.All() {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		w.report.Blobs++
		if !info.Touched.Before(w.cutoff) {
			w.report.Young++
			continue
		}
		if err := w.removeBlob(info); err != nil {
			return fmt.Errorf("remove blob %s: %w", info.Digest, err)
		}
	}
	return nil
}

func (w *sweep) removeBlob(info blob.Info) error {
	marked, err := w.svc.upkeep.removeUnmarked(info.Digest, func() error {
		if w.opts.DryRun {
			return nil
		}
		return w.svc.deps.Blobs.Remove(info.Digest, w.cutoff)
	})
	switch {
	case marked || errors.Is(err, blob.ErrNotFound):
		return nil
	case errors.Is(err, blob.ErrInUse):
		w.report.InUse++
		return nil
	case err == nil:
		w.report.Removed++
		w.report.RemovedBytes += info.Size
	}
	return err
}

// gone says that a blob is not there.
func (w *sweep) gone(d manifest.Digest) (bool, error) {
	_, err := w.svc.deps.Blobs.Stat(d)
	if errors.Is(err, blob.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// dropClaims drops what was uploaded and is of no use any more. Each is looked at again inside its Update, because an
// upload may bring the blob back meanwhile, under the same claim.
func (w *sweep) dropClaims(ctx context.Context) error {
	deadline := w.svc.now().Add(-claimTTL)
	useless := func(rd *store.Reader, c store.Claim) (bool, error) {
		if c.Time.Before(deadline) {
			return true, nil
		}
		if _, err := rd.Project(c.Project); errors.Is(err, store.ErrNotFound) {
			return true, nil
		} else if err != nil {
			return false, err
		}
		return w.gone(c.Blob.Digest)
	}
	drop := func(tx *store.Tx, c store.Claim) error {
		// The claim that stands there now may be a newer one of the same bytes.
		now, err := tx.Claims(c.Project, c.Key)
		if err != nil {
			return err
		}
		for _, n := range now {
			if n.Blob.Digest != c.Blob.Digest {
				continue
			}
			if is, err := useless(&tx.Reader, n); err != nil || !is {
				return err
			}
			w.report.Claims++
			return tx.DeleteClaim(n)
		}
		return nil
	}
	rd := &w.svc.deps.Store.Reader
	return inChunks(ctx, w.svc.deps.Store, rd.AllClaims(), func(c store.Claim) (bool, error) { return useless(rd, c) }, drop)
}

func (w *sweep) dropProofs(ctx context.Context) error {
	drop := func(tx *store.Tx, p store.Proof) error {
		now, err := tx.Proof(p.Account, p.Key, p.Extension)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if is, err := w.gone(now.Blob.Digest); err != nil || !is {
			return err
		}
		w.report.Proofs++
		return tx.DeleteProof(now)
	}
	rd := &w.svc.deps.Store.Reader
	return inChunks(ctx, w.svc.deps.Store, rd.AllProofs(), func(p store.Proof) (bool, error) { return w.gone(p.Blob.Digest) }, drop)
}

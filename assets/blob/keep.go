package blob

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"berth/assets/manifest"
)

// Ref is a blob as a record names it: with the size that it must have.
type Ref struct {
	Digest manifest.Digest
	Size   int64
}

// Touch restarts a blob's grace. A touch is not synced: after a loss of power the blob may look older, which matters to
// no record, since those that were committed are what a sweep goes by.
func (d *Dir) Touch(g manifest.Digest) error { return d.TouchRef(Ref{g, anySize}) }

// TouchRef is Touch for who knows the size. A blob of another size was cut short from outside: it is ErrNotFound (and
// ErrCorrupt), so that its bytes are uploaded again, which heals it.
func (d *Dir) TouchRef(r Ref) error {
	s := d.stripe(r.Digest)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := d.touchLocked(r); err != nil {
		return fmt.Errorf("touch blob %s: %w", label(r.Digest), err)
	}
	return nil
}

const anySize = -1

func (d *Dir) touchLocked(r Ref) error {
	fi, err := d.usable(r.Digest)
	if err != nil {
		return err
	}
	if r.Size != anySize && fi.size != r.Size {
		return fmt.Errorf("%w: %w: %d bytes, want %d", ErrNotFound, ErrCorrupt, fi.size, r.Size)
	}
	return d.refresh(r.Digest, fi.mtime)
}

// refresh sets the time of a stored blob unless it is recent; the stripe is locked, or the blob pinned. A time in the
// future (a clock that was set back) is put right.
func (d *Dir) refresh(g manifest.Digest, was time.Time) error {
	now := d.opts.Now()
	if age := now.Sub(was); age >= 0 && age < TouchSlack {
		return nil
	}
	return d.fs.setTime(fileName(g), now)
}

// Pin touches the blobs, and makes Remove refuse them until unpin is called; pins count, and unpin may be called more than
// once. It tells which blobs do not exist, or cannot be used: these are pinned too, for the upload that may follow.
//
// It touches because a sweep cannot look at the records and remove in one step: a blob may be pinned, named by a record
// and unpinned between the two.
func (d *Dir) Pin(gs ...manifest.Digest) (unpin func(), missing []manifest.Digest) {
	refs := make([]Ref, len(gs))
	for i, g := range gs {
		refs[i] = Ref{g, anySize}
	}
	return d.PinRefs(refs...)
}

// PinRefs is Pin for who knows the sizes: a blob of another size cannot be used either.
func (d *Dir) PinRefs(rs ...Ref) (unpin func(), missing []manifest.Digest) {
	pinned := slices.Clone(rs)
	for _, r := range pinned {
		if !d.pinOne(r) {
			missing = append(missing, r.Digest)
		}
	}
	return sync.OnceFunc(func() {
		for _, r := range pinned {
			d.unpin(r.Digest)
		}
	}), missing
}

func (d *Dir) pinOne(r Ref) (usable bool) {
	s := d.stripe(r.Digest)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pin(r.Digest)
	return d.touchLocked(r) == nil
}

// Remove deletes a blob unless it is pinned or was touched at or after touchedBefore (ErrInUse). Files that have it open
// stay readable. The removal is not synced: after a loss of power the blob may be back, whole, for the next sweep.
//
// A sweep takes the time, then finds out which blobs the records name, then removes the others with touchedBefore at
// least TouchSlack, and the longest that a deployment takes from its Pin or Commit to its record, before that time.
func (d *Dir) Remove(g manifest.Digest, touchedBefore time.Time) error {
	d.life.RLock()
	defer d.life.RUnlock()
	s := d.stripe(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := d.removeLocked(s, g, touchedBefore); err != nil {
		return fmt.Errorf("remove blob %s: %w", label(g), err)
	}
	return nil
}

func (d *Dir) removeLocked(s *stripe, g manifest.Digest, touchedBefore time.Time) error {
	fi, err := d.see(g)
	if err != nil {
		return err
	}
	if s.entries[g] != (entry{}) || !fi.mtime.Before(touchedBefore) {
		return ErrInUse
	}
	if err := d.fs.remove(fileName(g)); err != nil {
		return notFound(err)
	}
	d.damaged.remove(g)
	d.stats.removed.add(fi.size)
	return nil
}

// stored reports whether a blob is durable already and of the right size, and touches it if so; else whether its name is
// taken by a file that is to be replaced. The caller has pinned the blob, so that it stays.
func (d *Dir) stored(g manifest.Digest, size int64) (ok, spoilt bool, err error) {
	s := d.stripe(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	fi, err := d.usable(g)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, errors.Is(err, ErrCorrupt), nil
	case err != nil:
		return false, false, err
	case fi.size != size:
		return false, true, nil // cut short, from outside
	}
	err = d.refresh(g, fi.mtime)
	return err == nil, false, err
}

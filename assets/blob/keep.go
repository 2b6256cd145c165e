package blob

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"berth/assets/manifest"
)

// Touch restarts a blob's grace. A touch is not synced: after a loss of power the blob may look older, which matters to
// no record, since those that were committed are what a sweep goes by.
func (d *Dir) Touch(g manifest.Digest) error {
	s := d.stripe(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	fi, err := d.usable(g)
	if err == nil {
		err = d.refresh(g, fi.mtime)
	}
	if err != nil {
		return fmt.Errorf("touch blob %s: %w", label(g), err)
	}
	return nil
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
	pinned := make([]manifest.Digest, len(gs))
	copy(pinned, gs)
	for _, g := range pinned {
		if !d.pinOne(g) {
			missing = append(missing, g)
		}
	}
	return sync.OnceFunc(func() {
		for _, g := range pinned {
			d.unpin(g)
		}
	}), missing
}

func (d *Dir) pinOne(g manifest.Digest) (usable bool) {
	s := d.stripe(g)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pin(g)
	fi, err := d.usable(g)
	if err == nil {
		err = d.refresh(g, fi.mtime)
	}
	return err == nil
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

package store

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// room is what one group may do on a disk with so much space left.
type room struct {
	normal, frees error // why Update and UpdateFreeing are refused, nil if they are not
	group         int   // bytes of a batch that is full
	batch         int   // bytes that a batch may hold at most
}

func (r room) refuses(c *call) error {
	if c.frees {
		return r.frees
	}
	return r.normal
}

// room fails if nothing may be written, because the disk failed earlier.
func (s *Store) room() (room, error) {
	r := room{group: maxGroupBytes, batch: s.maxBatch}
	if err := s.guard.broken(); err != nil {
		return r, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	least := s.opts.MinFreeBytes
	free, known, err := s.freeBytes()
	if err != nil || !known || free >= uint64(least) {
		return r, err
	}
	floor := least / freeingShare
	r.normal = fmt.Errorf("%w: %d MiB free at %s, %d MiB are kept in reserve: make room on that disk; deleting is possible down to %d MiB",
		ErrDiskFull, free>>20, s.dir, least>>20, floor>>20)
	if free < uint64(floor) {
		r.frees = fmt.Errorf("%w: %d bytes free at %s, %d are needed even to delete: make room on that disk with other means",
			ErrDiskFull, free, s.dir, floor)
	}
	r.group = min(r.group, freeingGroupBytes)
	r.batch = min(r.batch, max(int(floor/2), freeingGroupBytes))
	return r, nil
}

// freeBytes reports known false if nobody wants, or is able, to know.
func (s *Store) freeBytes() (free uint64, known bool, err error) {
	if s.opts.MinFreeBytes < 0 {
		return 0, false, nil
	}
	du, err := s.guard.GetDiskUsage(s.dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("store: free space of %s: %w", s.dir, err)
	}
	return du.AvailBytes, true, nil
}

// roomToOpen refuses before Pebble has written anything.
func (s *Store) roomToOpen() error {
	free, known, err := s.freeBytes()
	need := uint64(min(minOpenBytes, max(s.opts.MinFreeBytes, 0)))
	if err != nil || !known || free >= need {
		return err
	}
	return fmt.Errorf("%w: %d bytes free at %s, at least %d bytes are needed to open the database (%d to change it): make room on that disk, then start again",
		ErrDiskFull, free, s.dir, need, s.opts.MinFreeBytes)
}

// noRoom makes ErrDiskFull of the system's own words for it, when they end Open.
func noRoom(err error, dir string) error {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) || errors.Is(err, ErrDiskFull) {
		return err
	}
	return fmt.Errorf("%w: no room at %s for what must be written to start: make room on that disk, then start again: %w",
		ErrDiskFull, dir, err)
}

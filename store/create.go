package store

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Making a database is not one step. Pebble syncs the directory after it has made several files in it, so that a power
// cut may keep the file that says which manifest is current and lose the manifest; and a Pebble without our first
// records is no database of ours. So the directory holds unfinishedName, durably, from before Pebble's first file until
// the first records are durable. Where it is found, nothing was ever acknowledged: the rest is cleared away.
const unfinishedName = "UNFINISHED"

// clearUnfinished makes the directory ready for a new database, if there is none yet; the lock is held.
func (s *Store) clearUnfinished() (fresh bool, err error) {
	names, err := s.guard.List(s.dir)
	if err != nil {
		return false, fmt.Errorf("store: open: %w", err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "LOCK" })
	mark := s.guard.PathJoin(s.dir, unfinishedName)
	if len(names) > 0 && !slices.Contains(names, unfinishedName) {
		return false, nil
	}
	for _, name := range names {
		if name == unfinishedName {
			continue
		}
		if err := s.guard.Remove(s.guard.PathJoin(s.dir, name)); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return false, fmt.Errorf("store: clear away an unfinished database: %w", err)
		}
	}
	f, err := s.guard.Create(mark, vfs.WriteCategoryUnspecified)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return false, fmt.Errorf("store: make database: %w", err)
	}
	return true, syncDir(s.guard, s.dir)
}

// initialise writes the first records and declares the database finished.
func (s *Store) initialise() error {
	b := s.db.NewBatch()
	err := errors.Join(
		b.Set(keyFormat, encodeNumber(uint64(FormatVersion)), nil),
		b.Set(keyHead, encodeHead(head{logOldest: 1}), nil))
	if err == nil {
		err = s.apply(b)
	}
	if err != nil {
		return fmt.Errorf("store: write first records: %w", err)
	}
	return s.finished()
}

// finished takes the mark away. A power cut that brings it back although the directory was synced cannot be; one before
// the sync finds a database without commits, and makes it anew.
func (s *Store) finished() error {
	fs := s.guard.FS // not the guard, which would keep us here for ever: an error is ours to return
	if err := fs.Remove(fs.PathJoin(s.dir, unfinishedName)); err != nil {
		return fmt.Errorf("store: make database: %w", err)
	}
	return syncDir(fs, s.dir)
}

// mkdirDurable makes a directory, and syncs the parent of it and of each directory that it made on the way. That of dir
// is synced even if dir was there: it may be from a start that was killed before the sync.
func mkdirDurable(fs vfs.FS, dir string) error {
	made := []string{dir}
	for d := fs.PathDir(dir); ; d = fs.PathDir(d) {
		if _, err := fs.Stat(d); err == nil || d == fs.PathDir(d) {
			break
		}
		made = append(made, d)
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("store: make directory %s: %w", dir, err)
	}
	for _, d := range slices.Backward(made) {
		if err := syncDir(fs, fs.PathDir(d)); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	f, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("store: sync directory %s: %w", dir, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("store: sync directory %s: %w", dir, err)
	}
	return nil
}

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// FormatVersion is the layout of keys and values that this berth writes, and the newest that it reads. It goes up when
// an older program must not touch what a newer one writes.
//
//	1  the first
//	2  site settings, early hints, encoded forms, targets
//	3  the index of imported hosts, which whoever points a host to a deployment must keep
//	4  names of the old design also by project, which whoever sets a name must keep
const FormatVersion = 4

// importedFormat is the first with an index of imported hosts.
const importedFormat = 3

// checkFormat refuses a database of a newer format, raises an older one, and gives a new one its first records.
func (s *Store) checkFormat() error {
	b, c, err := s.db.Get(keyFormat)
	if errors.Is(err, pebble.ErrNotFound) {
		if !s.fresh {
			return fmt.Errorf("%w: %s has no format version: it is not a berth database", ErrCorrupt, s.dir)
		}
		return s.initialise()
	}
	if err != nil {
		return readError(keyFormat, err)
	}
	defer c.Close()
	stored, err := decodeNumber(b)
	switch {
	case err != nil:
		return corrupt(keyFormat, err)
	case stored > FormatVersion:
		return fmt.Errorf("%w: %s has format %d; this one reads up to %d: start a berth that reads format %d (any newer release of it)",
			ErrNewerFormat, s.dir, stored, FormatVersion, stored)
	case stored == 0:
		return corrupt(keyFormat, errRange)
	case stored < FormatVersion:
		return s.raiseFormat(stored)
	}
	return nil
}

// raiseFormat converts nothing: records of all versions are read. From now on the older program is refused.
func (s *Store) raiseFormat(from uint64) error {
	b := s.db.NewBatch()
	err := b.Set(keyFormat, encodeNumber(uint64(FormatVersion)), nil)
	if err == nil && from < importedFormat {
		err = s.wantImported(b)
	}
	if err != nil {
		return fmt.Errorf("store: raise the format version: %w", err)
	}
	return s.apply(b)
}

// newerPebble finds out from the file names, before anything is opened, that a newer Pebble wrote the directory.
func newerPebble(fs vfs.FS, dir string) error {
	desc, err := pebble.Peek(dir, fs)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil && strings.Contains(err.Error(), "unknown format major version"):
		return fmt.Errorf("%w: %s: %w; this berth reads up to %d: start a newer one", ErrNewerFormat, dir, err, pebbleFormat)
	case err != nil:
		return fmt.Errorf("store: look at %s: %w", dir, err)
	case desc.FormatMajorVersion > pebbleFormat:
		return fmt.Errorf("%w: %s has table format %d; this berth reads up to %d: start a newer one",
			ErrNewerFormat, dir, desc.FormatMajorVersion, pebbleFormat)
	}
	return nil
}

// withCount patches the operation count into the header of a batch: 8 bytes of sequence number, then the count.
func withCount(repr []byte, count uint32) []byte {
	binary.LittleEndian.PutUint32(repr[8:12], count)
	return repr
}

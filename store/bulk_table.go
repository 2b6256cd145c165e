package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	bulkTableBytes = 16 << 20 // of one file, about what Pebble makes of the last level
	lastLevel      = 6
)

// bulkTables makes the files of one Bulk.
type bulkTables struct {
	fs      vfs.FS
	dir     string
	options *pebble.Options
	writers []*bulkTableWriter
	paths   []string // of the files that are done
}

// bulkTableWriter writes rising keys to as many files as they need.
type bulkTableWriter struct {
	tables *bulkTables
	name   string
	files  int
	w      *sstable.Writer
	path   string
}

func (t *bulkTables) writer(name string) *bulkTableWriter {
	w := &bulkTableWriter{tables: t, name: name}
	t.writers = append(t.writers, w)
	return w
}

// close ends all files.
func (t *bulkTables) close() error {
	var faults []error
	for _, w := range t.writers {
		faults = append(faults, w.close())
	}
	return errors.Join(faults...)
}

func (w *bulkTableWriter) set(key, value []byte) error {
	if w.w != nil && w.w.Raw().EstimatedSize() >= bulkTableBytes {
		if err := w.close(); err != nil {
			return err
		}
	}
	if w.w == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	if err := w.w.Set(key, value); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrInvalid, keyName(key), err) // out of order, or twice
	}
	return nil
}

func (w *bulkTableWriter) open() error {
	t := w.tables
	w.path = t.fs.PathJoin(t.dir, fmt.Sprintf("%s-%d.sst", w.name, w.files))
	f, err := t.fs.Create(w.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w.files++
	w.w = sstable.NewWriter(objstorageprovider.NewFileWritable(f), t.options.MakeWriterOptions(lastLevel, pebbleFormat.MaxTableFormat()))
	return nil
}

// close ends the file that is being written, if there is one.
func (w *bulkTableWriter) close() error {
	if w.w == nil {
		return nil
	}
	err := w.w.Close()
	w.w = nil
	if err == nil {
		w.tables.paths = append(w.tables.paths, w.path)
	}
	return err
}

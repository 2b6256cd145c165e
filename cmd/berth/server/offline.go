package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"berth/cmd/berth/migration"
	"berth/store"
	"berth/store/control"
)

// tokenFile is the admin token's name in the data directory.
const tokenFile = control.AdminTokenFile

// Opened is what an offline verb works on.
type Opened struct {
	Control   *control.Service
	Store     *store.Store
	Migration *migration.Service
}

// Offline opens a server's data directory, which no server may have open, and lends it to fn. It makes nothing: a
// directory that is not a server's is a mistake.
func Offline(ctx context.Context, dir string, stderr io.Writer, fn func(Opened) error) error {
	if _, err := os.Stat(filepath.Join(dir, "db")); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not a data directory: there is no db in it; name the one that `berth serve` used with --data", dir)
	}
	s := Defaults()
	s.Data, s.LogLevel = dir, "warn"
	c, err := s.check()
	if err != nil {
		return &SettingsError{err}
	}
	c.storedDomain = true
	n, err := c.open(ctx, c.newLog(stderr), "http")
	if err != nil {
		return err
	}
	return errors.Join(fn(Opened{Control: n.control, Store: n.data.Store, Migration: n.migration}), n.close())
}

// explainOpen names the flag, and says what to do where the store does not.
func explainOpen(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("--data %s: not permitted: run as the directory's owner, or choose another directory: %w", dir, err)
	}
	return fmt.Errorf("--data %s: %w", dir, err)
}

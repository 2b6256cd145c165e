package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/router/hostkey"
)

// DataDir is an open data directory: its database, and the secrets that belong to it.
type DataDir struct {
	Dir     string
	Store   *Store
	Secrets Secrets
}

// Secrets are the server's keys, 32 random bytes each.
type Secrets struct {
	HostnameHash hostkey.Secret // host keys are hashed with it: without it no route is found
	UploadToken  [32]byte       // signs upload tokens
	Sealing      [32]byte       // seals environment variables and secrets of projects
	Cookie       [32]byte       // signs cookies
}

// OpenDataDir opens dir, and makes it, a database and secrets if there are none. The errors of Open apply, and
// ErrSecrets: a secret is missing or is not the one that the database was made with. It is never replaced, because every
// stored host key, or sealed value, would be lost with it.
//
// A first start may be killed at any moment: the database counts as new until it holds a check value for each secret,
// and those are written after the files are durable. Until then the next start goes on with the files that are there.
func OpenDataDir(dir string, opts Options) (*DataDir, error) {
	return OpenDataDirContext(context.Background(), dir, opts)
}

// OpenDataDirContext is OpenDataDir, given up when ctx ends first (see OpenContext).
func OpenDataDirContext(ctx context.Context, dir string, opts Options) (*DataDir, error) {
	if _, err := opts.check(); err != nil {
		return nil, err
	}
	if err := usableDir(dir); err != nil {
		return nil, noRoom(err, dir)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir) // see Open
	}
	if err != nil {
		return nil, fmt.Errorf("store: find data directory: %w", err)
	}
	return openDataDir(ctx, vfs.Default, osPrivate, dir, opts)
}

// usableDir makes the directory if it can, and says plainly why it cannot be used.
func usableDir(dir string) error {
	fi, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return mkdirDurable(vfs.Default, dir)
	case err != nil:
		return fmt.Errorf("store: data directory: %w", err)
	case !fi.IsDir():
		return fmt.Errorf("store: data directory %s is a file, not a directory: give another --data", dir)
	}
	probe, err := os.CreateTemp(dir, ".berth-probe-*")
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return err
	}
	if err != nil {
		return fmt.Errorf("store: data directory %s cannot be written to: %w: give its owner's rights, or another --data", dir, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// createPrivate makes a file that its owner alone may read.
type createPrivate func(fs vfs.FS, name string) (vfs.File, error)

func openDataDir(ctx context.Context, fs vfs.FS, create createPrivate, dir string, opts Options) (*DataDir, error) {
	opts, err := opts.check()
	if err != nil {
		return nil, err
	}
	db := fs.PathJoin(dir, "db")
	s, err := openFS(ctx, fs, db, opts)
	if err != nil {
		return nil, err
	}
	// The database's lock is held: no other process makes secrets now.
	d := &DataDir{Dir: dir, Store: s}
	keep := secretFiles{fs: fs, create: create, dir: fs.PathJoin(dir, "secrets")}
	if err := keep.load(s, &d.Secrets); err != nil {
		return nil, noRoom(errors.Join(err, s.Close()), dir)
	}
	return d, nil
}

// Close closes the database.
func (d *DataDir) Close() error { return d.Store.Close() }

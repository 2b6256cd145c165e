package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/blake3"
)

// secretFiles is DIR/secrets.
type secretFiles struct {
	fs     vfs.FS
	create createPrivate
	dir    string
}

// secretNames are the files, in the order of Secrets.all.
var secretNames = [4]string{"hostname-hash", "upload-token", "sealing", "cookie"}

func (s *Secrets) all() [4]*[32]byte {
	return [4]*[32]byte{(*[32]byte)(&s.HostnameHash), &s.UploadToken, &s.Sealing, &s.Cookie}
}

func checkKey(name string) []byte { return []byte("mcheck/" + name) }

// checkValue tells whether a secret is the right one without telling anything about it.
func checkValue(secret *[32]byte, name string) ([]byte, error) {
	h, err := blake3.NewKeyed(secret[:])
	if err != nil {
		return nil, fmt.Errorf("store: check value of %s: %w", name, err)
	}
	_, _ = h.WriteString("berth: check value of the secret " + name)
	return h.Sum(nil), nil
}

// load reads the secrets of a database that has them, and gives them to one that is new.
func (k secretFiles) load(s *Store, out *Secrets) error {
	given, err := s.checkValues()
	if err != nil {
		return err
	}
	if given == nil {
		if s.Revision() > 0 {
			return fmt.Errorf("%w: the database in %s has records, but was never given secrets", ErrSecrets, s.dir)
		}
		return k.give(s, out)
	}
	for i, secret := range out.all() {
		if err := k.verify(secretNames[i], secret, given[i]); err != nil {
			return err
		}
	}
	return nil
}

// checkValues returns the stored check value of each secret, nil if none is stored. They are written together.
func (s *Store) checkValues() ([][]byte, error) {
	var given [][]byte
	for _, name := range secretNames {
		b, c, err := s.db.Get(checkKey(name))
		switch {
		case errors.Is(err, pebble.ErrNotFound) && given == nil:
			return nil, nil
		case err != nil:
			return nil, readError(checkKey(name), err)
		}
		given = append(given, bytes.Clone(b))
		if err := c.Close(); err != nil {
			return nil, readError(checkKey(name), err)
		}
	}
	return given, nil
}

func (k secretFiles) verify(name string, secret *[32]byte, want []byte) error {
	path := k.fs.PathJoin(k.dir, name)
	err := k.read(path, secret)
	if errors.Is(err, iofs.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing: restore it from your backup; berth does not make a new one, which would lose what the old one protects",
			ErrSecrets, path)
	}
	if err != nil {
		return err
	}
	got, err := checkValue(secret, name)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w: %s is of another database: restore the one that was backed up with this database", ErrSecrets, path)
	}
	return nil
}

func (k secretFiles) read(path string, secret *[32]byte) error {
	f, err := k.fs.Open(path)
	if err != nil {
		return fmt.Errorf("store: secret: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(len(secret))+1))
	if err != nil {
		return fmt.Errorf("store: secret %s: %w", path, err)
	}
	if len(b) != len(secret) {
		return fmt.Errorf("%w: %s has not %d bytes", ErrSecrets, path, len(secret))
	}
	copy(secret[:], b)
	return nil
}

// give makes the files, durable, and then lets the database know them. A file that is there already is from a first
// start that was killed: nothing can have used it yet, but to go on with it is no worse than to make another.
func (k secretFiles) give(s *Store, out *Secrets) error {
	if err := mkdirDurable(k.fs, k.dir); err != nil {
		return err
	}
	b := s.db.NewBatch()
	for i, secret := range out.all() {
		name := secretNames[i]
		path := k.fs.PathJoin(k.dir, name)
		err := k.read(path, secret)
		if errors.Is(err, iofs.ErrNotExist) {
			err = k.make(path, secret)
		}
		if err != nil {
			return err
		}
		check, err := checkValue(secret, name)
		if err != nil {
			return err
		}
		if err := b.Set(checkKey(name), check, nil); err != nil {
			return fmt.Errorf("store: check value of %s: %w", name, err)
		}
	}
	if err := syncDir(k.fs, k.dir); err != nil {
		return err
	}
	return s.apply(b) // nobody else has the Store yet
}

// make writes a new secret: temporary file, fsync, rename. The caller syncs the directory.
func (k secretFiles) make(path string, secret *[32]byte) error {
	if _, err := rand.Read(secret[:]); err != nil {
		return fmt.Errorf("store: make secret: %w", err)
	}
	tmp := path + ".tmp"
	if err := k.fs.Remove(tmp); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return fmt.Errorf("store: make secret: %w", err)
	}
	f, err := k.create(k.fs, tmp)
	if err != nil {
		return fmt.Errorf("store: make secret: %w", err)
	}
	// A copy: vfs.File.Write may change what it is given.
	_, err = f.Write(bytes.Clone(secret[:]))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = k.fs.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("store: make secret %s: %w", path, err)
	}
	return nil
}

// osPrivate makes the file on the real file system: vfs has no say in modes, so an empty file of mode 0600 is made
// first, and opened through vfs.
func osPrivate(fs vfs.FS, name string) (vfs.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
}

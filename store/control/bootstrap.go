package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"berth/store"
)

const (
	// DefaultAccount is the account that the first start makes.
	DefaultAccount = "default"
	// AdminTokenFile is the name, in the data directory, of the file with the first server admin's token.
	AdminTokenFile = "admin.token"
)

// Bootstrap makes what a new server needs so that somebody can administer it: account default and DIR/admin.token. It is
// called at each start, before the API listens, and does nothing when there is a usable server admin.
//
// The file is written before the record. After a crash between the two, the next start finds no record and writes the
// file anew; the other way round nobody would ever know the token of the record.
func (s *Service) Bootstrap(ctx context.Context) error {
	if err := s.keepDomain(ctx); err != nil {
		return err
	}
	path := filepath.Join(s.opts.DataDir, AdminTokenFile)
	administered, err := s.administered()
	if err != nil {
		return fmt.Errorf("look for a server admin: %w", err)
	}
	if administered {
		s.checkAdminFile(path)
		return nil
	}
	text, t, err := s.mintToken()
	if err != nil {
		return err
	}
	if err := writeSecret(path, text+"\n"); err != nil {
		return fmt.Errorf("write the admin token: %w", err)
	}
	if _, err := s.deps.Store.Update(ctx, func(tx *store.Tx) error { return s.putFirstAdmin(tx, t) }); err != nil {
		return fmt.Errorf("store the first server admin: %w", err)
	}
	s.deps.Log.Info("made the server admin's token", slog.String("file", path))
	return nil
}

// keepDomain remembers the base domain at the first start and refuses another one at a later: the records of all hosts are
// under hashes of their names, so a changed domain would answer every one of them with "not found", without a word.
func (s *Service) keepDomain(ctx context.Context) error {
	stored, err := s.deps.Store.BaseDomain()
	if err != nil {
		return fmt.Errorf("read the base domain: %w", err)
	}
	switch stored {
	case s.opts.Domain:
		return nil
	case "":
		_, err := s.deps.Store.Update(ctx, func(tx *store.Tx) error { return tx.SetBaseDomain(s.opts.Domain) })
		if err != nil {
			return fmt.Errorf("store the base domain: %w", err)
		}
		return nil
	}
	return fmt.Errorf("this data directory was made for --domain %s, and every host in it is below that: start with it again, or give --domain %s a data directory of its own",
		stored, s.opts.Domain)
}

// administered says whether there are the default account and a server admin whose token still lives, in any account.
func (s *Service) administered() (bool, error) {
	if _, err := s.deps.Store.AccountByID(DefaultAccount); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return false, err
	}
	now := s.now()
	for a, err := range s.deps.Store.Accounts() {
		if err != nil {
			return false, err
		}
		for t, err := range s.deps.Store.Tokens(a.No) {
			if err != nil {
				return false, err
			}
			if t.Scope == store.ScopeServerAdmin && (t.Expires.IsZero() || now.Before(t.Expires)) {
				return true, nil
			}
		}
	}
	return false, nil
}

func (s *Service) putFirstAdmin(tx *store.Tx, t store.Token) error {
	a, err := tx.AccountByID(DefaultAccount)
	if errors.Is(err, store.ErrNotFound) {
		a = store.Account{ID: DefaultAccount, Name: "Default", Created: t.Created}
		if a.No, err = tx.NextAccount(); err == nil {
			err = tx.PutAccount(a)
		}
	}
	if err != nil {
		return err
	}
	t.Account, t.Scope, t.Name = a.No, store.ScopeServerAdmin, "first server admin"
	return tx.PutToken(t)
}

// checkAdminFile warns about a file that the client verbs on this machine would stumble over. It is not made again: an
// operator who moved the token elsewhere must not find it back on the disk.
func (s *Service) checkAdminFile(path string) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.deps.Log.Warn("the admin token's file is gone; another token is made with berth token create --offline", slog.String("file", path))
	case err != nil:
		s.deps.Log.Warn("the admin token's file cannot be read", slog.String("file", path), slog.Any("error", err))
	default:
		if _, err := s.holder(strings.TrimSpace(string(text))); err != nil {
			s.deps.Log.Warn("the admin token's file holds no live token; another one is made with berth token create --offline", slog.String("file", path))
		}
	}
}

// writeSecret replaces a file durably, readable by its owner only from its first moment.
func writeSecret(path, text string) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a start that was killed
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close()) // the name lasts only once its directory does
}

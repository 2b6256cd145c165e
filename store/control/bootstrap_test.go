package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/store"
)

func TestBootstrap(t *testing.T) {
	s := newTestService(t, nil)
	path := filepath.Join(s.opts.DataDir, AdminTokenFile)
	boot := func() string {
		t.Helper()
		if err := s.Bootstrap(t.Context()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	works := func(token string) bool { _, err := s.Authenticate(token); return err == nil }
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v, %v; want 0600", info.Mode(), err)
	}
	if again := boot(); again != s.admin {
		t.Error("a second start made another token")
	}
	// An operator who took the file away must not find it back.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if boot() != "" || !strings.Contains(s.log.String(), "berth token create") || !works(s.admin) {
		t.Error("want a warning, no file, and a token that still works")
	}
	// A crash after the file and before the record: the file's token is nobody's, and the next start makes a new one.
	id, _ := tokenID(s.admin)
	if _, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteToken(id) }); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(s.admin+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte("half a tok"), 0o644); err != nil {
		t.Fatal(err)
	}
	next := boot()
	if next == s.admin || !works(next) || works(s.admin) {
		t.Error("the start after a crash left no working token")
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v, %v; want 0600", info.Mode(), err)
	}
}

func TestBootstrapFileFirst(t *testing.T) {
	s := newTestService(t, nil)
	id, _ := tokenID(s.admin)
	if _, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteToken(id) }); err != nil {
		t.Fatal(err)
	}
	s.opts.DataDir = filepath.Join(s.opts.DataDir, "missing")
	if err := s.Bootstrap(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if ok, err := s.administered(); err != nil || ok {
		t.Errorf("administered: %v, %v; want false", ok, err)
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := New(Deps{}, Options{Domain: "Not A Host", PublicURL: "gopher", UploadTokenTTL: time.Hour, MaxFiles: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"store", "blobs", "hasher", "sealing", "upload token key", "Not A Host", "gopher", "30m", "MaxFiles"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not mentioned in %v", want, err)
		}
	}
	for _, bad := range []Options{
		{Domain: "127.0.0.1"}, {Domain: "Pages.example"}, {Domain: "a.example:80"}, {Domain: strings.Repeat("a.", 62) + "aa"},
		{PublicURL: "https:"}, {PublicURL: "https:99999"}, {PublicURL: "https://x"},
	} {
		bad.setDefaults()
		if err := bad.check(); err == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

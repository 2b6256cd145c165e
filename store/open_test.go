package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

func TestOptionsReportEveryFault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "untouched")
	_, err := Open(dir, Options{CacheBytes: 1, MemTableBytes: 2, CommitLogMax: -1, CommitLogAge: -time.Second, MaxGroup: -5})
	for _, field := range []string{"CacheBytes", "MemTableBytes", "CommitLogMax", "CommitLogAge", "MaxGroup"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("no word of %s: %v", field, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the disk was touched: %v", err)
	}
	if _, err := OpenDataDir(dir, Options{MaxGroup: -1}); err == nil {
		t.Error("data directory: no error")
	}
}

func TestTwoOpens(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, dir + "/.", link} {
		if _, err := Open(name, Options{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "stop the other berth") {
			t.Errorf("open as %s: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatalf("after close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// tamper writes a raw value with the store closed.
func tamper(t *testing.T, disk vfs.FS, key, value []byte) {
	t.Helper()
	db, err := pebble.Open("/db", &pebble.Options{FS: disk, FormatMajorVersion: pebbleFormat, Logger: &dbLogger{log: Options{}.normal().Log}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set(key, value, pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestNewerFormat(t *testing.T) {
	disk := vfs.NewMem()
	s := openMem(t, disk, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tamper(t, disk, keyFormat, encodeNumber(uint64(FormatVersion+6)))
	_, err := OpenFS(disk, "/db", Options{})
	want := fmt.Sprintf("has format %d; this one reads up to %d", FormatVersion+6, FormatVersion)
	if !errors.Is(err, ErrNewerFormat) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	tamper(t, disk, keyFormat, encodeNumber(uint64(FormatVersion)))
	openMem(t, disk, Options{}) // it was let go, and nothing was changed
}

func TestNewerPebble(t *testing.T) {
	for _, format := range []pebble.FormatMajorVersion{pebbleFormat + 1, 999} {
		disk := vfs.NewMem()
		if err := openMem(t, disk, Options{}).Close(); err != nil {
			t.Fatal(err)
		}
		if format == 999 {
			names, err := disk.List("/db")
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range names {
				if strings.HasPrefix(n, "marker.format-version.") {
					if err := disk.Rename("/db/"+n, "/db/marker.format-version.000099.999"); err != nil {
						t.Fatal(err)
					}
				}
			}
		} else {
			db, err := pebble.Open("/db", &pebble.Options{FS: disk, FormatMajorVersion: format, Logger: &dbLogger{log: Options{}.normal().Log}})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := OpenFS(disk, "/db", Options{}); !errors.Is(err, ErrNewerFormat) {
			t.Errorf("table format %d: %v", format, err)
		}
	}
}

func TestForeignDirectory(t *testing.T) {
	disk := vfs.NewMem()
	db, err := pebble.Open("/db", &pebble.Options{FS: disk, FormatMajorVersion: pebbleFormat, Logger: &dbLogger{log: Options{}.normal().Log}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte("x"), []byte("y"), pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFS(disk, "/db", Options{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("somebody else's database: %v", err)
	}
}

func TestCorruptRecord(t *testing.T) {
	disk := vfs.NewMem()
	s := openMem(t, disk, Options{})
	for i := range 3 {
		update(t, s, setRoute(i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	bad := testKey(1)
	tamper(t, disk, routeKey(tableRoute, bad), []byte{0x11, 9})
	s = openMem(t, disk, Options{})
	for name, look := range map[string]func() (Route, error){
		"look-up": func() (Route, error) { return s.LookupRoute(bad) },
		"read":    func() (Route, error) { return s.Route(bad) },
	} {
		if _, err := look(); !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good, faults := 0, 0
	for k, r := range s.AllRoutes() {
		if r.Err == nil {
			good++
		} else if faults++; k != bad || !errors.Is(r.Err, ErrCorrupt) {
			t.Errorf("scan: %x, %v", k, r.Err)
		}
	}
	if good != 2 || faults != 1 || s.Stats().Corrupt != 3 {
		t.Errorf("%d good, %d corrupt, %d counted", good, faults, s.Stats().Corrupt)
	}
}

func TestDataDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "data")
	d, err := OpenDataDir(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	secrets := d.Secrets
	seen := map[[32]byte]bool{{}: true}
	for _, s := range secrets.all() {
		if seen[*s] {
			t.Errorf("secret %x is empty or there twice", s[:4])
		}
		seen[*s] = true
	}
	if _, err := OpenDataDir(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("twice: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = OpenDataDir(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(secrets, d.Secrets); diff != "" {
		t.Errorf("other secrets at the second start:\n%s", diff)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	checkModes(t, dir)
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	for name, want := range map[string]fs.FileMode{
		"": 0o700, "db": 0o700, "secrets": 0o700, "secrets/hostname-hash": 0o600, "secrets/cookie": 0o600,
	} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", name, fi.Mode().Perm(), want)
		}
	}
	names, err := os.ReadDir(filepath.Join(dir, "secrets"))
	if err != nil || len(names) != len(secretNames) {
		t.Errorf("secrets holds %v, %v", names, err)
	}
}

func TestSecretsMissingOrForeign(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"missing":   os.Remove,
		"foreign":   func(path string) error { return os.WriteFile(path, make([]byte, 32), 0o600) },
		"truncated": func(path string) error { return os.Truncate(path, 31) },
		"longer":    func(path string) error { return os.WriteFile(path, make([]byte, 33), 0o600) },
	} {
		for _, file := range secretNames {
			t.Run(name+"/"+file, func(t *testing.T) {
				dir := t.TempDir()
				d, err := OpenDataDir(dir, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, "secrets", file)
				kept, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := spoil(path); err != nil {
					t.Fatal(err)
				}
				spoilt, _ := os.ReadFile(path)
				if _, err := OpenDataDir(dir, Options{}); !errors.Is(err, ErrSecrets) || !strings.Contains(err.Error(), path) {
					t.Fatalf("got %v", err)
				}
				if now, _ := os.ReadFile(path); string(now) != string(spoilt) {
					t.Error("the file was replaced")
				}
				if err := os.WriteFile(path, kept, 0o600); err != nil {
					t.Fatal(err)
				}
				if d, err = OpenDataDir(dir, Options{}); err != nil {
					t.Fatalf("with the right one again: %v", err)
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func TestSecretsOfUsedDatabase(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, setRoute(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDataDir(dir, Options{}); !errors.Is(err, ErrSecrets) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "secrets")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("secrets were made: %v", err)
	}
}

func TestDataDirErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{file: "not a directory", filepath.Join(file, "below"): "not a directory"} {
		if _, err := OpenDataDir(path, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

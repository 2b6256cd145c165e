package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func mkfifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A pipe whose reader stopped reading must not keep the server from stopping, nor from opening its log again.
func TestAccessLogNeverBlocksItsClose(t *testing.T) {
	path := mkfifo(t)
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, end := range []string{"close", "reopen"} {
		log, err := openLogFile(path)
		if err != nil {
			t.Fatal(err)
		}
		wrote := make(chan error, 1)
		go func() {
			_, err := log.Write(make([]byte, 1<<20)) // more than a pipe holds
			wrote <- err
		}()
		waitUntilFull(t, reader)
		if end == "reopen" {
			if err := log.reopen(); err != nil {
				t.Error(err)
			}
		}
		if err := log.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
		select {
		case err := <-wrote:
			if err == nil {
				t.Errorf("%s: a write to a full pipe succeeded", end)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the write is still blocked", end)
		}
	}
}

// waitUntilFull returns once the writer has begun: from then on nobody reads.
func waitUntilFull(t *testing.T, reader *os.File) {
	t.Helper()
	if err := reader.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestAccessLogRefusesAPipeWithoutReader(t *testing.T) {
	if _, err := openLogFile(mkfifo(t)); err == nil || !strings.Contains(err.Error(), "nobody reads this pipe") {
		t.Errorf("open a pipe without a reader: %v", err)
	}
}

func TestAccessLogGoesOnAfterRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	log, err := openLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, step := range []func() error{
		func() error { _, err := log.Write([]byte("one\n")); return err },
		func() error { return os.Rename(path, path+".1") },
		log.reopen,
		func() error { _, err := log.Write([]byte("two\n")); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{path + ".1": "one\n", path: "two\n"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}

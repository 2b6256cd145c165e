package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/assets/compress"
	"berth/assets/httpsem"
)

// workerCommand makes a program of the test binary under the name that testscript gives it: it is this command then.
func workerCommand(t *testing.T) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	berth := filepath.Join(t.TempDir(), "berth")
	if err := os.Symlink(self, berth); err != nil {
		t.Fatal(err)
	}
	return []string{berth, encodeWorker}
}

// The program is a worker of the pool: what comes back decodes to what went in.
func TestEncodeWorker(t *testing.T) {
	pool, err := compress.NewPool(compress.Options{Command: workerCommand(t), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	page := []byte("<!doctype html>" + strings.Repeat("<p>a page</p>", 1000))
	for _, e := range []httpsem.Encoding{httpsem.Gzip, httpsem.Zstd, httpsem.Brotli} {
		var coded bytes.Buffer
		if err := pool.Encode(t.Context(), &coded, bytes.NewReader(page), int64(len(page)), e); err != nil {
			t.Fatal(err)
		}
		same, err := compress.Same(t.Context(), &coded, e, bytes.NewReader(page), int64(len(page)))
		if err != nil || !same {
			t.Errorf("%v: decodes to the page: %v, %v", e, same, err)
		}
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}

// It is no command for people.
func TestEncodeWorkerIsHidden(t *testing.T) {
	if _, stdout, stderr := runHere(t, "--help"); strings.Contains(stdout+stderr, encodeWorker) {
		t.Error("it is in the help")
	}
	if status, _, stderr := runHere(t, encodeWorker, "x"); status != exitUsage {
		t.Errorf("an argument: exits with %d, %s", status, stderr)
	}
	// Not in this process, whose priority it would lower.
	command := workerCommand(t)
	if out, err := exec.Command(command[0], command[1:]...).Output(); err != nil || len(out) > 0 {
		t.Errorf("no input: %v, %q", err, out)
	}
}

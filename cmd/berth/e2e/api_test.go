//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// askAPI speaks to the API as the server's admin.
func (s *server) askAPI(method, path, body string) (status int, answer []byte) {
	s.t.Helper()
	req, err := http.NewRequest(method, "http://"+s.api+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.adminToken())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, b
}

// callAPI decodes the whole envelope of a call.
func (s *server) callAPI(method, path, body string, into any) {
	s.t.Helper()
	_, b := s.askAPI(method, "/client/v4"+path, body)
	if err := json.Unmarshal(b, into); err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, b)
	}
}

// metrics are the server's counts, by their series.
func (s *server) metrics() map[string]float64 {
	s.t.Helper()
	status, b := s.askAPI(http.MethodGet, "/metrics", "")
	if status != http.StatusOK {
		s.t.Fatalf("%d: %s", status, b)
	}
	counts := make(map[string]float64)
	for line := range strings.Lines(string(b)) {
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
		if err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		counts[line[:i]] = n
	}
	return counts
}

// replaceBody changes what a client sent, keeping its length.
func replaceBody(r *http.Request, old, new string) {
	b, _ := io.ReadAll(r.Body)
	b = bytes.Replace(b, []byte(old), []byte(new), 1)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
}

// peakRSS is the highest resident size the server had, from the kernel.
func (s *server) peakRSS() int64 {
	s.t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return kb << 10
		}
	}
	s.t.Fatal("no VmHWM in the process's status")
	return 0
}

// grepTree names a file below dir that holds text, or "".
func grepTree(t *testing.T, dir, text string) string {
	t.Helper()
	found := ""
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || found != "" {
			return err
		}
		b, err := os.ReadFile(p)
		if err == nil && bytes.Contains(b, []byte(text)) {
			found = p
		}
		return nil // files come and go while the server works
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

//go:build e2e

package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHitsAllocateNothing is for the program as it is compiled. The compiler's profile decides what is inlined, and thereby what is
// allocated; the tests of the packages are compiled without it.
func TestHitsAllocateNothing(t *testing.T) {
	const (
		requests = 20_000
		others   = requests / 2 // what else allocates meanwhile: telling the counts, mostly
	)
	s := startServer(t)
	dir := t.TempDir()
	for name, size := range map[string]int{"small.bin": 1 << 10, "large.bin": 100 << 10} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host := hostOf(s.deploy(dir, "docs", "main").URL)
	conn, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, tt := range []struct {
		file   string
		atOnce int
	}{{"small.bin", 1}, {"small.bin", 8}, {"large.bin", 1}} {
		ask := func(n int) {
			t.Helper()
			some := strings.Repeat("GET /"+tt.file+" HTTP/1.1\r\nHost: "+host+"\r\nUser-Agent: test\r\nAccept-Encoding: gzip\r\n\r\n", tt.atOnce)
			for range n / tt.atOnce {
				if _, err := io.WriteString(conn, some); err != nil {
					t.Fatal(err)
				}
				for range tt.atOnce {
					res, err := http.ReadResponse(answers, nil)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
						t.Fatalf("%s: %s, %v", tt.file, res.Status, err)
					}
				}
			}
		}
		ask(8 * tt.atOnce) // for the answer to be prepared
		const allocated, prepared = "go_memstats_mallocs_total", "berth_prepared_answers_total"
		before := s.metrics()
		ask(requests)
		after := s.metrics()
		if n := after[allocated] - before[allocated]; n > others {
			t.Errorf("%s, %d at once: %v allocations for %d requests", tt.file, tt.atOnce, n, requests)
		}
		if n := after[prepared] - before[prepared]; n != requests {
			t.Errorf("%s, %d at once: %v of %d answers had been prepared", tt.file, tt.atOnce, n, requests)
		}
	}
}

//go:build e2e

package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const corpus = "../../../testdata/conformance"

// recordedCase is a request of the corpus, and what the original answered.
type recordedCase struct {
	ID, Site, Method, Target, Body string
	Headers                        [][2]string

	want struct {
		ID      string
		Status  int
		Headers [][2]string
		Body    string
		SHA256  string `json:"body_sha256"`
	}
}

// The three sites of the corpus that have functions, deployed by wrangler, answer as the original does.
func TestFunctionsAnswerAsTheOriginal(t *testing.T) {
	t.Parallel()
	s := startServer(t, functionFlags(t)...)
	ran := 0
	for _, site := range []string{"cypress", "hemlock", "banyan"} {
		w := newWrangler(t, s, "")
		if err := os.CopyFS(w.dir, os.DirFS(filepath.Join(corpus, "sites", site))); err != nil {
			t.Fatal(err)
		}
		s.berth("project", "create", site, "--production-branch", "main")
		w.run("pages", "deploy", "files", "--project-name", site, "--branch", "main")
		for _, c := range casesOf(t, site) {
			ran++
			for _, diff := range c.replay(t, s) {
				t.Errorf("%s %s %s: %s", c.ID, c.Method, c.Target, diff)
			}
		}
	}
	if ran != 53 {
		t.Errorf("%d cases replayed, want 53", ran)
	}
}

func casesOf(t *testing.T, site string) (cases []*recordedCase) {
	t.Helper()
	byID := map[string]*recordedCase{}
	readLines(t, "cases.jsonl", func(line []byte) error {
		c := &recordedCase{}
		err := json.Unmarshal(line, c)
		if c.Site == site {
			cases, byID[c.ID] = append(cases, c), c
		}
		return err
	})
	readLines(t, "expected.jsonl", func(line []byte) error {
		var want recordedCase
		err := json.Unmarshal(line, &want.want)
		if c := byID[want.want.ID]; c != nil {
			c.want = want.want
		}
		return err
	})
	return cases
}

func readLines(t *testing.T, name string, each func([]byte) error) {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := each(lines.Bytes()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

var etagOf = regexp.MustCompile(`\{\{etag:(.*?)\}\}`)

// replay sends the request to the letter and lists what differs, but for what an implementer may choose.
func (c *recordedCase) replay(t *testing.T, s *server) (diffs []string) {
	t.Helper()
	host := c.Site + "." + domain
	var fields strings.Builder
	for _, h := range c.Headers {
		fmt.Fprintf(&fields, "%s: %s\r\n", h[0], etagOf.ReplaceAllStringFunc(h[1], func(m string) string {
			return s.get(host, etagOf.FindStringSubmatch(m)[1]).header.Get("ETag")
		}))
	}
	if c.Body != "" {
		fmt.Fprintf(&fields, "Content-Type: text/plain\r\nContent-Length: %d\r\n", len(c.Body))
	}
	got := s.raw(c.Method, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n%s", c.Method, c.Target, host, &fields, c.Body))
	if got.status != c.want.Status {
		return []string{fmt.Sprintf("status %d, want %d; body %.200q", got.status, c.want.Status, got.body)}
	}
	redirect := got.status/100 == 3 && got.status != 304
	if sum := sha256.Sum256([]byte(got.body)); !redirect && got.status != 405 && hex.EncodeToString(sum[:]) != c.want.SHA256 {
		diffs = append(diffs, fmt.Sprintf("body %.200q, want %.200q", got.body, c.want.Body))
	}
	wanted := []string{"date", "server", "connection", "content-length", "transfer-encoding", "allow", "accept-ranges", "vary"}
	for _, h := range c.want.Headers {
		name, value := h[0], got.header.Get(h[0])
		switch wanted = append(wanted, name); {
		case name == "content-length", redirect && (name == "content-type" || name == "x-content-type-options"):
		case name == "etag": // of our own making
			if value == "" {
				diffs = append(diffs, "no ETag")
			}
		case value != h[1]:
			diffs = append(diffs, fmt.Sprintf("%s: %q, want %q", name, value, h[1]))
		}
	}
	for name := range got.header {
		if !slices.Contains(wanted, strings.ToLower(name)) && got.status != 304 {
			diffs = append(diffs, fmt.Sprintf("%s: %q, which the original has not", name, got.header.Get(name)))
		}
	}
	return diffs
}

// raw sends bytes on a connection of their own and reads the one answer.
func (s *server) raw(method, request string) answer {
	s.t.Helper()
	c, err := net.Dial("tcp", s.http)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		s.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%.80q: %v", request, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%.80q: %v", request, err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

package rules

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var corpus = flag.String("corpus", "../../testdata/conformance", "the recorded sites, answers and vectors")

// siteCase is a recorded answer of the original.
type siteCase struct {
	ID, Site, Feature, Severity string
	Request                     struct {
		Method, Host, Target string
		TargetLatin1         string `json:"target_latin1"`
		Headers              [][2]string
	}
	Status  int
	Headers [][2]string
}

func readSiteCases(t *testing.T) []siteCase {
	t.Helper()
	f, err := os.Open(filepath.Join(*corpus, "expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []siteCase
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var c siteCase
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

// site is what a directory of the corpus has for this package. Sites with Functions answer otherwise than rules do.
type site struct {
	redirects *Redirects
	headers   *Headers
	functions bool
}

func readSite(t *testing.T, name string) site {
	t.Helper()
	read := func(file string) string {
		text, err := os.ReadFile(filepath.Join(*corpus, "sites", name, "files", file))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(text)
	}
	var s site
	s.redirects, _ = ParseRedirects(read(RedirectsFile), Options{})
	s.headers, _ = ParseHeaders(read(HeadersFile), Options{})
	_, err := os.Stat(filepath.Join(*corpus, "sites", name, "functions"))
	s.functions = err == nil || read(RoutesFile) != ""
	return s
}

// url is host, path and query as a URL parser would have them.
func (c *siteCase) url() (host, path, query string) {
	target := c.Request.Target
	if target == "" {
		b := make([]byte, 0, len(c.Request.TargetLatin1))
		for _, r := range c.Request.TargetLatin1 {
			b = append(b, byte(r))
		}
		target = string(b)
	}
	path, query, _ = splitReference(target)
	host, _, _ = strings.Cut(strings.ToLower(c.Request.Host), ":")
	return host, normalPath(strings.ReplaceAll(path, `\`, "/")), query
}

func (c *siteCase) field(name string) (value string, ok bool) {
	for _, h := range c.Headers {
		switch {
		case !strings.EqualFold(h[0], name):
		case ok:
			value += ", " + h[1]
		default:
			value, ok = h[1], true
		}
	}
	return value, ok
}

// accident recognises by their kind the cases that show accidents of the original.
func (c *siteCase) accident() bool {
	return c.Severity == "quirk" || c.Severity == "security"
}

// Every redirect that the original answers by a rule is ours, to the same place, and no other is.
func TestSiteRedirects(t *testing.T) {
	sites := map[string]site{}
	compared := 0
	for _, c := range readSiteCases(t) {
		if _, ok := sites[c.Site]; !ok {
			sites[c.Site] = readSite(t, c.Site)
		}
		s := sites[c.Site]
		if s.functions || s.redirects.Len() == 0 || c.accident() {
			continue
		}
		host, path, query := c.url()
		scheme := "http"
		for _, h := range c.Request.Headers {
			if strings.EqualFold(h[0], "X-Forwarded-Proto") {
				scheme = h[1]
			}
		}
		n, ok := s.redirects.Find(path)
		byRule := c.Status >= 300 && c.Status < 308 && c.Status != 304 // 308 may also be the planner's
		switch {
		case !ok && byRule:
			t.Errorf("%s %s: no rule, want %d", c.ID, path, c.Status)
		case !ok || s.redirects.Rule(n).Status == 200:
		default:
			compared++
			rule := s.redirects.Rule(n)
			location, ok := s.redirects.Answer(nil, n, &Request{Scheme: scheme, Host: host, Path: path, Query: query})
			want, _ := c.field("location")
			if override, ok := s.fieldByRule(host, path, "Location"); ok {
				location = []byte(override)
			}
			if !ok || rule.Status != c.Status || string(location) != want {
				t.Errorf("%s [%s] %s: line %d: %d %q %v, want %d %q", c.ID, c.Severity, path, rule.Line, rule.Status, location, ok, c.Status, want)
			}
		}
	}
	if compared < 50 {
		t.Errorf("only %d redirects compared", compared)
	}
}

// fieldByRule is what the header rules make of a field, if anything.
func (s *site) fieldByRule(host, path, name string) (string, bool) {
	var changes Changes
	s.headers.Apply(&changes, host, path)
	for _, change := range changes.List {
		if change.Name == name && change.Add {
			return string(change.Value), true
		}
	}
	return "", false
}

// Every field that a rule sets or removes is in the original's answer what we make of it.
func TestSiteHeaders(t *testing.T) {
	sites := map[string]site{}
	compared := 0
	for _, c := range readSiteCases(t) {
		if _, ok := sites[c.Site]; !ok {
			sites[c.Site] = readSite(t, c.Site)
		}
		s := sites[c.Site]
		if s.functions || s.headers.Len() == 0 || c.accident() || c.Status >= 500 || strings.HasPrefix(c.Feature, "preservation") {
			continue
		}
		host, path, _ := c.url()
		var changes Changes
		s.headers.Apply(&changes, host, path)
		for _, change := range changes.List {
			if c.Status == 404 && change.Name == "Cache-Control" {
				continue // the planner has the last word
			}
			compared++
			want, set := c.field(change.Name)
			if string(change.Value) != want || change.Add != set {
				t.Errorf("%s [%s] %s %s: %s %q, want %q %v", c.ID, c.Severity, host, path, change.Name, change.Value, want, set)
			}
		}
		for _, h := range c.Headers { // and there is no other field of a rule's making
			name, _ := canonicalName(h[0])
			if !strings.HasPrefix(name, "X-") || name == "X-Content-Type-Options" || name == "X-Robots-Tag" {
				continue
			}
			if _, ok := s.fieldByRule(host, path, name); !ok {
				t.Errorf("%s %s %s: no rule sets %s", c.ID, host, path, name)
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d fields compared", compared)
	}
}

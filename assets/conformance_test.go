package assets

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var corpus = flag.String("corpus", "../testdata/conformance", "the recorded sites, cases and answers")

type conformanceCase struct {
	ID, Site, Feature, Severity, Host, Method, Note string
	Target                                          string
	TargetLatin1                                    string `json:"target_latin1"`
	Headers                                         [][2]string
}

type recorded struct {
	ID, Severity string
	Status       int
	Headers      [][2]string
	Body         string
	BodyLen      int    `json:"body_len"`
	BodySHA256   string `json:"body_sha256"`
}

// Features that are not built.
var notBuilt = regexp.MustCompile(`^fn-`)

func TestConformance(t *testing.T) {
	want := map[string]recorded{}
	for _, r := range readJSONLines[recorded](t, "expected.jsonl") {
		want[r.ID] = r
	}
	sites := map[string]testSite{}
	ran, explained, readme := 0, map[string]int{}, readREADME(t)
	for _, c := range readJSONLines[conformanceCase](t, "cases.jsonl") {
		if notBuilt.MatchString(c.Feature) {
			continue
		}
		ran++
		dir := deploymentDir(t, c)
		if _, ok := sites[dir]; !ok {
			sites[dir] = siteFromDir(t, dir)
		}
		diffs := c.compare(want[c.ID], c.replay(t, sites[dir]))
		if len(diffs) == 0 {
			continue
		}
		if why := c.deliberate(sites[dir]); why != "" && c.Severity != "must" {
			explained[why]++
			if ours := *corpus == flag.Lookup("corpus").DefValue; ours && !strings.Contains(readme, c.ID) {
				t.Errorf("README.md does not name %s: %s", c.ID, why)
			}
			continue
		}
		t.Errorf("%s [%s] %s %s %s%s %v\n\t%s\n\t%s", c.ID, c.Severity, c.Feature, c.Method, c.Host, c.target(), c.Headers,
			strings.Join(diffs, "\n\t"), c.Note)
	}
	t.Logf("%d cases, different on purpose: %v", ran, explained)
	if ran < 600 {
		t.Errorf("only %d cases replayed", ran)
	}
}

func readJSONLines[T any](t *testing.T, name string) (all []T) {
	t.Helper()
	f, err := os.Open(filepath.Join(*corpus, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

type corpusSite struct {
	Production  string
	Domains     []string
	Deployments []struct{ ID, Dir, Alias string }
}

func readSite(t *testing.T, name string) (site corpusSite) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(*corpus, "sites", name, "site.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &site); err != nil {
		t.Fatal(err)
	}
	return site
}

// canonicalHost is the name that the runner sends for a host such as "prod", "CUSTOM0", "dep:main:8080".
func (c conformanceCase) canonicalHost(t *testing.T) string {
	kind := strings.Split(strings.ToLower(c.Host), ":")
	switch {
	case kind[0] == "prod":
		return c.Site + ".pages.dev"
	case strings.HasPrefix(kind[0], "custom"):
		return readSite(t, c.Site).Domains[kind[0][len("custom")]-'0']
	case len(kind) > 1:
		return kind[1] + "." + c.Site + ".pages.dev"
	}
	return kind[0]
}

// deploymentDir finds the files behind a host such as "prod", "CUSTOM0", "dep:main:8080" or "alias:feat-login".
func deploymentDir(t *testing.T, c conformanceCase) string {
	t.Helper()
	dir := filepath.Join(*corpus, "sites", c.Site)
	site := readSite(t, c.Site)
	kind := strings.Split(c.Host, ":")
	for _, d := range site.Deployments {
		switch {
		case kind[0] == "dep" && kind[1] == d.ID, kind[0] == "alias" && kind[1] == d.Alias, len(kind) == 1 && d.ID == site.Production:
			return filepath.Join(dir, d.Dir)
		}
	}
	t.Fatalf("%s: no deployment for %s", c.ID, c.Host)
	return ""
}

func (c conformanceCase) target() string {
	if c.TargetLatin1 == "" {
		return c.Target
	}
	var b []byte
	for _, r := range c.TargetLatin1 {
		b = append(b, byte(r))
	}
	return string(b)
}

var etagOf = regexp.MustCompile(`\{\{etag:(.*?)\}\}`)

func (c conformanceCase) replay(t *testing.T, s testSite) recorded {
	req := Request{Method: c.Method, Target: c.target(), Host: c.canonicalHost(t), Scheme: "http", NoIndex: strings.Contains(c.Host, ":")}
	for _, h := range c.Headers {
		value := etagOf.ReplaceAllStringFunc(h[1], func(m string) string {
			var p Plan
			s.Plan(&p, &Request{Method: "GET", Target: etagOf.FindStringSubmatch(m)[1]})
			return p.get("ETag")
		})
		switch h[0] {
		case "Authorization":
			req.Authorization = true
		case "Range":
			req.Range = value
		case "X-Forwarded-Proto":
			req.Scheme = value
		case "If-Range":
			req.IfRange = value
		case "If-None-Match":
			req.IfNoneMatch = value
		case "If-Match":
			req.IfMatch = value
		case "If-Modified-Since":
			req.IfModifiedSince = value
		case "Accept-Encoding":
			req.AcceptEncoding = value
		case "Cookie":
			req.Cookie = value
		}
	}
	var p Plan
	s.Plan(&p, &req)
	got := recorded{ID: c.ID, Severity: c.Severity, Status: p.Status, Body: s.body(t, &p)}
	for _, f := range p.Fields {
		got.Headers = append(got.Headers, [2]string{f.Name, string(f.Value)})
	}
	got.BodyLen = len(got.Body)
	sum := sha256.Sum256([]byte(got.Body))
	got.BodySHA256 = hex.EncodeToString(sum[:])
	return got
}

var (
	notCompared = []string{"date", "server", "connection", "content-length", "transfer-encoding", "allow", "accept-ranges"}
	allowed304  = []string{"etag", "cache-control"}
)

// compare reports what an implementer may not choose: the hard differences of diff.py, strict about entity tags.
func (c conformanceCase) compare(want, got recorded) (diffs []string) {
	diff := func(format string, args ...any) { diffs = append(diffs, fmt.Sprintf(format, args...)) }
	w, g := fields(want), fields(got)
	if want.Severity == "security" || want.Status == 599 {
		for name, value := range g {
			if strings.HasPrefix(name, "x-injected") || name == "set-cookie" || name == "location" && !localPath(value) {
				diff("unsafe %s: %s", name, value)
			}
		}
		if got.Status < 200 || got.Status >= 500 {
			diff("status %d", got.Status)
		}
		return diffs
	}
	if want.Status != got.Status {
		diff("status: want %d, got %d", want.Status, got.Status)
	}
	for name, value := range w {
		same := value == g[name]
		if name == "location" {
			same = canonicalURL(value) == canonicalURL(g[name])
		}
		if !same {
			diff("%s: want %q, got %q", name, value, g[name])
		}
	}
	for name, value := range g {
		if name == "vary" && (value == "Sec-Fetch-Dest" || want.Status == 406) {
			continue // of every fallback page; and of what Accept-Encoding refuses
		}
		if _, ok := w[name]; !ok && !(want.Status == 304 && slices.Contains(allowed304, name)) {
			diff("extra %s: %s", name, value)
		}
	}
	if want.Status == got.Status && want.BodySHA256 != got.BodySHA256 {
		diff("body: want %d bytes %q, got %d bytes %q", want.BodyLen, want.Body, got.BodyLen, got.Body)
	}
	return diffs
}

func fields(r recorded) map[string]string {
	m := map[string]string{}
	for _, h := range r.Headers {
		name := strings.ToLower(h[0])
		if slices.Contains(notCompared, name) {
			continue
		}
		if old, ok := m[name]; ok {
			h[1] = old + ", " + h[1]
		}
		m[name] = h[1]
	}
	return m
}

func localPath(location string) bool {
	return strings.HasPrefix(location, "/") && !strings.HasPrefix(location, "//") && !strings.HasPrefix(location, `/\`)
}

var escaped = regexp.MustCompile(`%[0-9a-fA-F]{2}`)

// canonicalURL makes equal what a client reads as one URL.
func canonicalURL(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return escaped.ReplaceAllStringFunc(b.String(), strings.ToUpper)
}

package edge

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/assets"
	"berth/assets/catalog"
	"berth/assets/kept"
	"berth/assets/manifest"
	"berth/store"
)

// TestScripts runs testdata/http/*.http, whose README.md says what they mean.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("../../testdata/http/*.http")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scripts, err := parseScripts(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) {
			r := start(t, scriptWorld(t), Options{BodyCacheMaxItem: 64 << 10})
			for _, s := range scripts {
				t.Run(s.name, func(t *testing.T) { s.run(t, r) })
			}
		})
	}
}

// scriptWorld is what the scripts talk to.
func scriptWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	site := w.compile(t, map[string]string{
		"/index.html": "<h1>home</h1>\n",
		"/about.html": "<h1>about</h1>\n",
		"/404.html":   "<h1>lost</h1>\n",
		"/hello.txt":  "hello\n",
		"/empty.txt":  "",
		"/large.bin":  strings.Repeat("0123456789abcdef", 8<<10),
	}, "")
	w.add("site.example", site)
	w.add("xn--bcher-kva.example", site)
	w.add("127.0.0.1", site)
	w.addMoved(t)
	return w
}

func (w *world) compile(t testing.TB, contents map[string]string, headers string) *assets.Site {
	t.Helper()
	var entries []manifest.Entry
	for path, content := range contents {
		g := w.blobs.put([]byte(content))
		entries = append(entries, manifest.Entry{Path: path, Digest: g, Size: int64(len(content)), Key: manifest.AssetKey(g[:16])})
	}
	encoded, err := manifest.Encode(entries)
	if err != nil {
		t.Fatal(err)
	}
	site, err := assets.Compile(assets.Input{Manifest: encoded, Headers: []byte(headers)})
	if err != nil {
		t.Fatal(err)
	}
	return site
}

// addMoved adds moved.example, which has moved from the deployment of old.example to another.
func (w *world) addMoved(t *testing.T) {
	t.Helper()
	const headers = "/app.js\n  Cache-Control: public, max-age=600\n  CDN-Cache-Control: max-age=60\n"
	before := w.compile(t, map[string]string{"/index.html": "<h1>one</h1>\n", "/app.js": "one\n", "/chunk.1.js": "chunk\n"}, headers)
	now := w.compile(t, map[string]string{"/index.html": "<h1>two</h1>\n", "/app.js": "two\n", "/hello.txt": "hello\n"}, headers)
	from, to := w.add("old.example", before), w.add("moved.example", now)
	route := w.hosts["old.example"]
	route.Class = store.ClassDeployment
	w.hosts["old.example"] = route
	raw, _, err := kept.Next(kept.Move{
		From: before.Files(), FromNo: uint64(from), To: now.Files(), Now: time.Now().Unix(), Keep: time.Hour, Max: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	index, err := kept.Open(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.skewed = map[store.DeploymentNo]store.UUID{from: {0: 0xaa, 3: 1}, to: {0: 0xaa, 3: 2}}
	w.targets = map[store.DeploymentNo]*catalog.Target{
		to: {Kept: index, Past: []catalog.Served{{No: from, UUID: w.skewed[from], Left: time.Now()}}},
	}
}

type script struct {
	name  string
	line  int
	steps []step
}

// step is one section of a script.
type step struct {
	kind string // request, expect, body, closed, open
	line int
	text []string
	arg  string
}

func parseScripts(text string) ([]script, error) {
	var out []script
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "== "):
			out = append(out, script{name: strings.TrimPrefix(line, "== "), line: i + 1})
		case len(out) == 0:
			if line != "" && !strings.HasPrefix(line, "#") {
				return nil, fmt.Errorf("line %d stands before the first case", i+1)
			}
		case strings.HasPrefix(line, "-- "):
			kind, arg, _ := strings.Cut(strings.TrimPrefix(line, "-- "), " ")
			if !slices.Contains([]string{"request", "expect", "body", "closed", "open"}, kind) {
				return nil, fmt.Errorf("line %d: no section is called %q", i+1, kind)
			}
			s := &out[len(out)-1]
			s.steps = append(s.steps, step{kind: kind, arg: arg, line: i + 1})
		default:
			s := &out[len(out)-1]
			if len(s.steps) == 0 {
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				return nil, fmt.Errorf("line %d stands before a section", i+1)
			}
			st := &s.steps[len(s.steps)-1]
			st.text = append(st.text, line)
		}
	}
	// An empty line before the next case is not part of the last section.
	for i := range out {
		if n := len(out[i].steps); n > 0 && i < len(out)-1 {
			if st := &out[i].steps[n-1]; len(st.text) > 0 && st.text[len(st.text)-1] == "" {
				st.text = st.text[:len(st.text)-1]
			}
		}
	}
	return out, nil
}

func (s script) run(t *testing.T, r *running) {
	c := r.dial(t)
	head, cookie := false, ""
	var got reply
	for _, st := range s.steps {
		var err error
		switch st.kind {
		case "request":
			var raw string
			if raw, err = unescape(withCookie(st.text, cookie), "\r\n"); err == nil {
				head = strings.HasPrefix(raw, "HEAD ")
				c.send(raw)
			}
		case "expect":
			if got, err = c.read(head); err == nil {
				err = st.check(got)
			}
			if v, ok := got.field("Set-Cookie"); ok {
				cookie, _, _ = strings.Cut(v, ";")
			}
		case "body":
			var want string
			if want, err = unescape(st.text, "\n"); err == nil && want != got.body {
				err = fmt.Errorf("body %q, want %q", got.body, want)
			}
		case "closed":
			if got, err = c.read(false); errors.Is(err, errClosed) {
				err = nil
			} else if err == nil {
				err = fmt.Errorf("one more response: %+v", got)
			}
		case "open":
			c.send("GET /hello.txt HTTP/1.1\r\nHost: site.example\r\n\r\n")
			if got, err = c.read(false); err == nil && got.body != "hello\n" {
				err = fmt.Errorf("the connection is out of step: %+v", got)
			}
		}
		if err != nil {
			t.Fatalf("line %d, %s: %v", st.line, st.kind, err)
		}
	}
}

// withCookie puts the cookie that was set last where a request names it.
func withCookie(lines []string, cookie string) []string {
	lines = slices.Clone(lines)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], `\{cookie}`, cookie)
	}
	return lines
}

// check compares a response with the lines of an expect section.
func (st step) check(got reply) error {
	if len(st.text) == 0 {
		return errors.New("no status is expected")
	}
	if status, _, _ := strings.Cut(got.status, " "); status != strings.TrimSpace(st.text[0]) {
		return fmt.Errorf("status %q, want %s (%q)", got.status, st.text[0], got.body)
	}
	for _, line := range st.text[1:] {
		if line == "" {
			continue
		}
		if name, ok := strings.CutPrefix(line, "!"); ok {
			if v, ok := got.field(name); ok {
				return fmt.Errorf("unwanted %s: %s", name, v)
			}
			continue
		}
		name, want, _ := strings.Cut(line, ": ")
		v, ok := got.field(name)
		if !ok || want != "*" && v != want {
			return fmt.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	return nil
}

// unescape joins lines, each with its end, and resolves what is written with a backslash.
func unescape(lines []string, end string) (string, error) {
	var b strings.Builder
	for _, line := range lines {
		line, cont := strings.CutSuffix(line, `\`)
		for line != "" {
			before, after, ok := strings.Cut(line, `\`)
			b.WriteString(before)
			if line = after; !ok {
				break
			}
			if rest, ok := strings.CutPrefix(line, "{"); ok { // \{times*text}
				spec, after, _ := strings.Cut(rest, "}")
				times, text, _ := strings.Cut(spec, "*")
				n, err := strconv.Atoi(times)
				if err != nil {
					return "", fmt.Errorf("repeat %q: %w", spec, err)
				}
				text, err = unescape([]string{text}, "")
				if err != nil {
					return "", err
				}
				b.WriteString(strings.Repeat(text, n))
				line = after
				continue
			}
			r, _, tail, err := strconv.UnquoteChar(`\`+line, 0)
			if err != nil {
				return "", fmt.Errorf("escape \\%s: %w", line, err)
			}
			b.WriteByte(byte(r))
			line = tail
		}
		if !cont {
			b.WriteString(end)
		}
	}
	return b.String(), nil
}

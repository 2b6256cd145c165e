package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/compress"
	"berth/assets/httpsem"
	"berth/assets/rules"
	"berth/cmd/berth/publish"
)

// tree writes files; a text that begins with "-> " is where a symbolic link leads.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		disk := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(disk), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(to, disk)
		} else {
			err = os.WriteFile(disk, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func encoded(t *testing.T, text string, e httpsem.Encoding) string {
	t.Helper()
	var b bytes.Buffer
	if err := compress.Encode(t.Context(), &b, strings.NewReader(text), int64(len(text)), e); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// short is what a test says of a problem.
func short(ps []rules.Problem) []string {
	var lines []string
	for _, p := range ps {
		sort := "problem"
		if p.Warning {
			sort = "warning"
		}
		lines = append(lines, fmt.Sprintf("%s:%d %s %s", p.File, p.Line, sort, p.Kind))
	}
	return lines
}

func TestDir(t *testing.T) {
	long := strings.Repeat("let x = 1;\n", 100)
	for name, c := range map[string]struct {
		files     map[string]string
		functions string
		limits    Limits
		want      []string
	}{
		"empty":           {want: []string{".:0 problem nothing-to-serve"}},
		"only settings":   {files: map[string]string{"berth.toml": "cors = true\n", "_headers": "/*\n  X-A: b\n"}, want: []string{".:0 problem nothing-to-serve"}},
		"only redirects":  {files: map[string]string{"index.html": "x", "_redirects": "/a /b\n"}},
		"only functions":  {functions: "export const onRequest = x"},
		"nothing but bad": {files: map[string]string{"bad\xff": ""}, want: []string{"bad\xff:0 problem cannot-deploy"}},
		"nothing wrong":   {files: map[string]string{"index.html": "x", "_redirects": "/a /b\n", "_headers": "/*\n  X-A: b\n", "berth.toml": "cors = true\n"}},
		"rule files": {files: map[string]string{"index.html": "x", "_redirects": "/a /b\n/c\n", "_headers": "/*\n  Connection: x\n"},
			want: []string{"_redirects:2 problem token-count", "_headers:2 problem forbidden-name"}},
		"berth.toml":            {files: map[string]string{"index.html": "x", "berth.toml": "x = 1\ncors = 2\n"}, want: []string{"berth.toml:1 problem unknown-key", "berth.toml:2 problem bad-value"}},
		"berth.toml elsewhere":  {files: map[string]string{"sub/berth.toml": "x = 1\n"}},
		"berth.toml too large":  {files: map[string]string{"index.html": "x", "berth.toml": strings.Repeat("#", 70_000)}, want: []string{"berth.toml:0 problem too-large"}},
		"keep_assets":           {files: map[string]string{"index.html": "x", "berth.toml": "keep_assets = '8d'"}, want: []string{"berth.toml:1 problem over-limit"}},
		"keep_assets, longer":   {files: map[string]string{"index.html": "x", "berth.toml": "keep_assets = '8d'"}, limits: Limits{KeepAssets: 8 * 24 * time.Hour}},
		"routes alone":          {files: map[string]string{"index.html": "x", "_routes.json": "{}"}, want: []string{"_routes.json:0 warning routes-ignored", "_routes.json:0 warning invalid-json-spec"}},
		"routes of a worker":    {files: map[string]string{"_routes.json": "{}", "_worker.js": "x"}, want: []string{"_routes.json:0 problem invalid-json-spec"}},
		"routes of functions":   {files: map[string]string{"_routes.json": "{}"}, functions: "export const onRequest = x", want: []string{"_routes.json:0 problem invalid-json-spec"}},
		"good routes":           {files: map[string]string{"_routes.json": `{"version":1,"include":["/*"],"exclude":[]}`, "_worker.js": "x"}},
		"a rule file directory": {files: map[string]string{"_headers/x": ""}, want: []string{"_headers:0 problem cannot-deploy"}},
		"names": {files: map[string]string{"ok": "", "bad\xff": "", "d/gone": "-> nowhere", "d/loop": "-> .."},
			want: []string{"bad\xff:0 problem cannot-deploy", "d/gone:0 problem cannot-deploy", "d/loop:0 problem cannot-deploy"}},
		"limits": {files: map[string]string{"a": "12345", "b/c": "123456", "d": "", "_redirects": "/a /b\n"}, limits: Limits{MaxFileBytes: 5, MaxFiles: 2, MaxRuleFileBytes: 5},
			want: []string{"b/c:0 problem file-too-large", ".:0 problem too-many-files", "_redirects:0 problem file-too-large"}},
		"limits of rules": {files: map[string]string{"index.html": "x", "_redirects": "/a /b\n/c /d\n"}, limits: Limits{Rules: rules.Options{MaxRedirectsStatic: 1}}, want: []string{"_redirects:2 problem static-limit"}},
		"siblings": {files: map[string]string{
			"a.js": long, "a.js.br": encoded(t, long, httpsem.Brotli), "a.js.gz": encoded(t, long, httpsem.Gzip), "a.js.zst": encoded(t, long, httpsem.Zstd),
			"b.js": long + "1", "b.js.gz": encoded(t, long, httpsem.Gzip), "c.css": "x", "c.css.br": "", "d": "x", "d.zst": encoded(t, "x", httpsem.Zstd)},
			want: []string{"b.js.gz:0 problem sibling-differs", "c.css.br:0 problem sibling-differs", "d.zst:0 warning sibling-larger"}},
		"siblings alone": {files: map[string]string{"a.js.gz": "x", "b.tar.gz": "x", "c.bin.br": "x", "dump.zst": "x", ".br": "x"},
			want: []string{"a.js.gz:0 warning sibling-alone", "c.bin.br:0 warning sibling-alone"}},
	} {
		t.Run(name, func(t *testing.T) {
			functions := ""
			if c.functions != "" {
				functions = tree(t, map[string]string{"api.js": c.functions})
			}
			found, err := Dir(t.Context(), tree(t, c.files), functions, c.limits)
			if err != nil || found.Problems == nil {
				t.Fatalf("%v, %v", found, err)
			}
			if d := cmp.Diff(c.want, short(found.Problems)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// However much is wrong, the list ends, and says that it does.
func TestListsEnd(t *testing.T) {
	found, err := Dir(t.Context(), tree(t, map[string]string{"_redirects": strings.Repeat("/a\n", maxProblems+5)}), "", Limits{})
	if err != nil || len(found.Problems) != maxProblems+1 {
		t.Fatalf("%d problems, %v", len(found.Problems), err)
	}
	if got := Line(found.Problems[maxProblems]); got != "_redirects: 5 more problems; mend these first (more)" {
		t.Error(got)
	}
}

// What cannot be opened is told, and nothing else fails over it. Root can open everything that is there.
func TestUnreadableFiles(t *testing.T) {
	dir := tree(t, map[string]string{"app.js": "x"})
	var files []*publish.File
	for _, name := range []string{"/app.js", "/app.js.br", "/berth.toml"} {
		files = append(files, &publish.File{Path: name, Disk: filepath.Join(dir, name), Size: 1})
	}
	c := &checker{ctx: t.Context(), site: &publish.Site{Files: files}, limits: Limits{}.withDefaults()}
	for _, step := range []func() error{c.unreadable, c.files, c.settings, c.siblings} {
		if err := step(); err != nil {
			t.Error(err)
		}
	}
	if d := cmp.Diff([]string{"app.js.br:0 problem cannot-deploy", "berth.toml:0 problem cannot-deploy"}, short(c.Problems)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestCannotLook(t *testing.T) {
	dir := tree(t, map[string]string{"file": ""})
	for _, path := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "file")} {
		if found, err := Dir(t.Context(), path, "", Limits{}); err == nil {
			t.Errorf("%s: %v", path, found)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dir(ctx, dir, "", Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
}

func TestValidate(t *testing.T) {
	if err := (Limits{KeepAssets: -1}).Validate(); err != nil {
		t.Error(err)
	}
	err := Limits{MaxFiles: -1, Rules: rules.Options{MaxRouteLength: -1}}.Validate()
	if err == nil || err.Error() != "MaxFiles is negative\nMaxRouteLength is negative" {
		t.Error(err)
	}
}

func TestLine(t *testing.T) {
	for want, p := range map[string]rules.Problem{
		`_headers:3: warning: odd (no-value: "x")`: {File: "_headers", Line: 3, Kind: rules.NoValue, Text: "x", Message: "odd", Warning: true},
		`a/b: large (file-too-large)`:              {File: "a/b", Kind: FileTooLarge, Message: "large"},
	} {
		if got := Line(p); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

package assets

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/assets/manifest"
)

// testSite is a Site together with the bytes that its Plans name.
type testSite struct {
	*Site
	blobs map[manifest.Digest]string
}

func newTestSite(t testing.TB, files map[string]string) testSite {
	t.Helper()
	return newRuledSite(t, files, "", "")
}

func newRuledSite(t testing.TB, files map[string]string, redirects, headers string) testSite {
	t.Helper()
	s := testSite{blobs: map[manifest.Digest]string{}}
	var entries []manifest.Entry
	for path, content := range files {
		e := manifest.Entry{
			Path: path, Digest: manifest.DigestOf([]byte(content)), Size: int64(len(content)),
			Key: manifest.AssetKeyOf([]byte(content), manifest.Extension(path)),
		}
		entries = append(entries, e)
		s.blobs[e.Digest] = content
	}
	raw, err := manifest.Encode(entries)
	if err != nil {
		t.Fatal(err)
	}
	if s.Site, err = Compile(Input{Manifest: raw, Redirects: []byte(redirects), Headers: []byte(headers)}); err != nil {
		t.Fatal(err)
	}
	return s
}

// named is a site whose files hold their own names.
func named(t testing.TB, paths ...string) testSite {
	files := map[string]string{}
	for _, path := range paths {
		files[path] = path
	}
	return newTestSite(t, files)
}

// siteFromDir takes what a client would upload from a directory.
func siteFromDir(t testing.TB, dir string) testSite {
	t.Helper()
	files, ruleFiles := map[string]string{}, map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if notUploaded(rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			content, err := os.ReadFile(name)
			ruleFiles[rel] = string(content)
			return err
		}
		if d.IsDir() {
			return nil
		}
		content, err := os.ReadFile(name)
		files["/"+filepath.ToSlash(rel)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return newRuledSite(t, files, ruleFiles["_redirects"], ruleFiles["_headers"])
}

func notUploaded(rel string) bool {
	switch rel {
	case "_worker.js", "_redirects", "_headers", "_routes.json", "functions", ".wrangler":
		return true
	}
	switch filepath.Base(rel) {
	case ".DS_Store", "node_modules", ".git":
		return true
	}
	return false
}

// body is what a client would read.
func (s testSite) body(t testing.TB, p *Plan) string {
	t.Helper()
	switch {
	case p.Body.Kind == BodyNone:
		return ""
	case p.Body.Kind == BodyInline:
		if p.Head {
			return ""
		}
		return string(p.Body.Inline)
	}
	content, ok := s.blobs[p.Body.Blob]
	if b := p.Body; !ok || b.BlobSize != int64(len(content)) || b.Offset < 0 || b.Length < 0 || b.Offset+b.Length > b.BlobSize {
		t.Fatalf("body is %+v, of a blob of %d bytes", b, len(content))
	}
	if p.Head {
		return ""
	}
	return content[p.Body.Offset:][:p.Body.Length]
}

func (p *Plan) get(name string) string {
	var values []string
	for _, f := range p.Fields {
		if f.Name == name {
			values = append(values, string(f.Value))
		}
	}
	return strings.Join(values, ", ")
}

package assets

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berth/assets/hints"
	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/sparse"
	"berth/assets/variants"
)

// testSite is a Site together with the bytes that its Plans name.
type testSite struct {
	*Site
	part        *Site // the same, read as it is wanted; nil: there is none
	blobs       map[manifest.Digest]string
	oddStatuses []string // paths of rules that only the original takes
}

func newTestSite(t testing.TB, files map[string]string) testSite {
	t.Helper()
	return newRuledSite(t, files, "", "")
}

func newRuledSite(t testing.TB, files map[string]string, redirects, headers string) testSite {
	t.Helper()
	s := testSite{blobs: map[manifest.Digest]string{}}
	return s.compile(t, files, Input{Redirects: []byte(redirects), Headers: []byte(headers)})
}

// compile adds the manifest and the hints of files to in.
func (s testSite) compile(t testing.TB, files map[string]string, in Input) testSite {
	t.Helper()
	var entries []manifest.Entry
	for path, content := range files {
		e := manifest.Entry{
			Path: path, Digest: manifest.DigestOf([]byte(content)), Size: int64(len(content)),
			Key: manifest.AssetKeyOf([]byte(content), manifest.Extension(path)),
		}
		entries = append(entries, e)
		s.blobs[e.Digest] = content
	}
	var err error
	if in.Manifest, err = manifest.Encode(entries); err != nil {
		t.Fatal(err)
	}
	in.Hints = hintsOf(t, in.Manifest, files)
	if s.Site, err = Compile(in); err != nil {
		t.Fatal(err)
	}
	s.part = compilePart(t, in)
	return s
}

func compilePart(t testing.TB, in Input) *Site {
	t.Helper()
	read := func(raw []byte) *sparse.Bytes { return sparse.New(bytes.NewReader(raw), int64(len(raw))) }
	files, err := manifest.OpenPart(read(in.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	var coded *variants.Listing
	if len(in.Variants) > 0 {
		if coded, err = variants.OpenPart(read(in.Variants), files.Len()); err != nil {
			t.Fatal(err)
		}
	}
	part, err := CompilePart(files, coded, in)
	if err != nil {
		t.Fatal(err)
	}
	return part
}

// Plan asks the whole site, and sees to it that its parts say the same.
func (s testSite) Plan(dst *Plan, req *Request) {
	s.Site.Plan(dst, req)
	if s.part == nil {
		return
	}
	var again Plan
	if dst.Trace != nil {
		again.Trace = new(Trace)
	}
	s.part.Plan(&again, req)
	if err := s.part.Err(); err != nil {
		panic(err)
	}
	if diff := cmp.Diff(dst, &again, cmpopts.IgnoreUnexported(Plan{}), cmpopts.EquateEmpty()); diff != "" {
		panic(fmt.Sprintf("%s %s: planned otherwise of parts: %s", req.Method, req.Target, diff))
	}
}

// hintsOf is what a deployment's documents announce, as it is found at deploy.
func hintsOf(t testing.TB, raw []byte, files map[string]string) []byte {
	t.Helper()
	listing, err := manifest.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	var all []hints.Hint
	for i := range listing.Len() {
		path := listing.PathAt(i)
		if !strings.HasPrefix(httpsem.MediaTypeOf(path).String(), "text/html") {
			continue
		}
		found, err := hints.Parse(strings.NewReader(files[path]), hints.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if found.Link != "" {
			all = append(all, hints.Hint{Entry: i, Link: found.Link, Based: found.Based})
		}
	}
	if len(all) == 0 {
		return nil
	}
	encoded, err := hints.Encode(listing.Len(), all)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
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
	s := newRuledSite(t, files, ruleFiles["_redirects"], ruleFiles["_headers"])
	s.oddStatuses = oddStatuses(ruleFiles["_redirects"])
	return s
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
	text := s.wholeBody(t, p)
	if int64(len(text)) != p.Body.Length {
		t.Fatalf("a body of %d bytes is announced as %d", len(text), p.Body.Length)
	}
	if p.Head {
		return ""
	}
	return text
}

func (s testSite) wholeBody(t testing.TB, p *Plan) string {
	t.Helper()
	slice := func(offset, length int64) string {
		content, ok := s.blobs[p.Body.Blob]
		if !ok || p.Body.BlobSize != int64(len(content)) || offset < 0 || length < 0 || length > p.Body.BlobSize-offset {
			t.Fatalf("%d bytes at %d of %v, of a blob of %d bytes", length, offset, p.Body, len(content))
		}
		return content[offset:][:length]
	}
	switch b := p.Body; b.Kind {
	case BodyInline:
		return string(b.Inline)
	case BodyBlob:
		return slice(b.Offset, b.Length)
	case BodyMultipart:
		var text strings.Builder
		for _, part := range b.Parts {
			text.Write(part.Head)
			text.WriteString(slice(part.Offset, part.Length))
		}
		text.Write(b.Tail)
		return text.String()
	}
	return ""
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

package edge

import (
	"strings"
	"testing"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
)

// disk is a directory of blobs, and where it is.
type disk struct {
	*blob.Dir
	path string
}

// diskWorld is a world whose blobs are files.
func diskWorld(t testing.TB) (*world, disk) {
	t.Helper()
	path := t.TempDir()
	dir, err := blob.OpenDir(path, blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	w := newWorld()
	w.disk = dir
	return w, disk{dir, path}
}

func putAll(t testing.TB, dir disk, contents []string) []manifest.Digest {
	t.Helper()
	batch := dir.NewBatch()
	var digests []manifest.Digest
	for _, c := range contents {
		w, err := batch.Create()
		if err == nil {
			_, err = w.Write([]byte(c))
		}
		if err != nil {
			t.Fatal(err)
		}
		g, _, err := w.Finish()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, g)
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	return digests
}

// compileSite is a site of files, _headers and _redirects among them. The compressed form of a file is any text, under the file's name
// and the coding's, such as "/app.js br".
func compileSite(t testing.TB, dir disk, all files) *assets.Site {
	t.Helper()
	var paths, contents []string
	for path, content := range all {
		if strings.HasPrefix(path, "/") {
			paths, contents = append(paths, path), append(contents, content)
		}
	}
	digests := putAll(t, dir, contents)
	var entries []manifest.Entry
	coded := map[string]map[string]variants.Variant{}
	for i, path := range paths {
		name, coding, isVariant := strings.Cut(path, " ")
		if !isVariant {
			entries = append(entries, manifest.Entry{Path: path, Digest: digests[i], Size: int64(len(contents[i])), Key: manifest.AssetKey(digests[i][:16])})
			continue
		}
		if coded[name] == nil {
			coded[name] = map[string]variants.Variant{}
		}
		e := map[string]httpsem.Encoding{"br": httpsem.Brotli, "gzip": httpsem.Gzip}[coding]
		coded[name][coding] = variants.Variant{Encoding: e, Blob: digests[i], Size: int64(len(contents[i]))}
	}
	in := assets.Input{Headers: []byte(all["_headers"]), Redirects: []byte(all["_redirects"])}
	var err error
	if in.Manifest, err = manifest.Encode(entries); err != nil {
		t.Fatal(err)
	}
	if len(coded) > 0 {
		m, err := manifest.Open(in.Manifest)
		if err != nil {
			t.Fatal(err)
		}
		var vs []variants.Variant
		for i := range m.Len() {
			for _, v := range coded[string(m.At(i).Path)] {
				v.Entry = i
				vs = append(vs, v)
			}
		}
		if in.Variants, err = variants.Encode(m.Len(), vs); err != nil {
			t.Fatal(err)
		}
	}
	site, err := assets.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	return site
}

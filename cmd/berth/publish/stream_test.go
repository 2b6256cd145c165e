package publish

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"berth/assets/manifest"
)

func hashed(t testing.TB, dir string) []*File {
	t.Helper()
	site, err := Walk(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := Hash(t.Context(), site.Files); err != nil {
		t.Fatal(err)
	}
	return site.Files
}

// The body has the length that it announces, whatever the sizes, and decodes to the files.
func TestStreamedBody(t *testing.T) {
	sizes := []int{0, 1, 2, 3, 4, chunk - 1, chunk, chunk + 1, 2*chunk + 2, 3 * chunk}
	tree := map[string]string{}
	for i, n := range sizes {
		tree["f"+strconv.Itoa(i)+".html"] = strings.Repeat(string(rune('a'+i)), n)
	}
	files := hashed(t, writeTree(t, tree))
	var told amount
	body, err := bodyOf(newBucket(files), func(files int, n int64) { told.files += files; told.bytes += n })
	if err != nil {
		t.Fatal(err)
	}
	rc, err := body.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	text, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(text)) != body.Length {
		t.Errorf("announced %d bytes, sent %d", body.Length, len(text))
	}
	var items []struct{ Key, Value string }
	if err := json.Unmarshal(text, &items); err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		raw, err := base64.StdEncoding.DecodeString(items[i].Value)
		if err != nil || items[i].Key != f.Key.String() || string(raw) != tree[f.Path[1:]] {
			t.Errorf("%s: %v", f.Path, err)
		}
	}
	if want := (amount{len(files), newBucket(files).bytes}); told != want {
		t.Errorf("told %+v, want %+v", told, want)
	}
}

// A file that is not what was hashed must break the body before its item is complete.
func TestChangedFileBreaksTheBody(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"longer":  func(p string) error { return os.WriteFile(p, []byte("hello there"), 0o600) },
		"shorter": func(p string) error { return os.WriteFile(p, []byte("hel"), 0o600) },
		"other":   func(p string) error { return os.WriteFile(p, []byte("HELLO"), 0o600) },
		"gone":    os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeTree(t, map[string]string{"a.html": "hello"})
			files := hashed(t, dir)
			if err := change(filepath.Join(dir, "a.html")); err != nil {
				t.Fatal(err)
			}
			body, err := bodyOf(newBucket(files), func(int, int64) {})
			if err != nil {
				t.Fatal(err)
			}
			rc, err := body.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(rc)
			if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "a.html") {
				t.Errorf("got %v, want ErrChanged with the name", err)
			}
			if json.Valid(text) {
				t.Errorf("what was sent is complete: %s", text)
			}
			if err := rc.Close(); err != nil {
				t.Error(err)
			}
			if _, err := rc.Read(make([]byte, 1)); err == nil {
				t.Error("a closed body gives bytes")
			}
		})
	}
}

func TestDealKeepsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.Int64Range(0, DefaultFileBytes), 0, 60).Draw(t, "sizes")
		tiny := rapid.IntRange(0, 7000).Draw(t, "tiny")
		var files []*File
		for i, n := range sizes {
			files = append(files, &File{Path: "/" + strconv.Itoa(i), Size: n})
		}
		for i := range tiny {
			files = append(files, &File{Path: "/t" + strconv.Itoa(i), Size: 1})
		}
		seen := map[*File]bool{}
		for _, b := range deal(files) {
			var total int64
			for _, f := range b.files {
				if seen[f] {
					t.Fatalf("%s is in two buckets", f.Path)
				}
				seen[f] = true
				total += f.Size
			}
			if total != b.bytes || total > maxBucketBytes || len(b.files) > maxBucketFiles || len(b.files) == 0 {
				t.Fatalf("a bucket of %d files and %d bytes, counted %d", len(b.files), total, b.bytes)
			}
		}
		if len(seen) != len(files) {
			t.Fatalf("%d of %d files are in buckets", len(seen), len(files))
		}
	})
}

// Two files are sent once only if their bytes are certainly equal.
func TestDistinct(t *testing.T) {
	k := manifest.AssetKey{1}
	a, b := &File{Path: "/a.html", Key: k}, &File{Path: "/b.html", Key: k}
	other := &File{Path: "/c.txt", Key: k} // one key, another extension: other bytes
	got := distinct([]*File{a, b, other})
	if len(got) != 2 || got[0] != a || got[1] != other {
		t.Errorf("got %v", got)
	}
}

package assets

import (
	"testing"

	"pgregory.net/rapid"

	"berth/assets/httpsem"
	"berth/assets/manifest"
)

// TestTypesOf has paths with few extensions, some that differ from another in what decides about the type but not in the
// extension, and more extensions than are remembered.
func TestTypesOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segment := rapid.StringMatching(`[aA.\\]{0,3}(\.|)(html|HTML|js|json|png|htm|webmanifest|[a-z]{1,3}|)`)
		seen := map[string]bool{}
		var entries []manifest.Entry
		for range rapid.IntRange(0, 200).Draw(t, "files") {
			path := "/" + segment.Draw(t, "name")
			if rapid.Bool().Draw(t, "nested") {
				path = "/" + segment.Draw(t, "directory") + path
			}
			if manifest.CheckPath(path) == nil && !seen[path] {
				seen[path] = true
				entries = append(entries, manifest.Entry{Path: path})
			}
		}
		raw, err := manifest.Encode(entries)
		if err != nil {
			t.Fatal(err)
		}
		m, err := manifest.Open(raw)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range typesOf(m) {
			if want := httpsem.MediaTypeOf(m.PathAt(i)); got != want {
				t.Errorf("%q is %v, want %v", m.PathAt(i), got, want)
			}
		}
	})
}

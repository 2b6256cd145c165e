package catalog

import (
	"testing"

	"berth/assets/variants"
	"berth/store"
)

// A deployment that is loaded again answers as before, unless it has other encoded forms or is damaged; then its content has another
// name, and so has every other's.
func TestContent(t *testing.T) {
	w := newWorld()
	w.deploy(t, 1, "/one", 0)
	w.deploy(t, 2, "/one", 0)
	listing, err := variants.Encode(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Content]string{{}: "nothing"}
	content := func(no store.DeploymentNo) Content {
		d, err := open(t, w, Options{}).Deployment(t.Context(), no)
		if err != nil {
			t.Fatal(err)
		}
		return d.Content
	}
	differs := func(what string, x Content) {
		if was, ok := seen[x]; ok {
			t.Errorf("%s is named as %s is", what, was)
		}
		seen[x] = what
	}
	one := content(1)
	differs("the first", one)
	differs("the second", content(2))
	if again := content(1); again != one {
		t.Errorf("%v, and loaded again %v", one, again)
	}
	w.variants[1] = w.put(listing)
	differs("one with encoded forms", content(1))
	w.variants[1] = w.put([]byte("no listing"))
	c := open(t, w, Options{})
	for _, what := range []string{"a damaged one", "one that is still damaged"} {
		d, err := c.Deployment(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		differs(what, d.Content)
		c.cache.DropAll()
	}
}

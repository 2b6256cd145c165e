package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"berth/assets"
	"berth/assets/catalog"
	"berth/assets/manifest"
	"berth/assets/sparse"
	"berth/store"
)

// gone is a file on a disk that may go away.
type gone struct {
	io.ReaderAt
	is atomic.Bool
}

func (g *gone) ReadAt(p []byte, off int64) (int, error) {
	if g.is.Load() {
		return 0, errTest
	}
	return g.ReaderAt.ReadAt(p, off)
}

// A plan that was made of what could be read, and should have known more, is not served: the client is not told that a file is missing.
func TestPartThatCannotBeReadIsNotServed(t *testing.T) {
	var entries []manifest.Entry
	for i := range 3000 {
		entries = append(entries, manifest.Entry{Path: fmt.Sprintf("/page-%d.html", i)})
	}
	raw, err := manifest.Encode(entries)
	if err != nil {
		t.Fatal(err)
	}
	disk := &gone{ReaderAt: bytes.NewReader(raw)}
	files, err := manifest.OpenPart(sparse.New(disk, int64(len(raw))))
	if err != nil {
		t.Fatal(err)
	}
	site, err := assets.CompilePart(files, nil, assets.Input{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.add("docs.example", site)
	s := start(t, w, Options{})
	c := s.dial(t)
	defer c.Close()
	if r := c.ask("docs.example", "/page-1.html"); r.status[:3] != "308" {
		t.Errorf("%+v", r)
	}
	disk.is.Store(true)
	if r := c.ask("docs.example", "/page-2999.html"); r.status[:3] != "503" || !errors.Is(site.Err(), errTest) {
		t.Errorf("%+v, %v", r, site.Err())
	}
}

// What a catalog calls a part is asked whether its plans count, and nothing is kept of its answers.
func TestPartsOfACatalog(t *testing.T) {
	for _, part := range []bool{false, true} {
		site := new(assets.Site)
		d, err := compiledSites{oneSite{&catalog.Deployment{Site: site, Part: part}}}.deployment(t.Context(), 1)
		if err != nil || (d.part == site) != part || d.content != (catalog.Content{}) {
			t.Errorf("part %v: %+v, %v", part, d, err)
		}
	}
}

type oneSite struct{ d *catalog.Deployment }

func (s oneSite) Deployment(context.Context, store.DeploymentNo) (*catalog.Deployment, error) {
	return s.d, nil
}

func (oneSite) Settings(context.Context, store.ProjectNo) (*store.SiteSettings, error) {
	return nil, errTest
}

func (oneSite) Target(context.Context, store.DeploymentNo, bool) (*catalog.Target, error) {
	return nil, errTest
}

// A large deployment is served before all of its listing is read, and after.
func TestLargeDeployment(t *testing.T) {
	f := files{"/index.html": "home", "/404.html": "lost"}
	for i := range 4000 {
		f[fmt.Sprintf("/page-%d.txt", i)] = "page"
	}
	l := newLive(t, store.SiteSettings{}, Options{})
	l.deploy(f, store.SiteSettings{})
	for range 3 {
		for target, want := range map[string]string{"/": "200 home", "/page-3999.txt": "200 page", "/none": "404 lost"} {
			if r := l.ask(productionHost, target); r.status[:3]+" "+r.body != want {
				t.Errorf("%s: %s %s", target, r.status, r.body)
			}
		}
	}
}

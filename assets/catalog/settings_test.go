package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"berth/store"

	"github.com/google/go-cmp/cmp"
)

func TestSettings(t *testing.T) {
	w := newWorld()
	c := open(t, w, Options{})
	get := func() store.SiteSettings {
		t.Helper()
		got, err := c.Settings(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return *got
	}
	if got := get(); got != (store.SiteSettings{}) {
		t.Errorf("of no project: %+v", got)
	}
	want := store.SiteSettings{CORS: store.Off, Skew: store.On, KeepAssets: time.Hour}
	w.changeProject(func() { w.projects[1] = store.Project{No: 1, Site: want} })
	if diff := cmp.Diff(want, get()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := testing.AllocsPerRun(100, func() { c.Settings(context.Background(), 1) }); n != 0 {
		t.Errorf("a hit makes %v allocations", n)
	}
	w.changeProject(func() { delete(w.projects, 1) })
	if got := get(); got != (store.SiteSettings{}) {
		t.Errorf("of a deleted project: %+v", got)
	}
}

// Settings of as many projects are kept as the bound in bytes holds.
func TestProjectsAreBoundedInBytes(t *testing.T) {
	c := open(t, newWorld(), Options{ProjectCache: 10*projectCost + 1})
	for no := range store.ProjectNo(30) {
		if _, err := c.Settings(t.Context(), no); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats().Projects; s.Entries != 10 || s.Weight != 10*projectCost {
		t.Errorf("%+v", s)
	}
	if _, err := New(Deps{Store: newWorld(), Blobs: newWorld()}, Options{ProjectCache: 1, SiteCache: -1}); err == nil || !strings.Contains(err.Error(), "ProjectCache") || !strings.Contains(err.Error(), "SiteCache") {
		t.Errorf("%v", err)
	}
}

func TestSettingsCannotBeRead(t *testing.T) {
	w := newWorld()
	w.projects[1] = store.Project{No: 1, Site: store.SiteSettings{CORS: store.Off}}
	w.fault = errors.New("input/output error")
	c := open(t, w, Options{})
	if _, err := c.Settings(t.Context(), 1); !errors.Is(err, w.fault) {
		t.Errorf("got %v", err)
	}
	w.fault = nil
	if got, err := c.Settings(t.Context(), 1); err != nil || got.CORS != store.Off {
		t.Errorf("the error was kept: %v, %v", got, err)
	}
}

func TestEffective(t *testing.T) {
	project := store.SiteSettings{CORS: store.Off, Skew: store.On, KeepAssets: time.Hour}
	for _, tt := range []struct{ own, want store.SiteSettings }{
		{store.SiteSettings{}, project},
		{store.SiteSettings{CORS: store.On}, store.SiteSettings{CORS: store.On, Skew: store.On, KeepAssets: time.Hour}},
		{store.SiteSettings{Skew: store.Off, KeepAssets: -1}, store.SiteSettings{CORS: store.Off, Skew: store.Off, KeepAssets: -1}},
	} {
		if diff := cmp.Diff(tt.want, Effective(tt.own, project)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.own, diff)
		}
	}
}

package catalog

import (
	"context"
	"errors"
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

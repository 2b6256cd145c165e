package store

import (
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestBaseDomainIsSetOnce(t *testing.T) {
	s, err := OpenFS(vfs.NewMem(), "db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.BaseDomain(); got != "" || err != nil {
		t.Errorf("a new store has the base domain %q, %v", got, err)
	}
	set := func(domain string) error {
		_, err := s.Update(context.Background(), func(tx *Tx) error { return tx.SetBaseDomain(domain) })
		return err
	}
	for _, step := range []struct {
		domain string
		want   error
	}{{"", ErrInvalid}, {"pages.test", nil}, {"pages.test", nil}, {"other.test", ErrConflict}} {
		if err := set(step.domain); !errors.Is(err, step.want) {
			t.Errorf("set %q: %v, want %v", step.domain, err, step.want)
		}
	}
	if got, err := s.BaseDomain(); got != "pages.test" || err != nil {
		t.Errorf("the base domain is %q, %v", got, err)
	}
}

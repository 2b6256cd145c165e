package control

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		n := 0
		every(ctx, 10*time.Second, func() { n++ })
		if n != 3 {
			t.Errorf("called %d times in 35 s, want 3", n)
		}
	})
}

// What was noted shortly before the end is stored all the same.
func TestRunStoresTheLastUses(t *testing.T) {
	s := newTestService(t, nil)
	s.api(t).must("GET", projectsPath, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
	id, _ := tokenID(s.admin)
	stored, err := s.deps.Store.Token(id)
	if err != nil || !stored.LastUsed.Equal(s.clock.Now()) {
		t.Errorf("last used %v, %v; want %v", stored.LastUsed, err, s.clock.Now())
	}
}

package server

import (
	"math"
	"testing"
)

func TestSharesOfMemory(t *testing.T) {
	const mib = 1 << 20
	less := func(of int64) int64 { return of - of/100*keyFilterShare } // the filter of keys is beside the heap
	for name, c := range map[string]struct {
		change               func(*Settings)
		limit, whenMigrating int64
	}{
		"nothing said":           {func(*Settings) {}, less(448 * mib), less(448*mib) + 288*mib},
		"more memory":            {func(s *Settings) { s.Memory = 2048 * mib }, less(1984 * mib), less(1984*mib) + 288*mib},
		"a cache below":          {func(s *Settings) { s.SiteCache = 8 * mib }, less(448 * mib), less(448*mib) + 288*mib},
		"another for the tables": {func(s *Settings) { s.LegacyCache = 8 * mib }, less(448 * mib), less(448*mib) + 9*mib},
		"a small filter":         {func(s *Settings) { s.KeyFilter = 8 * mib }, 440 * mib, 440*mib + 288*mib},
		"a huge filter":          {func(s *Settings) { s.KeyFilter = 1 << 40 }, less(448 * mib), less(448*mib) + 288*mib},
	} {
		s := Defaults()
		c.change(&s)
		checked, err := s.check()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, migrating := checked.memoryLimit(false), checked.memoryLimit(true); got != c.limit || migrating != c.whenMigrating {
			t.Errorf("%s: %d and %d, want %d and %d", name, got, migrating, c.limit, c.whenMigrating)
		}
	}
}

// What the caches hold at most, without what was asked for by name, leaves room for the program and the collector.
func TestSharesLeaveRoom(t *testing.T) {
	s := Defaults()
	s.SiteCache = s.Memory
	c, err := s.check()
	if err != nil {
		t.Fatal(err)
	}
	onTop := s.Memory - (s.Memory-processBytes)/100*siteShare
	if c.onTop != onTop || c.memoryLimit(false) != s.Memory-processBytes-c.KeyFilter+onTop+onTop/8 {
		t.Errorf("%d on top, limit %d", c.onTop, c.memoryLimit(false))
	}
	s.SiteCache, s.StoreCache, s.ProjectCache, s.LegacyCache = math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64
	if huge, err := s.check(); err != nil || huge.memoryLimit(true) < 1<<52 {
		t.Errorf("%v, limit %d", err, huge.memoryLimit(true))
	}
	if sum := siteShare + projectShare + targetShare + routeShare + storeShare + answerShare + bodyShare + keyFilterShare; sum > 97 {
		t.Errorf("the shares are %d%% of the memory", sum)
	}
	if c.RouteCache < 200_000 || c.ProjectCache < 200_000*160 {
		t.Errorf("%d routes and %d bytes of projects are too few for 200,000 sites", c.RouteCache, c.ProjectCache)
	}
}

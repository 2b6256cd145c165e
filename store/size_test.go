package store

import (
	"math"
	"testing"
)

// TestRouteSize measures what a host costs on disk once compacted: key, value, filter, index and all.
func TestRouteSize(t *testing.T) {
	const hosts, most = 60_000, 45
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fill(t, s, hosts)
	du, err := s.DiskUsage()
	if err != nil {
		t.Fatal(err)
	}
	per := float64(du.Routes) / hosts
	t.Logf("%.1f bytes a host; commit log %.1f", per, float64(du.Log)/hosts)
	if per > most || per < 16 {
		t.Errorf("%d routes take %d bytes, %.1f each, want 16 to %d", hosts, du.Routes, per, most)
	}
	if du.Total < du.Routes+du.Log {
		t.Errorf("total %d is less than its parts %d and %d", du.Total, du.Routes, du.Log)
	}
}

func TestRouteValueSize(t *testing.T) {
	largest := Route{Kind: RouteSite, Class: ClassCustom, Flags: math.MaxUint8, Project: math.MaxUint32,
		Deployment: math.MaxUint64, Epoch: math.MaxUint32}
	if n := len(appendRoute(nil, largest)); n > maxRouteBytes {
		t.Errorf("largest route takes %d bytes, at most %d", n, maxRouteBytes)
	}
	if n := len(appendRoute(nil, testRoute(1_000_000))); n > 9 {
		t.Errorf("usual route takes %d bytes, at most 9", n)
	}
}

package store

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/router/hostkey"
)

// TestNewTablesAreWarm: what a flush and a compaction wrote has been looked into before anybody looks a host up.
func TestNewTablesAreWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMem(t, vfs.NewMem(), Options{KeyFilterBytes: -1}) // filling that one reads tables too
		first := testKey(0)
		for _, step := range []struct {
			name  string
			write func() error
		}{{"flush", s.db.Flush}, {"compaction", func() error { return s.Compact(t.Context()) }}} {
			update(t, s, func(tx *Tx) error {
				for i := range 2000 {
					k := testKey(i)
					if bytes.Compare(k[:], first[:]) < 0 {
						first = k
					}
					if err := tx.SetRoute(k, testRoute(i)); err != nil {
						return err
					}
				}
				return nil
			})
			if err := step.write(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			before := s.db.Metrics().BlockCache.Misses
			if _, err := s.LookupRoute(first); err != nil {
				t.Fatal(err)
			}
			if read := s.db.Metrics().BlockCache.Misses - before; read != 0 {
				t.Errorf("after a %s, the first look-up reads %d blocks", step.name, read)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRouteWithin(t *testing.T) {
	low, high := testKey(1), testKey(2)
	table := func(smallest, largest []byte) *pebble.TableInfo {
		return &pebble.TableInfo{Smallest: pebble.InternalKey{UserKey: smallest}, Largest: pebble.InternalKey{UserKey: largest}}
	}
	for name, c := range map[string]struct {
		table *pebble.TableInfo
		want  hostkey.Key
		ok    bool
	}{
		"routes":           {table(routeKey(tableRoute, low), routeKey(tableRoute, high)), low, true},
		"up to a route":    {table([]byte("mhead"), routeKey(tableRoute, high)), high, true},
		"from a route on":  {table(routeKey(tableRoute, low), []byte("v1")), low, true},
		"around all":       {table([]byte("mhead"), []byte("v1")), hostkey.Key{}, true},
		"none":             {table([]byte("mdomain"), []byte("mhead")), hostkey.Key{}, false},
		"wildcards":        {table(routeKey(tableWildcard, low), routeKey(tableWildcard, high)), hostkey.Key{}, false},
		"an odd smallest":  {table([]byte("r"), []byte("rx")), hostkey.Key{}, false},
		"behind the route": {table([]byte("v0"), []byte("v1")), hostkey.Key{}, false},
	} {
		if k, ok := routeWithin(c.table); k != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v", name, k, ok)
		}
	}
}

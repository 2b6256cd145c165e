package migration

import (
	"context"
	"fmt"
	"runtime"

	"berth/router"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// tableWeights asks routers with unbounded caches for the first host of each table, and so learns what each table is charged.
func tableWeights(ctx context.Context, c *corpus) (weights [2][]int64, err error) {
	err = withStore(store.Options{}, func(s *store.Store, _ string) error {
		if err := c.fill(ctx, s, parts{records: true, tables: true}); err != nil {
			return err
		}
		for i, mode := range []legacy.Parse{legacy.Each, legacy.Once} {
			if weights[i], err = c.weigh(ctx, s, mode); err != nil {
				return err
			}
		}
		return nil
	})
	return weights, err
}

func (c *corpus) weigh(ctx context.Context, s *store.Store, mode legacy.Parse) (out []int64, err error) {
	const room = 256 << 20
	r, err := legacy.New(legacy.Deps{Store: s}, legacy.Options{Domain: domain, Parse: mode, CacheBytes: room})
	if err != nil {
		return nil, err
	}
	defer func() { r.Close() }()
	for p := range c.sizes {
		if r.Stats().Tables.Weight > room/4 { // the rest in a new one: compiled tables are large
			r.Close()
			if r, err = legacy.New(legacy.Deps{Store: s}, legacy.Options{Domain: domain, Parse: mode, CacheBytes: 1 << 40}); err != nil {
				return nil, err
			}
		}
		before := r.Stats().Tables.Weight
		if _, err := r.Resolve(ctx, &router.Query{Host: c.host(p, 0), Path: "/"}); err != nil {
			return nil, err
		}
		out = append(out, r.Stats().Tables.Weight-before)
	}
	return out, nil
}

// everyHost is a store in which every host has a route.
type everyHost struct{}

func (everyHost) LookupRoute(hostkey.Key) (store.Route, error) {
	return store.Route{Kind: store.RouteSite, Class: store.ClassDeployment, Project: 1, Deployment: 1}, nil
}
func (everyHost) LookupWildcard(hostkey.Key) (store.Route, error) {
	return store.Route{}, store.ErrNotFound
}
func (everyHost) MayHaveRoute(hostkey.Key) bool               { return true }
func (everyHost) MayHaveWildcard(hostkey.Key) bool            { return true }
func (everyHost) Wildcards() (int, uint64)                    { return 0, 0 }
func (everyHost) Epoch() store.Epoch                          { return 0 }
func (everyHost) OnCommit(func(store.Commit)) (cancel func()) { return func() {} }

// entryBytes measures what the heap grows by for an answer in a full cache of the hashed router.
func entryBytes(ctx context.Context) (float64, error) {
	const entries = 200_000
	before := heap()
	r, err := hashed.New(everyHost{}, hostkey.NewHasher(hostkey.Secret{1}), hashed.Options{RouteCache: entries, UnknownCache: 1})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for i := range entries {
		if _, err := r.Resolve(ctx, &router.Query{Host: hostkey.Host(fmt.Sprintf("%08x.p.%s", i, domain))}); err != nil {
			return 0, err
		}
	}
	after := heap()
	return float64(after-before) / float64(r.Stats().Entries), nil
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

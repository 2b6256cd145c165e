package hashed

import (
	"fmt"
	"testing"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

// endless has a route for every host, so that a benchmark measures the resolver.
type endless struct{}

func (endless) LookupRoute(hostkey.Key) (store.Route, error) { return site(1), nil }
func (endless) LookupWildcard(hostkey.Key) (store.Route, error) {
	return store.Route{}, store.ErrNotFound
}
func (endless) MayHaveRoute(hostkey.Key) bool      { return true }
func (endless) MayHaveWildcard(hostkey.Key) bool   { return true }
func (endless) Epoch() store.Epoch                 { return 0 }
func (endless) Wildcards() (int, uint64)           { return 1, 1 }
func (endless) OnCommit(func(store.Commit)) func() { return func() {} }

// empty has none.
type empty struct{ endless }

func (empty) LookupRoute(hostkey.Key) (store.Route, error) { return store.Route{}, store.ErrNotFound }

// filtered knows that it has none.
type filtered struct{ empty }

func (filtered) MayHaveRoute(hostkey.Key) bool    { return false }
func (filtered) MayHaveWildcard(hostkey.Key) bool { return false }

func authority(i int) string {
	return fmt.Sprintf("%08x.project-%d.pages.localhost:8080", i*2654435761, i)
}

func resolve(t testing.TB, r *Resolver, q *router.Query, authority string) {
	var err error
	if q.Host, err = hostkey.Canonical(authority); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), q); err != nil && err != router.ErrNoRoute {
		t.Fatal(err)
	}
}

// hot returns a resolver that was asked for n hosts, and the authorities of the first 1,000 of them, now in the cache.
func hot(t testing.TB, n int) (*Resolver, []string) {
	r := newResolver(t, endless{}, Options{})
	q := &router.Query{}
	for i := n - 1; i >= 0; i-- {
		resolve(t, r, q, authority(i))
	}
	set := make([]string, 1000)
	for i := range set {
		set[i] = authority(i)
	}
	return r, set
}

func BenchmarkHit(b *testing.B) {
	for _, n := range []int{1000, 100_000, 1_000_000} {
		r, set := hot(b, n)
		b.Run(fmt.Sprintf("hosts=%d/hot=1000", n), func(b *testing.B) {
			b.ReportAllocs()
			q := &router.Query{}
			for i := 0; b.Loop(); i++ {
				resolve(b, r, q, set[i%len(set)])
			}
		})
	}
}

func BenchmarkHitParallel(b *testing.B) {
	r, set := hot(b, 100_000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		q := &router.Query{}
		for i := 0; pb.Next(); i++ {
			resolve(b, r, q, set[i%len(set)])
		}
	})
}

// What the resolver adds to the store's read.
func BenchmarkMiss(b *testing.B) {
	hosts := make([]string, 200_000)
	for i := range hosts {
		hosts[i] = authority(i)
	}
	for name, s := range map[string]Store{"known": endless{}, "unknown": empty{}, "filtered": filtered{}} {
		b.Run("host="+name, func(b *testing.B) {
			r := newResolver(b, s, Options{RouteCache: 10_000, UnknownCache: 10_000})
			b.ReportAllocs()
			q := &router.Query{}
			for i := 0; b.Loop(); i++ {
				resolve(b, r, q, hosts[i%len(hosts)])
			}
		})
	}
}

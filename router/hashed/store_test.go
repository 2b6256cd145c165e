package hashed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.OpenFS(vfs.NewMem(), "db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func update(t testing.TB, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if _, err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// With the real store: what Update has returned from, the next Resolve answers, while others resolve the same hosts.
func TestUpdateIsVisibleWhenItReturns(t *testing.T) {
	s := openStore(t)
	r := newResolver(t, s, Options{RouteCache: 4, UnknownCache: 4})
	stop := make(chan struct{})
	var others sync.WaitGroup
	hosts := []hostkey.Host{"a.one.example", "b.one.example", "c.two.example", "d.two.example", "one.example"}
	for range 3 {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = r.Resolve(context.Background(), &router.Query{Host: hosts[i%len(hosts)]})
			}
		})
	}
	for n := range store.DeploymentNo(300) {
		host := hosts[int(n)%len(hosts)]
		parent, _ := host.Parent()
		key, above := testHasher.Key(host), testHasher.Key(parent)
		update(t, s, func(tx *store.Tx) error { return tx.SetRoute(key, site(n+1)) })
		if got := ask(t, r, host); got != n+1 {
			t.Fatalf("%s: %d after its route was set to %d", host, got, n+1)
		}
		update(t, s, func(tx *store.Tx) error { return tx.SetWildcard(above, site(n+1000)) })
		update(t, s, func(tx *store.Tx) error { return tx.DeleteRoute(key) })
		if got := ask(t, r, host); got != n+1000 {
			t.Fatalf("%s: %d after its wildcard was set to %d", host, got, n+1000)
		}
		update(t, s, func(tx *store.Tx) error { return tx.DeleteWildcard(above) })
		if got := ask(t, r, host); got != 0 {
			t.Fatalf("%s: %d after everything was deleted", host, got)
		}
	}
	close(stop)
	others.Wait()
}

// A cold host with the real store: the whole of what a request waits for.
func BenchmarkColdHost(b *testing.B) {
	const hosts = 200_000
	s := openStore(b)
	for start := 0; start < hosts; start += 20_000 {
		update(b, s, func(tx *store.Tx) error {
			for i := start; i < start+20_000; i++ {
				h, err := hostkey.Canonical(authority(i))
				if err != nil {
					return err
				}
				if err := tx.SetRoute(testHasher.Key(h), site(1)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var next atomic.Int64
	for _, known := range []bool{true, false} {
		b.Run(fmt.Sprintf("hosts=%d/known=%v", hosts, known), func(b *testing.B) {
			r := newResolver(b, s, Options{RouteCache: 10_000, UnknownCache: 10_000})
			b.ReportAllocs()
			q := &router.Query{}
			names := make([]string, hosts)
			for i := range names {
				names[i] = authority(i)
				if !known {
					names[i] = "x" + names[i]
				}
			}
			for b.Loop() {
				resolve(b, r, q, names[next.Add(1)*7919%hosts])
			}
		})
	}
}

// A record that an earlier epoch left is absent, for a cache that held it as for a cold one, until it is written again.
func TestEpochs(t *testing.T) {
	s := openStore(t)
	hasher := hostkey.NewHasher(hostkey.Secret{1})
	r, err := New(s, hasher, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	const host, other = hostkey.Host("a.example"), hostkey.Host("b.c.example")
	write := func(tx *store.Tx) error {
		return errors.Join(tx.SetRoute(hasher.Key(host), site(1)), tx.SetWildcard(hasher.Key("c.example"), site(2)))
	}
	want := func(when string, first, second store.DeploymentNo) {
		t.Helper()
		for range 2 { // from the store, then from the cache
			if a, b := ask(t, r, host), ask(t, r, other); a != first || b != second {
				t.Errorf("%s: deployments %d and %d, want %d and %d", when, a, b, first, second)
			}
		}
	}
	update(t, s, write)
	want("before", 1, 2)
	update(t, s, func(tx *store.Tx) error { _, err := tx.NextEpoch(); return err })
	want("in the next epoch", 0, 0)
	update(t, s, write)
	want("written again", 1, 2)
}

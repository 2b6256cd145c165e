package bench_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/router"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/store"
)

// hostCounts are the numbers of deployed hosts at which look-ups are measured; BENCH_HOSTS=1000,14000000 names others.
func hostCounts(b *testing.B) []int {
	text := os.Getenv("BENCH_HOSTS")
	if text == "" {
		return []int{1_000, 1_000_000}
	}
	var counts []int
	for f := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		counts = append(counts, n)
	}
	return counts
}

// corpus is a store with n deployed hosts.
type corpus struct {
	n      int
	store  *store.Store
	hasher *hostkey.Hasher
}

// hostName is the i-th deployment's host, spread so that neighbours in number are not neighbours in name.
func hostName(i int) string {
	return fmt.Sprintf("%08x.project%d.pages.localhost", uint32(i)*2654435761, i%10_000)
}

func newCorpus(b *testing.B, n int) *corpus {
	b.Helper()
	s, err := store.Open(b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	c := &corpus{n: n, store: s, hasher: hostkey.NewHasher(hostkey.Secret{1})}
	const chunk = 20_000
	for from := 0; from < n; from += chunk {
		_, err := s.Update(context.Background(), func(tx *store.Tx) error {
			for i := from; i < min(from+chunk, n); i++ {
				r := store.Route{Kind: store.RouteSite, Class: store.ClassDeployment, Project: store.ProjectNo(1 + i%10_000), Deployment: store.DeploymentNo(1 + i)}
				if err := tx.SetRoute(c.hasher.Key(hostkey.Host(hostName(i))), r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Compact(context.Background()); err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkLookup measures the way from a Host header to a decision: kind=hit answers from the cache, a hot set of 1,000
// hosts, canonicalising and hashing included; kind=store reads the store, kind=missing asks it for hosts that do not exist.
// The metric median-ns is of single look-ups, in a batch of their own.
func BenchmarkLookup(b *testing.B) {
	for _, n := range hostCounts(b) {
		b.Run("hosts="+strconv.Itoa(n), func(b *testing.B) {
			c := newCorpus(b, n)
			b.Run("kind=hit", c.hit)
			b.Run("kind=store", func(b *testing.B) { c.read(b, func(i int) string { return hostName(i) }, nil) })
			b.Run("kind=missing", func(b *testing.B) {
				c.read(b, func(i int) string { return "x" + hostName(i) }, store.ErrNotFound)
			})
		})
	}
}

func (c *corpus) hit(b *testing.B) {
	r, err := hashed.New(c.store, c.hasher, hashed.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var hot []string
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		hot = append(hot, hostName(rng.IntN(c.n))+":8080")
	}
	ctx := context.Background()
	q := new(router.Query)
	ask := func(authority string) {
		host, err := hostkey.Canonical(authority)
		if err != nil {
			b.Fatal(err)
		}
		q.Host, q.Path = host, "/"
		if _, err := r.Resolve(ctx, q); err != nil {
			b.Fatal(err)
		}
	}
	for _, h := range hot {
		ask(h)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		ask(hot[i%len(hot)])
		i++
	}
}

func (c *corpus) read(b *testing.B, name func(int) string, want error) {
	rng := rand.New(rand.NewPCG(3, 4))
	keys := make([]hostkey.Key, 100_000)
	for i := range keys {
		keys[i] = c.hasher.Key(hostkey.Host(name(rng.IntN(c.n))))
	}
	read := func(k hostkey.Key) {
		if _, err := c.store.LookupRoute(k); !errors.Is(err, want) {
			b.Fatal(err)
		}
	}
	for _, k := range keys {
		read(k) // warms the block cache
	}
	took := make([]time.Duration, len(keys))
	for i, k := range keys {
		started := time.Now()
		read(k)
		took[i] = time.Since(started)
	}
	slices.Sort(took)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		read(keys[i%len(keys)])
		i++
	}
	b.ReportMetric(float64(took[len(took)/2]), "median-ns")
}

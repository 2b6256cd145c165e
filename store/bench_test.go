package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"berth/router/hostkey"
)

// testKey is the i-th host key of a corpus: as even as a hash.
func testKey(i int) (k hostkey.Key) {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	binary.LittleEndian.PutUint64(k[:8], r.Uint64())
	binary.LittleEndian.PutUint64(k[8:], r.Uint64())
	return k
}

// testRoute is what a busy server has: many projects, more deployments.
func testRoute(i int) Route {
	return Route{Kind: RouteSite, Class: Class(1 + i%4), Project: ProjectNo(1 + i%5000), Deployment: DeploymentNo(1 + i)}
}

// fill stores n routes in big batches and compacts.
func fill(tb testing.TB, s *Store, n int) {
	tb.Helper()
	const step = 5_000 // what a commit logs is one block, and sizes are estimated to the block
	for from := 0; from < n; from += step {
		_, err := s.Update(context.Background(), func(tx *Tx) error {
			for i := from; i < min(from+step, n); i++ {
				if err := tx.SetRoute(testKey(i), testRoute(i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := s.Compact(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkLookupRoute(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			fill(b, s, n)
			keys := make([]hostkey.Key, 1<<16)
			miss := make([]hostkey.Key, 1<<16)
			for i := range keys {
				keys[i], miss[i] = testKey(rand.IntN(n)), testKey(n+i)
			}
			for _, k := range keys {
				if _, err := s.LookupRoute(k); err != nil {
					b.Fatal(err)
				}
			}
			b.Run("host=known", func(b *testing.B) { benchLookup(b, s, keys, nil) })
			b.Run("host=unknown", func(b *testing.B) { benchLookup(b, s, miss, ErrNotFound) })
			b.Run("host=known/parallel", func(b *testing.B) {
				b.ReportAllocs()
				var seq atomic.Uint32
				b.RunParallel(func(pb *testing.PB) {
					for i := seq.Add(1) * 7919; pb.Next(); i++ {
						if _, err := s.LookupRoute(keys[i%uint32(len(keys))]); err != nil {
							b.Error(err)
						}
					}
				})
			})
		})
	}
}

// benchLookup reports the median beside the mean: a compaction in the background is not what is measured.
func benchLookup(b *testing.B, s *Store, keys []hostkey.Key, want error) {
	b.ReportAllocs()
	var times []time.Duration
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		_, err := s.LookupRoute(keys[i%len(keys)])
		if took := time.Since(start); len(times) < 1<<18 {
			times = append(times, took)
		}
		if !errors.Is(err, want) {
			b.Fatal(err)
		}
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds()), "median-ns")
}

func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.ReportAllocs()
			b.SetParallelism(writers)
			if writers == 1 {
				for i := 0; b.Loop(); i++ {
					updateOne(b, s, i)
				}
			} else {
				var seq atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						updateOne(b, s, int(seq.Add(1)))
					}
				})
			}
			st := s.Stats()
			b.ReportMetric(float64(st.LogSyncs)/float64(max(st.Commits, 1)), "syncs/op")
		})
	}
}

func updateOne(b *testing.B, s *Store, i int) {
	_, err := s.Update(context.Background(), func(tx *Tx) error { return tx.SetRoute(testKey(i), testRoute(i)) })
	if err != nil {
		b.Error(err)
	}
}

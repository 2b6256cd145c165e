package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func intHash(k int) uint64 { return uint64(k) }

func mustNew[V any](t testing.TB, o Options[int, V]) *Cache[int, V] {
	t.Helper()
	o.Hash = intHash
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put[V any](t testing.TB, c *Cache[int, V], k int, v V) {
	t.Helper()
	got, err := c.Load(context.Background(), k, func(context.Context) (V, error) { return v, nil })
	if err != nil {
		t.Fatalf("Load(%d) = %v, %v", k, got, err)
	}
}

func has[V any](c *Cache[int, V], keys ...int) (held []int) {
	for _, k := range keys {
		if _, ok := c.Get(k); ok {
			held = append(held, k)
		}
	}
	return held
}

func TestOptions(t *testing.T) {
	aside := func(int) bool { return false }
	for _, tt := range []struct {
		name string
		o    Options[int, int]
		want []string
	}{
		{"zero", Options[int, int]{}, []string{"Hash", "Capacity must"}},
		{"negative", Options[int, int]{Hash: intHash, Capacity: -1, Slots: -1}, []string{"Capacity must", "Slots"}},
		{"aside without bound", Options[int, int]{Hash: intHash, Capacity: 1, Aside: aside}, []string{"AsideCapacity must"}},
		{"bound without aside", Options[int, int]{Hash: intHash, Capacity: 1, AsideCapacity: 1}, []string{"AsideCapacity means"}},
		{"fine", Options[int, int]{Hash: intHash, Capacity: 1, Aside: aside, AsideCapacity: 1}, nil},
		{"vast", Options[int, int]{Hash: intHash, Capacity: 1 << 60}, nil},
	} {
		_, err := New(tt.o)
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v", tt.name, err)
		}
		for _, text := range tt.want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v does not name %s", tt.name, err, text)
			}
		}
	}
}

func TestOneFillForAllWhoWait(t *testing.T) {
	for _, inline := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := mustNew(t, Options[int, int]{Capacity: 10, Inline: inline})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			gate := make(chan int)
			fills, answers := atomic.Int32{}, atomic.Int32{}
			for range 20 {
				go func() {
					v, err := c.Load(ctx, 1, func(context.Context) (int, error) { fills.Add(1); return <-gate, nil })
					if v == 7 && err == nil {
						answers.Add(1)
					}
				}()
			}
			synctest.Wait()
			gate <- 7
			synctest.Wait()
			if fills.Load() != 1 || answers.Load() != 20 {
				t.Errorf("inline %v: %d fills, %d answers", inline, fills.Load(), answers.Load())
			}
			want := Stats{Misses: 20, Fills: 1, Entries: 1, Weight: 1}
			if diff := cmp.Diff(want, c.Stats()); diff != "" {
				t.Errorf("inline %v: stats (-want +got):\n%s", inline, diff)
			}
		})
	}
}

func TestDropDuringFill(t *testing.T) {
	for name, drop := range map[string]func(*Cache[int, string]){
		"Drop":      func(c *Cache[int, string]) { c.Drop(1) },
		"DropAll":   func(c *Cache[int, string]) { c.DropAll() },
		"DropAside": func(c *Cache[int, string]) { c.DropAside() },
	} {
		synctest.Test(t, func(t *testing.T) {
			c := mustNew(t, Options[int, string]{Capacity: 10})
			gate := make(chan struct{})
			results := make(chan string, 2)
			load := func(v string) {
				got, _ := c.Load(t.Context(), 1, func(context.Context) (string, error) { <-gate; return v, nil })
				results <- got
			}
			go load("old")
			synctest.Wait()
			drop(c)
			go load("new")
			synctest.Wait()
			close(gate)
			first, second := <-results, <-results
			if first+second != "oldnew" && first+second != "newold" {
				t.Errorf("%s: answers %q and %q", name, first, second)
			}
			if got, ok := c.Get(1); !ok || got != "new" {
				t.Errorf("%s: kept %q, %v", name, got, ok)
			}
			if s := c.Stats(); s.Discarded != 1 || s.Fills != 2 {
				t.Errorf("%s: stats %+v", name, s)
			}
		})
	}
}

func TestWaitersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mustNew(t, Options[int, int]{Capacity: 10})
		var fillErr error
		fill := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			fillErr = ctx.Err()
			return 0, ctx.Err()
		}
		var cancels []context.CancelFunc
		errs := make(chan error, 3)
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			cancels = append(cancels, cancel)
			go func() {
				_, err := c.Load(ctx, 1, fill)
				errs <- err
			}()
		}
		synctest.Wait()
		for i, cancel := range cancels {
			if fillErr != nil {
				t.Fatalf("the fill was cancelled while %d waited", 3-i)
			}
			cancel() // the first caller's first: its going must not matter
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Errorf("waiter %d: %v", i, err)
			}
			synctest.Wait()
		}
		if fillErr == nil {
			t.Error("the fill was not cancelled when nobody waited")
		}
		put(t, c, 1, 5) // and nobody inherits its error
	})
}

func TestDoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := mustNew(t, Options[int, int]{Capacity: 10})
	_, err := c.Load(ctx, 1, func(context.Context) (int, error) { t.Error("filled for nobody"); return 0, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	put(t, c, 1, 3)
	if v, err := c.Load(ctx, 1, nil); v != 3 || err != nil {
		t.Errorf("a hit needs no context: %v, %v", v, err)
	}
}

func TestFailedFills(t *testing.T) {
	for _, inline := range []bool{false, true} {
		c := mustNew(t, Options[int, int]{Capacity: 10, Inline: inline})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if v, err := c.Load(ctx, 1, func(context.Context) (int, error) { return 9, errFill }); v != 0 || err != errFill {
			t.Errorf("error: %v, %v", v, err)
		}
		_, err := c.Load(ctx, 1, func(context.Context) (int, error) { panic("boom") })
		if p, ok := errors.AsType[*PanicError](err); !ok || p.Value != "boom" || !strings.Contains(string(p.Stack), "TestFailedFills") {
			t.Errorf("panic: %v", err)
		}
		ended := make(chan error, 1)
		go func() {
			defer close(ended)
			_, err := c.Load(ctx, 1, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
			ended <- err
		}()
		if err, ok := <-ended; ok && err == nil {
			t.Error("a fill that ended its goroutine counts as one that returned")
		}
		put(t, c, 1, 5)
		if got, ok := c.Get(1); got != 5 || !ok {
			t.Errorf("after failures: %v, %v", got, ok)
		}
	}
	broken := mustNew(t, Options[int, int]{Capacity: 10, Weight: func(int, int) int64 { panic("weight") }})
	if _, err := broken.Load(t.Context(), 1, func(context.Context) (int, error) { return 1, nil }); err == nil {
		t.Error("a panic in Weight is lost")
	}
}

func TestEviction(t *testing.T) {
	t.Run("oldest first", func(t *testing.T) {
		c := mustNew(t, Options[int, int]{Capacity: 3})
		for k := range 5 {
			put(t, c, k, k)
		}
		if diff := cmp.Diff([]int{2, 3, 4}, has(c, 0, 1, 2, 3, 4)); diff != "" {
			t.Error(diff)
		}
		if s := c.Stats(); s.Evicted != 2 || s.Entries != 3 {
			t.Errorf("stats %+v", s)
		}
	})
	t.Run("a hit saves", func(t *testing.T) {
		c := mustNew(t, Options[int, int]{Capacity: 3})
		for k := range 3 {
			put(t, c, k, k)
		}
		has(c, 0)
		put(t, c, 3, 3)
		if diff := cmp.Diff([]int{0, 2, 3}, has(c, 0, 1, 2, 3)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a hit saves once", func(t *testing.T) {
		c := mustNew(t, Options[int, int]{Capacity: 3})
		for k := range 3 {
			put(t, c, k, k)
		}
		has(c, 0)
		for k := 3; k < 7; k++ {
			put(t, c, k, k)
		}
		if diff := cmp.Diff([]int{4, 5, 6}, has(c, 0, 3, 4, 5, 6)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a newcomer stays though all others were hit", func(t *testing.T) {
		for _, capacity := range []int{1, 2, 3, secondChances, secondChances + 5} {
			c := mustNew(t, Options[int, int]{Capacity: int64(capacity)})
			for k := range capacity {
				put(t, c, k, k)
				has(c, k)
			}
			put(t, c, capacity, 0)
			if len(has(c, capacity)) != 1 || c.Stats().Evicted != 1 {
				t.Errorf("capacity %d: stats %+v", capacity, c.Stats())
			}
		}
	})
	t.Run("weights", func(t *testing.T) {
		c := mustNew(t, Options[int, int]{Capacity: 10, Weight: func(_, v int) int64 { return int64(v) }})
		put(t, c, 1, 4)
		put(t, c, 2, 4)
		put(t, c, 3, 11) // returned, not kept, and nothing made room for it
		if diff := cmp.Diff([]int{1, 2}, has(c, 1, 2, 3)); diff != "" {
			t.Error(diff)
		}
		put(t, c, 4, 10)
		put(t, c, 5, -3)
		if diff := cmp.Diff([]int{5}, has(c, 1, 2, 3, 4, 5)); diff != "" {
			t.Error(diff)
		}
		if s := c.Stats(); s.Weight != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestAsideDoesNotPushOut(t *testing.T) {
	c := mustNew(t, Options[int, int]{Capacity: 100, Aside: func(v int) bool { return v < 0 }, AsideCapacity: 50})
	for k := range 100 {
		put(t, c, k, 1)
	}
	for k := 1000; k < 11000; k++ {
		put(t, c, k, -1)
	}
	for k := range 100 {
		if _, ok := c.Get(k); !ok {
			t.Fatalf("%d was pushed out", k)
		}
	}
	want := Stats{Hits: 100, Misses: 10100, Fills: 10100, Evicted: 9950, Entries: 150, Weight: 150, AsideEntries: 50, AsideWeight: 50}
	if diff := cmp.Diff(want, c.Stats()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.DropAside()
	if s := c.Stats(); s.Entries != 100 || s.AsideEntries != 0 {
		t.Errorf("after DropAside: %+v", s)
	}
	checkBounds(t, c)
}

// A set of the read tier that is too small only costs the lock.
func TestCrowdedSet(t *testing.T) {
	c, err := New(Options[int, int]{Hash: func(int) uint64 { return 1 }, Capacity: 100})
	if err != nil {
		t.Fatal(err)
	}
	for k := range 100 {
		put(t, c, k, k)
	}
	for range 3 {
		for k := range 100 {
			if v, ok := c.Get(k); !ok || v != k {
				t.Fatalf("Get(%d) = %d, %v", k, v, ok)
			}
		}
		checkBounds(t, c)
	}
	for k := range 100 {
		c.Drop(k)
	}
	if len(has(c, 1, 50, 99)) != 0 {
		t.Error("dropped entries are still answered")
	}
	checkBounds(t, c)
}

// A writer and its readers at full speed. Under the race detector this is also the proof that the tiers share nothing unguarded.
func TestNoStaleAnswerUnderLoad(t *testing.T) {
	const keys = 16
	var backing, floor [keys]atomic.Int64
	c := mustNew(t, Options[int, int64]{Capacity: 10, Slots: 8, Aside: func(v int64) bool { return v%3 == 0 }, AsideCapacity: 4})
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for g := range 4 {
		readers.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for i := g; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := i % keys
				least := floor[k].Load()
				v, err := c.Load(ctx, k, func(context.Context) (int64, error) {
					v := backing[k].Load()
					runtime.Gosched() // a write fits in here
					return v, nil
				})
				if err != nil || v < least {
					t.Errorf("Load(%d) = %d, %v; had been dropped at %d", k, v, err, least)
					return
				}
			}
		})
	}
	for i := range 4000 {
		k := i * 7 % keys
		v := backing[k].Add(1)
		if i%100 == 99 {
			c.DropAll()
		} else {
			c.Drop(k)
		}
		floor[k].Store(v)
		if i%50 == 0 {
			c.Stats()
			runtime.Gosched()
		}
	}
	close(stop)
	readers.Wait()
	checkBounds(t, c)
}

func TestHitsAllocateNothing(t *testing.T) {
	c := mustNew(t, Options[int, [4]int]{Capacity: 1000})
	fill := func(context.Context) ([4]int, error) { return [4]int{}, nil }
	for k := range 1000 {
		put(t, c, k, [4]int{})
	}
	k := 0
	if n := testing.AllocsPerRun(5000, func() {
		k = (k + 1) % 1000
		if _, ok := c.Get(k); !ok {
			t.Fatal("miss")
		}
		if _, err := c.Load(context.Background(), k, fill); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGet(b *testing.B) {
	for _, entries := range []int{1000, 100_000} {
		c := mustNew(b, Options[int, [4]int]{Capacity: 100_000})
		for k := range entries {
			put(b, c, k, [4]int{})
		}
		b.Run(fmt.Sprintf("entries=%d/hot=1000", entries), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					c.Get(i % 1000)
				}
			})
		})
	}
}

func BenchmarkMiss(b *testing.B) {
	for _, inline := range []bool{true, false} {
		b.Run(fmt.Sprintf("inline=%v", inline), func(b *testing.B) {
			c := mustNew(b, Options[int, int]{Capacity: 10_000, Inline: inline})
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, _ = c.Load(ctx, i, func(context.Context) (int, error) { return i, nil })
			}
		})
	}
}

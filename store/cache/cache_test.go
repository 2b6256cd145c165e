package cache

import (
	"context"
	"errors"
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
		{"negative", Options[int, int]{Hash: intHash, Capacity: -1}, []string{"Capacity must"}},
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

// A writer and its readers at full speed. Under the race detector this is also the proof that the tiers share nothing unguarded.
func TestNoStaleAnswerUnderLoad(t *testing.T) {
	const keys = 16
	var backing, floor [keys]atomic.Int64
	c := mustNew(t, Options[int, int64]{Capacity: 10, Aside: func(v int64) bool { return v%3 == 0 }, AsideCapacity: 4})
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

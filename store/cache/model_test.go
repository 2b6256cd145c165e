package cache

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

const modelKeys = 6

var errFill = errors.New("fill failed")

// version is what the model keeps under a key: a later write has a higher number.
type version struct{ key, n int }

// world is a backing map with a cache before it, loads in every stage, and what each load may answer.
type world struct {
	t *rapid.T
	c *Cache[int, version]

	mu      sync.Mutex
	backing [modelKeys]int
	gates   []chan string // of fills under way: each takes two, before and after it reads

	made map[version]int // of each, how many a fill has made and the cache has not let go

	floor [modelKeys]int // the version that was current when the key was last dropped
	loads []*modelLoad
}

type modelLoad struct {
	key    int
	floor  int // when it began
	cancel context.CancelFunc
	done   bool
	got    version
	err    error
}

func newWorld(t *rapid.T) *world {
	o := Options[int, version]{
		Hash:     func(k int) uint64 { return uint64(k) },
		Capacity: 5,
		Inline:   rapid.Bool().Draw(t, "inline"),
	}
	if rapid.Bool().Draw(t, "weights") {
		// Key 0 is heavier than the cache.
		o.Weight = func(k int, v version) int64 { return []int64{6, 1, 2, 3, 0, 5}[k] }
	}
	if rapid.Bool().Draw(t, "aside") {
		// A key changes sides as its value changes.
		o.Aside, o.AsideCapacity = func(v version) bool { return (v.key+v.n)%2 == 0 }, 3
	}
	w := &world{t: t, made: map[version]int{}}
	o.Released = func(v version) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.made[v]--
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.c = c
	return w
}

func (w *world) key() int { return rapid.IntRange(0, modelKeys-1).Draw(w.t, "key") }

func (w *world) fill(k int) (version, error) {
	before, after := make(chan string, 1), make(chan string, 1)
	w.mu.Lock()
	w.gates = append(w.gates, before)
	w.mu.Unlock()
	<-before
	w.mu.Lock()
	v := version{k, w.backing[k]}
	w.gates = append(w.gates, after)
	w.mu.Unlock()
	switch <-after {
	case "error":
		return v, errFill
	case "panic":
		panic("fill panics")
	}
	w.mu.Lock()
	w.made[v]++
	w.mu.Unlock()
	return v, nil
}

func (w *world) load() {
	ctx, cancel := context.WithCancel(context.Background())
	k := w.key()
	l := &modelLoad{key: k, floor: w.floor[k], cancel: cancel}
	w.loads = append(w.loads, l)
	go func() {
		v, err := w.c.Load(ctx, k, func(context.Context) (version, error) { return w.fill(k) })
		w.mu.Lock()
		defer w.mu.Unlock()
		l.got, l.err, l.done = v, err, true
	}()
}

func (w *world) get() {
	k := w.key()
	if v, ok := w.c.Get(k); ok && (v.key != k || v.n < w.floor[k]) {
		w.t.Fatalf("Get(%d) = %v, dropped when at %d", k, v, w.floor[k])
	}
}

// write changes what a fill reads. Only once drop follows it has the writer returned.
func (w *world) write() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.backing[w.key()]++
}

func (w *world) drop() {
	k := w.key()
	w.c.Drop(k)
	w.floor[k] = w.backing[k]
}

func (w *world) dropAll() {
	w.c.DropAll()
	w.floor = w.backing
}

func (w *world) dropAside() {
	w.c.DropAside()
	for k := range modelKeys {
		if v, ok := w.c.Get(k); ok && w.c.o.Aside != nil && w.c.o.Aside(v) {
			w.t.Fatalf("%v is aside and survived DropAside", v)
		}
	}
}

// open lets one fill go one step on.
func (w *world) open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.gates) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.gates)-1).Draw(w.t, "gate")
	w.gates[i] <- rapid.SampledFrom([]string{"value", "value", "value", "error", "panic"}).Draw(w.t, "outcome")
	w.gates = append(w.gates[:i], w.gates[i+1:]...)
}

func (w *world) cancel() {
	if len(w.loads) > 0 {
		w.loads[rapid.IntRange(0, len(w.loads)-1).Draw(w.t, "load")].cancel()
	}
}

// check is the invariant.
func (w *world) check() {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	open := w.loads[:0]
	for _, l := range w.loads {
		if !l.done {
			open = append(open, l)
			continue
		}
		l.cancel()
		_, panicked := errors.AsType[*PanicError](l.err)
		switch {
		case l.err == nil && (l.got.key != l.key || l.got.n < l.floor):
			w.t.Fatalf("Load(%d) = %v, begun when dropped at %d", l.key, l.got, l.floor)
		case l.err == nil || panicked || errors.Is(l.err, errFill) || errors.Is(l.err, context.Canceled):
		default:
			w.t.Fatalf("Load(%d): %v", l.key, l.err)
		}
	}
	w.loads = open
	checkBounds(w.t, w.c)
	w.checkReleased()
}

// checkReleased holds what the cache has against what it was given and has not let go.
func (w *world) checkReleased() {
	held := map[version]int{}
	for _, s := range w.c.segs {
		for _, e := range s.lru.Keys() {
			held[e.value]++
		}
	}
	for v, n := range w.made {
		if n != held[v] {
			w.t.Fatalf("%d of %v were made and not released, %d are held", n, v, held[v])
		}
	}
}

type fataler interface{ Fatalf(string, ...any) }

// checkBounds holds the tables against the LRUs.
func checkBounds[K comparable, V any](t fataler, c *Cache[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.segs {
		sum := int64(0)
		for _, e := range s.lru.Keys() {
			sum += int64(e.weight)
			if s.table.get(mix(c.o.Hash(e.key)), e.key) != e {
				t.Fatalf("the table does not answer for %v", e.key)
			}
		}
		if sum != s.weight || s.weight > s.capacity {
			t.Fatalf("weight %d, accounted %d, capacity %d", sum, s.weight, s.capacity)
		}
		chained := 0
		for i := range *s.table.buckets.Load() {
			for e := (*s.table.buckets.Load())[i].first.Load(); e != nil; e = e.next.Load() {
				chained++
			}
		}
		if chained != s.lru.Len() || s.table.n != chained {
			t.Fatalf("the table holds %d entries and counts %d, the LRU has %d", chained, s.table.n, s.lru.Len())
		}
	}
}

// finish lets everything run to its end: a load that then does not return is wedged, and synctest says so.
func (w *world) finish() {
	for {
		synctest.Wait()
		w.mu.Lock()
		gates := w.gates
		w.gates = nil
		w.mu.Unlock()
		if len(gates) == 0 {
			break
		}
		for _, g := range gates {
			g <- "value"
		}
	}
	for _, l := range w.loads {
		if !l.done {
			w.t.Fatalf("Load(%d) is stuck", l.key)
		}
	}
	if len(w.c.flights) != 0 {
		w.t.Fatalf("%d fills are still under way", len(w.c.flights))
	}
	w.c.DropAll()
	w.checkReleased()
}

// bubbled hides Deadline from rapid: a test in a synctest bubble has none, and panics when asked.
type bubbled struct{ *testing.T }

func TestModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(t *rapid.T) {
			w := newWorld(t)
			defer w.finish()
			t.Repeat(map[string]func(*rapid.T){
				"load":      func(*rapid.T) { w.load() },
				"load2":     func(*rapid.T) { w.load() },
				"get":       func(*rapid.T) { w.get() },
				"write":     func(*rapid.T) { w.write() },
				"drop":      func(*rapid.T) { w.drop() },
				"dropAll":   func(*rapid.T) { w.dropAll() },
				"dropAside": func(*rapid.T) { w.dropAside() },
				"open":      func(*rapid.T) { w.open() },
				"open2":     func(*rapid.T) { w.open() },
				"cancel":    func(*rapid.T) { w.cancel() },
				"":          func(*rapid.T) { w.check() },
			})
		})
	})
}
